"""Ratings are read by aspect, and the best and worst answer make a pair."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.generators.preference.ratings import ASPECTS, average, pick_pair, read_ratings

TWO = ["honesty", "instruction_following"]


@pytest.mark.parametrize(
    "reply",
    [
        "honesty: 4\ninstruction_following: 2",
        "**Honesty**: 4\n- Instruction following = 2/5",
        "Instruction-Following: 2.\nhonesty (4)",
    ],
)
def test_a_rating_is_found_however_it_is_written(reply: str) -> None:
    assert read_ratings(reply, TWO) == {"honesty": 4, "instruction_following": 2}


@pytest.mark.parametrize("reply", ["", "honesty: 4", "honesty: 6\ninstruction_following: 2", "honesty: 45"])
def test_an_aspect_without_a_rating_is_named(reply: str) -> None:
    with pytest.raises(ValueError, match="no rating from 1 to 5 for"):
        read_ratings(reply, TWO)


def test_the_mean_is_a_decimal_of_two_places() -> None:
    assert average({"a": 5, "b": 4, "c": 4}) == Decimal("4.33")


@pytest.mark.parametrize(
    ("means", "margin", "pair"),
    [(["3", "5", "1"], "0.5", (1, 2)), (["3", "3"], "0", None), (["4", "4.25"], "0.5", None)],
)
def test_the_best_and_the_worst_are_a_pair_where_they_differ_enough(
    means: list[str], margin: str, pair: tuple[int, int] | None
) -> None:
    assert pick_pair([Decimal(mean) for mean in means], Decimal(margin)) == pair


@given(st.lists(st.integers(4, 20), min_size=2, max_size=8))
def test_the_chosen_one_is_never_rated_below_the_rejected_one(quarters: list[int]) -> None:
    means = [Decimal(quarter) / 4 for quarter in quarters]
    pair = pick_pair(means, Decimal(0))
    assert (pair is None) == (len(set(means)) == 1)
    if pair is not None:
        assert means[pair[0]] == max(means) > means[pair[1]] == min(means)


def test_the_aspects_are_the_four_of_ultrafeedback() -> None:
    assert set(ASPECTS) == {"instruction_following", "truthfulness", "honesty", "helpfulness"}
