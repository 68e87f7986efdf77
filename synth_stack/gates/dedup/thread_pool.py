"""Threads for blocks of rows: NumPy and polars let go of the interpreter while they work."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_MAX_THREADS = 4
"""More of them wait for memory and for the interpreter rather than for a core."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_threads() -> int:
    """How many threads to work on: those of polars, which POLARS_MAX_THREADS limits, and at most four."""
    import polars as pl

    return min(_MAX_THREADS, pl.thread_pool_size())


def map_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work(item)` of each item, in order, on several threads; never more than a few items ahead.

    The items are drawn in the calling thread.
    """
    threads = count_threads()
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
