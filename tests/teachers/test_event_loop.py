"""An event loop that many threads ask, and that ends what is left when it is closed."""

import asyncio
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from synth_stack.teachers.event_loop import LoopThread


async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


async def fail() -> None:
    raise ValueError("no")


def test_many_threads_get_their_own_results() -> None:
    loop = LoopThread("test")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: loop.run(double(n)), range(64))) == [2 * n for n in range(64)]
    loop.close()


def test_what_the_work_raises_is_raised_where_it_was_asked() -> None:
    loop = LoopThread("test")
    with pytest.raises(ValueError, match="no"):
        loop.run(fail())
    loop.close()


def test_closing_ends_what_is_left_and_runs_the_last_word() -> None:
    loop = LoopThread("test")
    said: list[str] = []
    started = asyncio.Event()

    async def wait_forever() -> None:
        started.set()
        await asyncio.Event().wait()

    async def say() -> None:
        said.append("bye")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(loop.run, wait_forever())
        loop.run(asyncio.wait_for(started.wait(), 10))
        loop.close(say())
        with pytest.raises(CancelledError):
            waiting.result(10)
    assert said == ["bye"]
    with pytest.raises(CancelledError):
        loop.run(double(1))
