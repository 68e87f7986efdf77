"""Rate limits, pauses that a server asks for, and the jitter of retries."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.teachers import rate_limit as pace_module
from synth_stack.teachers.rate_limit import MAX_BACKOFF_S, Pace, estimate_tokens, read_retry_after


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still unless somebody sleeps; its one element is the time."""
    now = [1000.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(pace_module, "monotonic", lambda: now[0])
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return now


def admitted(
    clock: list[float], pace: Pace, tokens: list[int], after: Callable[[], object] = int
) -> list[float]:
    """When each request is let go, in seconds from the first's arrival."""
    began = clock[0]

    async def work() -> list[float]:
        times = []
        for count in tokens:
            await pace.admit(count)
            times.append(clock[0] - began)
            after()
        return times

    return asyncio.run(work())


def test_without_limits_no_request_waits(clock: list[float]) -> None:
    assert admitted(clock, Pace(), [10**6] * 5) == [0.0] * 5


def test_requests_are_spaced_evenly_over_the_minute_and_the_first_goes_at_once(clock: list[float]) -> None:
    assert admitted(clock, Pace(120), [0] * 4) == [0.0, 0.5, 1.0, 1.5]


def test_a_request_waits_until_the_tokens_before_it_are_paid_off(clock: list[float]) -> None:
    assert admitted(clock, Pace(None, 6000), [100, 300, 50]) == [0.0, 1.0, 4.0]


def test_one_request_larger_than_a_minute_s_tokens_is_let_go_and_the_next_one_waits(
    clock: list[float],
) -> None:
    assert admitted(clock, Pace(None, 60), [600, 1]) == [0.0, 600.0]


def test_time_that_nobody_used_is_not_saved_up(clock: list[float]) -> None:
    pace = Pace(60)
    admitted(clock, pace, [0])
    clock[0] += 100
    assert admitted(clock, pace, [0, 0]) == [0.0, 1.0]


def test_what_the_server_counted_replaces_the_estimate(clock: list[float]) -> None:
    pace = Pace(None, 6000)
    assert admitted(clock, pace, [100, 100], lambda: pace.correct(100, 20)) == pytest.approx([0.0, 0.2])
    assert admitted(clock, pace, [100], lambda: pace.correct(100, 0)) == pytest.approx([0.2])


def test_a_pause_that_one_request_was_asked_for_holds_all(clock: list[float]) -> None:
    pace = Pace()
    pace.hold(7.0)
    pace.hold(3.0)
    assert admitted(clock, pace, [0, 0]) == [7.0, 7.0]


@given(
    st.integers(1, 100_000),
    st.integers(1, 10_000_000),
    st.lists(st.integers(0, 5_000), min_size=2, max_size=50),
)
def test_no_minute_has_more_than_its_limit(requests: int, tokens: int, asked: list[int]) -> None:
    pace = Pace(requests, tokens)
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace_module, "monotonic", lambda: now[0])
        patch.setattr(asyncio, "sleep", sleep)
        times = admitted(now, pace, asked)
    for (earlier, later), spent in zip(pairwise(times), asked, strict=False):
        assert later - earlier >= 60 / requests - 1e-6
        assert later - earlier >= 60 * spent / tokens - 1e-6


def test_a_backoff_doubles_is_bounded_and_has_a_part_drawn_from_the_seed() -> None:
    one, same, other = Pace(seed=1), Pace(seed=1), Pace(seed=2)
    pauses = [one.backoff(attempt) for attempt in range(1, 12)]
    assert pauses == [same.backoff(attempt) for attempt in range(1, 12)]
    assert pauses != [other.backoff(attempt) for attempt in range(1, 12)]
    for attempt, pause in enumerate(pauses, 1):
        longest = min(0.5 * 2 ** (attempt - 1), MAX_BACKOFF_S)
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 16}, 26),
        ({"prompt": "x" * 8}, 2),
        ({}, 0),
    ],
)
def test_a_request_is_estimated_by_its_text_and_the_most_that_it_may_answer(
    body: dict[str, Any], tokens: int
) -> None:
    assert estimate_tokens(body) == tokens


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "9" * 5000}, 999_999_999_999.0),
        (
            {"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"},
            30.0,
        ),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"retry-after": "Sunday, 22-Nov-26 12:00:09 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}, 9.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "yesterday"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e9"}, 0.0),
        ({"retry-after": "²"}, 0.0),
        ({"retry-after": "Sun, 99 Nov 99999 12:00:30 GMT"}, 0.0),
    ],
)
def test_a_pause_is_read_in_seconds_or_as_a_date_by_the_server_s_clock(
    headers: dict[str, str], seconds: float
) -> None:
    assert read_retry_after(headers) == seconds


def test_a_date_without_the_server_s_own_is_counted_from_now() -> None:
    assert read_retry_after({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}) > 1e9
