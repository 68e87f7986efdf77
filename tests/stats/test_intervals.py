from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from synth_stack.stats.intervals import clopper_pearson, lower_bound, upper_bound, wilson

Interval = Callable[[int, int], tuple[float, float]]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe 1998, table I, method 5
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
        (29, 29, 0.8806, 1.0),
    ],
)
def test_the_exact_interval_is_the_published_one(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_nothing_is_known_without_trials(interval: Interval) -> None:
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (0, -1)])
@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_counts_that_are_none_are_refused(interval: Interval, successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        interval(successes, trials)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_share_lies_in_its_interval(trials: int, share: float) -> None:
    successes = round(trials * share)
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_one_sided_bounds_are_those_that_leave_a_twentieth_out() -> None:
    assert upper_bound(7, 59) == pytest.approx(0.21, abs=0.005)
    assert binom.cdf(7, 59, upper_bound(7, 59)) == pytest.approx(0.05)
    assert binom.sf(6, 59, lower_bound(7, 59)) == pytest.approx(0.05)
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert (lower_bound(0, 5), upper_bound(5, 5)) == (0.0, 1.0)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    for bound in (lower_bound, upper_bound):
        with pytest.raises(ValueError, match="is no share"):
            bound(4, 3)
