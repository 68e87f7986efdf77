"""The main thread at work for the threads of batches, while it waits for them.

A step of somebody else's may do what only the main thread can (signals, as APIGenExecutionChecker does), and
may hold what belongs to the thread that loaded it (a connection to SQLite).
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class MainThread:
    """What other threads want done here."""

    def __init__(self) -> None:
        self._wanted: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False

    def call(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, or raises, in the main thread. Raises CancelledError after `close`."""
        future: Future[Result] = Future()
        with self._lock:
            if self._closed:
                raise CancelledError
            self._wanted.put((future, work))
        return future.result()

    def wait(self, awaited: Future[Result]) -> Result:
        """The result of a future; what others want done is done meanwhile."""
        awaited.add_done_callback(lambda _: self._wanted.put(None))
        while not awaited.done():
            if (wanted := self._wanted.get()) is not None:
                _do(*wanted)
        return awaited.result()

    def close(self) -> None:
        """Nothing is done any more: who waits for it is told."""
        with self._lock:
            self._closed = True
        while True:
            try:
                wanted = self._wanted.get_nowait()
            except Empty:
                return
            if wanted is not None:
                wanted[0].cancel()


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except BaseException as exc:
        future.set_exception(exc)
        if not isinstance(exc, Exception):
            raise
    else:
        future.set_result(result)
