"""Rooms of every level for the tests that must see each of them hold.

A level that this machine cannot build is skipped; SYNTH_STACK_REQUIRE_SANDBOXES=1 (set in CI) makes that a failure.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from synth_stack.errors import SandboxError
from synth_stack.sandbox.room import Room, check_level


@contextmanager
def open_room(level: str) -> Iterator[Room]:
    """A room of `level` that held against a probe."""
    try:
        check_level(level)
    except SandboxError as exc:
        missing = f"needs a sandbox of level {level} (apt-get install bubblewrap): {exc.seen}"
        if os.environ.get("SYNTH_STACK_REQUIRE_SANDBOXES") == "1":
            pytest.fail(f"SYNTH_STACK_REQUIRE_SANDBOXES is set, and this test {missing}")
        pytest.skip(missing)
    with Room(level) as room:
        yield room
