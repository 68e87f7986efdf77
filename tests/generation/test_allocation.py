"""The arithmetic of rounds: sums are right, limits hold, and what is short gets more."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import ConfigError
from synth_stack.generation.allocation import (
    HOPELESS_ROWS,
    MAX_RATIO,
    Wanted,
    aim_draws,
    count_draws,
    cut_draws,
    expect_acceptance,
    order_slices,
    read_minima,
    set_goals,
    share_out,
    weigh_seed,
)
from synth_stack.inputs.recipe import Target

NAMES = [f"s{i}" for i in range(6)]
SMALL = st.integers(0, 300)


@st.composite
def standings(draw: st.DrawFn) -> tuple[Wanted, dict[str, int], dict[str, int]]:
    """A wish with minima that can be met, and rows made and accepted of some slices."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    minima = {name: draw(st.integers(0, 40)) for name in names if draw(st.booleans())}
    total = max(sum(minima.values()), 1) + draw(SMALL)
    weights = {name: draw(st.integers(0, 9)) for name in names}
    weights[names[0]] += 1
    made = {name: draw(SMALL) for name in names}
    accepted = {name: draw(st.integers(0, made[name])) for name in names}
    return Wanted(total, weights, minima), made, accepted


def test_a_slice_above_its_share_leaves_the_others_less_in_proportion() -> None:
    assert share_out(500, {"a": 1, "b": 1, "c": 3}, {"a": 300}) == {"a": 300, "b": 50, "c": 150}


@given(standings())
def test_goals_add_up_and_fall_below_no_minimum_and_nothing_that_is_there(
    standing: tuple[Wanted, dict[str, int], dict[str, int]],
) -> None:
    wanted, made, accepted = standing
    goals = set_goals(wanted, made, accepted)
    floors = {name: max(wanted.minima.get(name, 0), accepted[name]) for name in wanted.weights}

    assert list(goals) == list(wanted.weights)
    assert all(goals[name] >= floors[name] for name in goals)
    assert sum(goals.values()) == max(wanted.total, sum(floors.values()))


def expect(wanted: Wanted, made: dict[str, int], accepted: dict[str, int]) -> dict[str, float]:
    """What is expected of slices with a fresh seed and one that all rows came from."""
    return expect_acceptance(made, accepted, {n: [(0, 0), (made[n], accepted[n])] for n in wanted.weights})


@given(standings())
def test_draws_are_at_least_what_is_missing_and_bounded(
    standing: tuple[Wanted, dict[str, int], dict[str, int]],
) -> None:
    wanted, made, accepted = standing
    goals = set_goals(wanted, made, accepted)
    draws = count_draws(goals, made, accepted, expect(*standing))

    for name, goal in goals.items():
        need = goal - accepted[name]
        assert need <= draws.get(name, 0) <= max(MAX_RATIO * need, made[name] if need else 0)


@given(standings())
def test_once_every_draw_is_accepted_nothing_is_missing(
    standing: tuple[Wanted, dict[str, int], dict[str, int]],
) -> None:
    wanted, made, accepted = standing
    draws = count_draws(set_goals(wanted, made, accepted), made, accepted, expect(*standing))
    then_made = {name: made[name] + draws.get(name, 0) for name in made}
    then_accepted = {name: accepted[name] + draws.get(name, 0) for name in made}
    goals = set_goals(wanted, then_made, then_accepted)

    assert goals == {name: then_accepted[name] for name in goals}


@given(standings())
def test_nothing_is_drawn_just_when_the_target_is_reached(
    standing: tuple[Wanted, dict[str, int], dict[str, int]],
) -> None:
    wanted, made, accepted = standing
    reached = sum(accepted.values()) >= wanted.total and all(
        accepted.get(name, 0) >= least for name, least in wanted.minima.items()
    )
    draws = count_draws(set_goals(wanted, made, accepted), made, accepted, expect(*standing))

    assert reached == (not draws)


def test_the_first_round_draws_as_many_rows_as_are_wanted() -> None:
    expected = expect_acceptance({}, {}, {"a": [(0, 0)], "b": [(0, 0)], "c": [(0, 0)]})

    assert count_draws({"a": 7, "b": 3, "c": 0}, {}, {}, expected) == {"a": 7, "b": 3}


def test_the_rarer_a_slice_is_accepted_the_more_it_draws_for_a_missing_row() -> None:
    made = {"good": 40, "fair": 40, "poor": 40}
    accepted = {"good": 36, "fair": 20, "poor": 10}
    goals = {name: count + 10 for name, count in accepted.items()}
    expected = expect_acceptance(made, accepted, {name: [(0, 0)] for name in made})

    assert count_draws(goals, made, accepted, expected) == {"good": 12, "fair": 20, "poor": 38}


def test_a_slice_of_few_rows_is_expected_to_do_much_like_the_others() -> None:
    made, accepted = {"many": 100, "few": 2}, {"many": 50, "few": 0}
    expected = expect_acceptance(made, accepted, {"many": [(0, 0)], "few": [(0, 0)]})

    assert expected["many"] == pytest.approx((50 + 2 * 51 / 104) / 102)
    assert expected["few"] == pytest.approx((2 * 51 / 104) / 4)


def test_a_slice_is_expected_to_do_better_once_its_dull_seeds_fade() -> None:
    made, accepted = {"a": 24}, {"a": 12}
    mixed = expect_acceptance(made, accepted, {"a": [(6, 6), (6, 6), (6, 0), (6, 0)]})["a"]
    alike = expect_acceptance(made, accepted, {"a": [(6, 3)] * 4})["a"]

    assert alike == pytest.approx(0.5)
    assert 0.8 < mixed < 0.9  # 0.94 of the draws go to seeds of 6 in 6, credited with 7 of 8


def test_a_slice_that_gives_nothing_soon_takes_as_many_draws_as_it_has_rows() -> None:
    made, accepted, rounds = {"hard": 1, "easy": 1000}, {"hard": 0, "easy": 5}, 0
    while made["hard"] < 10_000:
        expected = expect_acceptance(made, accepted, {"hard": [(made["hard"], 0)], "easy": [(1000, 5)]})
        made["hard"] += count_draws({"hard": 1, "easy": 5}, made, accepted, expected)["hard"]
        rounds += 1

    assert rounds < 20


def test_a_slice_of_which_nothing_is_ever_accepted_is_passed_over_for_the_others() -> None:
    wanted = Wanted(30, {"a": 1, "b": 1, "c": 1}, {})
    made = {"a": 10, "b": 10, "c": HOPELESS_ROWS}

    assert set_goals(wanted, made, {"a": 9, "b": 5}) == {"a": 15, "b": 15, "c": 0}
    assert set_goals(wanted, {**made, "c": HOPELESS_ROWS - 1}, {"a": 9, "b": 5})["c"] == 10


def test_a_slice_with_a_minimum_is_never_passed_over() -> None:
    wanted = Wanted(30, {"a": 1, "b": 1}, {"b": 4})

    assert set_goals(wanted, {"a": 20, "b": 500}, {"a": 20})["b"] == 10


def test_when_nothing_at_all_is_accepted_no_slice_is_passed_over() -> None:
    wanted = Wanted(4, {"a": 1, "b": 1}, {})

    assert set_goals(wanted, {"a": 50, "b": 50}, {}) == {"a": 2, "b": 2}


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 500), min_size=1), st.integers(0, 2000))
def test_a_cut_is_in_proportion_and_never_adds(draws: dict[str, int], most: int) -> None:
    cut = cut_draws(draws, most)

    assert sum(cut.values()) == min(most, sum(draws.values()))
    assert all(0 < cut[name] <= draws[name] for name in cut)
    share = Fraction(sum(cut.values()), sum(draws.values()))
    assert all(abs(cut.get(name, 0) - share * n) < 1 for name, n in draws.items())


def test_a_seed_fades_with_each_reject_and_never_vanishes() -> None:
    weights = [weigh_seed(made, 0) for made in range(6)]

    assert weights[0] == 1.0
    assert weights[4] == pytest.approx(1 / 9)
    assert all(after < before for before, after in pairwise(weights))
    assert weigh_seed(10_000, 0) > 0
    assert weigh_seed(4, 4) > weigh_seed(4, 2) == 1.0 > weigh_seed(4, 1)


def test_draws_are_shuffled_the_same_for_the_same_round() -> None:
    draws = {"a": 20, "b": 10}
    first = aim_draws(draws, 7, 100, {"seed": (4, 0)})

    assert Counter(first.slices) == draws
    assert first.slices == aim_draws({"b": 10, "a": 20}, 7, 100, {}).slices
    assert first.slices != aim_draws(draws, 7, 130, {}).slices
    assert first.slices != aim_draws(draws, 8, 100, {}).slices
    assert first.weights == {"seed": pytest.approx(1 / 9)}


def test_the_order_that_breaks_ties_is_that_of_the_runs_seed() -> None:
    orders = {tuple(order_slices(NAMES, seed)) for seed in range(20)}

    assert len(orders) > 10
    assert all(sorted(order) == NAMES for order in orders)


def test_one_minimum_is_for_every_slice_and_a_mapping_for_those_it_names() -> None:
    assert read_minima(Target(accepted=10, per_slice=5), ["a", "b"], where="r") == {"a": 5, "b": 5}
    assert read_minima(Target(accepted=10, per_slice={"b": 7}), ["a", "b"], where="r") == {"b": 7}
    assert read_minima(Target(accepted=10), ["a", "b"], where="r") == {}


def test_minima_that_cannot_be_met_are_refused_with_the_numbers() -> None:
    with pytest.raises(ConfigError, match=r"seen: 4 of each of 3 slices: 12 rows; allowed: 10 in all"):
        read_minima(Target(accepted=10, per_slice=4), ["a", "b", "c"], where="generate.target")
    with pytest.raises(ConfigError, match=r"seen: orders/lte; .*Did you mean 'orders/late'"):
        read_minima(
            Target(accepted=10, per_slice={"orders/lte": 4}), ["orders/late"], where="generate.target"
        )


def test_a_tie_goes_to_the_first_and_a_slice_without_weight_gets_its_floor() -> None:
    assert share_out(5, {"b": 1, "a": 1}, {}) == {"b": 3, "a": 2}
    assert share_out(10, {"a": 1, "b": 0, "c": 1}, {"b": 2}) == {"a": 4, "b": 2, "c": 4}
