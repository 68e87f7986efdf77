from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import ConfigError, InputError
from synth_stack.generation.slice_balance import compare_balance, plan_balance, record_balance
from synth_stack.inputs.image_counts import SliceCounts
from synth_stack.inputs.recipe import BalanceUse
from synth_stack.rows.canonical import Digest


def count(**by_slice: int) -> SliceCounts:
    return SliceCounts(by_slice, Digest("0" * 64))


def use(**more: int) -> BalanceUse:
    return BalanceUse.model_validate({"path": "real", "prior_n": 0, **more})


def test_each_slice_gets_what_it_lacks_to_the_largest() -> None:
    budget = plan_balance(count(car=100, bus=60, tram=20), ["bus", "car", "tram"], 120, use())
    assert [(each.slice, each.n, each.rows) for each in budget] == [
        ("tram", 20, 80),
        ("bus", 60, 40),
        ("car", 100, 0),
    ]
    assert budget[0].score == Decimal("0.2")


def test_a_slice_without_an_image_lacks_everything_and_one_without_seeds_gets_nothing() -> None:
    counts = count(car=10, bus=5, ship=1)
    budget = plan_balance(counts, ["bus", "car", "tram"], 15, use())
    assert {each.slice: each.rows for each in budget} == {"tram": 10, "bus": 5, "car": 0}
    assert record_balance(use(), counts, budget)["unseeded"] == {"ship": 1}


def test_images_spread_evenly_draw_small_slices_to_the_mean() -> None:
    plain, shrunk = (
        plan_balance(count(a=12, b=6, c=0), ["b", "c"], 100, use(prior_n=prior)) for prior in (0, 18)
    )
    assert [each.rows for each in plain] == [67, 33]
    assert [each.deficit for each in shrunk] == [Decimal("9.000000"), Decimal("6.000000")]
    assert [each.rows for each in shrunk] == [60, 40]


def test_floor_cap_and_goal_hold() -> None:
    counts = count(a=100, b=99, c=0)
    assert [each.rows for each in plan_balance(counts, ["b", "c"], 20, use(floor=3))] == [17, 3]
    assert [each.rows for each in plan_balance(counts, ["b", "c"], 20, use(cap=12))] == [12, 8]
    assert [each.rows for each in plan_balance(counts, ["b", "c"], 20, use(goal=50))] == [20, 0]
    for bad in (use(floor=11), use(cap=9), use(floor=5, cap=4)):
        with pytest.raises(ConfigError, match=r"generate\.balance"):
            plan_balance(counts, ["b", "c"], 20, bad)
    with pytest.raises(InputError, match="nothing to balance"):
        plan_balance(counts, ["a"], 20, use())


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 500), min_size=2, max_size=8),
    st.integers(8, 300),
    st.integers(0, 30),
)
def test_all_rows_are_shared_out_and_what_has_less_never_gets_fewer(
    by_slice: dict[str, int], total: int, prior: int
) -> None:
    if len(set(by_slice.values())) == 1:
        return
    budget = plan_balance(count(**by_slice), sorted(by_slice), total, use(floor=0, prior_n=prior))
    assert sum(each.rows for each in budget) == total
    for first in budget:
        for second in budget:
            assert first.n >= second.n or first.rows >= second.rows - 1


def test_before_and_after_stand_side_by_side() -> None:
    budget = plan_balance(count(a=10, b=4), ["a", "b"], 6, use())
    first, second = compare_balance(budget, {"b": 5})
    assert first.to_json() == {"slice": "b", "before": 4, "planned": 6, "accepted": 5, "after": 9}
    assert (second.before, second.planned, second.after) == (10, 0, 10)
