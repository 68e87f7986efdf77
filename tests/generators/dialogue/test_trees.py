"""Which paths of a tree are taken, and what they cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.errors import ConfigError
from synth_stack.generators.dialogue.trees import CALLS_PER_NODE, Branch, Shape


def count_calls(branches: list[Branch]) -> int:
    return CALLS_PER_NODE * len({branch[:k] for branch in branches for k in range(1, len(branch) + 1)})


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    depth, fan_out = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    paths = draw(st.integers(1, min(fan_out**depth, 64)))
    least = Shape(depth, fan_out, paths, None).least_calls
    budget = draw(st.none() | st.integers(least, CALLS_PER_NODE * depth * paths))
    return Shape(depth, fan_out, paths, budget)


@given(shapes(), st.integers(0, 2**31 - 1))
def test_so_many_different_paths_are_drawn_in_order_within_the_budget(shape: Shape, seed: int) -> None:
    shape.check("dialogue_tree")
    branches = shape.draw_branches(seed)
    assert branches == sorted(set(branches))
    assert len(branches) == shape.paths
    assert all(len(branch) == shape.depth and max(branch) < shape.fan_out for branch in branches)
    assert shape.least_calls <= count_calls(branches) <= (shape.max_calls or 1_000)
    assert branches == shape.draw_branches(seed)


def test_every_leaf_of_the_full_tree_is_drawn_about_as_often() -> None:
    seen = [branch for seed in range(400) for branch in Shape(2, 2, 1, None).draw_branches(seed)]
    assert min(seen.count((i, j)) for i in range(2) for j in range(2)) > 70


def test_a_row_of_the_default_tree_costs_as_many_calls_as_the_docs_say() -> None:
    calls = [count_calls(Shape(3, 2, 4, None).draw_branches(seed)) for seed in range(500)]
    assert round(sum(calls) / len(calls) / 4, 1) == 4.6


def test_the_tightest_budget_takes_leaves_that_lie_side_by_side() -> None:
    free, tight = Shape(3, 2, 2, None), Shape(3, 2, 2, 8)
    assert (free.least_calls, tight.least_calls) == (8, 8)
    assert {count_calls(tight.draw_branches(seed)) for seed in range(20)} == {8}
    assert {count_calls(free.draw_branches(seed)) for seed in range(20)} == {8, 10, 12}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (Shape(2, 2, 5, None), "depth 2 and fan_out 2 has too few paths; seen: paths: 5; allowed: at most 4"),
        (Shape(3, 1, 2, None), "too few paths; seen: paths: 2; allowed: at most 1"),
        (Shape(3, 2, 4, 12), "need more calls; seen: max_calls: 12; allowed: at least 14"),
    ],
)
def test_a_tree_that_cannot_be_is_refused_in_one_sentence(shape: Shape, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        shape.check("dialogue_tree")
    assert message in str(caught.value)
    assert str(caught.value).startswith("dialogue_tree: ")
