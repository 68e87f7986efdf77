"""Many pairs of solution and tests, on all cores, in rooms that are kept for the next ones."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue

from synth_stack.host import count_cores
from synth_stack.sandbox.modes import REAL
from synth_stack.sandbox.room import DEFAULT, Limits, Outcome, Room, find_level
from synth_stack.sandbox.runtimes import PYTHON, Runtime


def run_many(
    pairs: Sequence[tuple[str, str]],
    *,
    limits: Limits = DEFAULT,
    workers: int | None = None,
    confirmed: bool = True,
    runtime: Runtime = PYTHON,
    modes: Sequence[bytes] | None = None,
) -> list[Outcome]:
    """The outcomes of (solution, tests) pairs of `runtime`, in their order, on `workers` rooms at once.

    Without `workers` one for each core that this process may use. Without `confirmed` a pass is believed
    after one run; `modes`: how each is run (sandbox/modes.py). Raises SandboxError.
    """
    if not pairs:
        return []
    workers = min(len(pairs), workers or count_cores())
    with _borrow_rooms(workers, runtime) as rooms, ThreadPoolExecutor(workers) as pool:
        free: SimpleQueue[Room] = SimpleQueue()
        for room in rooms:
            free.put(room)

        def run(pair: tuple[str, str], mode: bytes) -> Outcome:
            room = free.get()
            try:
                return room.run(*pair, limits, confirmed=confirmed, mode=mode)
            finally:
                free.put(room)

        return list(pool.map(run, pairs, modes or [REAL] * len(pairs)))


class _Kept(threading.local):
    """Open rooms that wait for the next pairs: to build one costs as much as a dozen runs in it.

    Of one thread, since the kernel ends a room with the thread that built it, and of one process, since one
    that was forked would read the answers that its parent waits for.
    """

    def __init__(self) -> None:
        self.rooms: dict[str, list[Room]] = {}
        self.process = os.getpid()


_kept = _Kept()


@contextmanager
def _borrow_rooms(count: int, runtime: Runtime) -> Iterator[list[Room]]:
    """`count` open rooms of a runtime, those that were kept first. Behind the block as many are kept as
    there are cores; after an exception all are closed, since an answer may be on its way in them.
    """
    if _kept.process != os.getpid():
        _kept.rooms, _kept.process = {}, os.getpid()
    kept = _kept.rooms.pop(runtime.language, [])
    with ExitStack() as closing:
        rooms = [closing.enter_context(room) for room in kept]
        rooms = [room for room in rooms if room.is_open()]
        while len(rooms) < count:
            rooms.append(closing.enter_context(Room(find_level(), runtime)))
        yield rooms[:count]
        for room in rooms[count_cores() :]:
            room.close()
        _kept.rooms[runtime.language] = rooms[: count_cores()]
        closing.pop_all()
