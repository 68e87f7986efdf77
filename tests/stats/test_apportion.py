"""Whole numbers in proportion."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from synth_stack.stats.apportion import split_draws, split_exactly


@given(st.integers(0, 10**8), st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12))
def test_split_draws_add_up_and_are_within_one_of_their_share(total: int, shares: list[float]) -> None:
    counts = split_draws(total, shares)
    assert sum(counts) == total
    exact = [total * share / sum(shares) for share in shares]
    assert all(abs(count - value) < 1 + 1e-6 for count, value in zip(counts, exact, strict=True))


def test_a_tie_goes_to_the_first() -> None:
    assert split_draws(1, [0.5, 0.5]) == [1, 0]
    assert split_draws(5, [0.5, 0.3, 0.2]) == [3, 1, 1]


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_whole_numbers_add_up_and_are_within_one_of_their_share(total: int, weights: list[int]) -> None:
    counts = split_exactly(total, weights)

    assert sum(counts) == total
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    assert all(abs(count - value) < 1 for count, value in zip(counts, exact, strict=True))


def test_a_tie_of_whole_weights_goes_to_the_first() -> None:
    assert split_exactly(1, [1, 1]) == [1, 0]
