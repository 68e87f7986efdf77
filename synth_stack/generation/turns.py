"""Batches of one pipeline side by side: one works at a time, and another while that waits for its teacher.

An author's steps need not be safe in several threads, and may draw from Python's and NumPy's global random
generators: each batch finds these as it left them.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from synth_stack.rows.canonical import digest_json


class Turn:
    """Whose turn it is to work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outside = _read_states()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Within it nobody else works."""
        with self._lock:
            yield

    @contextmanager
    def left(self) -> Iterator[None]:
        """Within it others work; after it the random generators are as they were before."""
        states = _read_states()
        _set_states(self._outside)
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
            _set_states(states)


@contextmanager
def seeded(*named: Any) -> Iterator[None]:
    """Both global random generators seeded by a name, and as they were before after the block."""
    seed = int(digest_json([str(part) for part in named])[:8], 16)
    states = _read_states()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        _set_states(states)


def _read_states() -> tuple[Any, Any]:
    return random.getstate(), np.random.get_state()


def _set_states(states: tuple[Any, Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
