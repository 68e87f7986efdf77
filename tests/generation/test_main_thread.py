"""Work that other threads hand to the main one."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from synth_stack.generation.main_thread import MainThread


class Killed(BaseException):
    """Nothing catches it."""


def test_what_a_thread_hands_over_is_done_in_the_thread_that_waits_for_it() -> None:
    main = MainThread()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(main.call, threading.current_thread) for _ in range(4)]
        assert [main.wait(each) for each in asked] == [threading.main_thread()] * 4


def test_what_is_raised_there_is_raised_where_it_was_wanted() -> None:
    def fall() -> None:
        raise ValueError("no such row")

    main = MainThread()
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="no such row"):
        main.wait(pool.submit(main.call, fall))


def test_who_waits_is_told_when_nothing_is_done_any_more() -> None:
    def die() -> None:
        raise Killed

    main = MainThread()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(main.call, die)
        with pytest.raises(Killed):
            main.wait(first)
        main.close()
        with pytest.raises(CancelledError):
            pool.submit(main.call, die).result()
        assert isinstance(first.exception(), Killed)
