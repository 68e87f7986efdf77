"""An event loop in a thread of its own, on which the requests of all batches meet."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopThread:
    """A running event loop. distilabel's own LLMs run theirs in the caller's thread, one batch at a time."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._open = True
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` returns; many threads may wait here at a time.

        Raises CancelledError when the loop was closed, or is closed before the work is done.
        """
        with self._gate:
            if not self._open:
                work.close()
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def close(self, last: Coroutine[Any, Any, None] | None = None) -> None:
        """End what is still running, such as what Ctrl-C left undone, run `last`, and stop."""
        with self._gate:
            self._open = False
        asyncio.run_coroutine_threadsafe(_finish(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _finish(last: Coroutine[Any, Any, None] | None) -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if last is not None:
        await last
    await asyncio.sleep(0)  # a closed connection lets go of its socket one turn later
