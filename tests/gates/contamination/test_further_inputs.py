import ast

import pytest

from synth_stack.gates.contamination.further_inputs import MAX_CHARS, Arguments, make_inputs, read_inputs


def test_inputs_are_the_literal_arguments_of_calls_once_each() -> None:
    test = (
        "def check(candidate):\n    assert candidate([1, 2], 'x') == 3\n    assert candidate([1, 2], 'x')\n"
    )
    test += "    assert candidate(n) == other(4)\n    assert candidate(k=1)\n    assert candidate(-2, {'a': None})\n"
    assert read_inputs(ast.parse(test), {"candidate"}) == [([1, 2], "x"), (-2, {"a": None})]


@pytest.mark.parametrize(
    "seen", [[(3,)], [("ab", 2)], [([1, 2],), ([],)], [(["x"], True)], [({"a": 1.5},)], [((1, "y"),)]]
)
def test_made_inputs_are_new_of_the_same_kinds_and_the_same_each_time(seen: list[Arguments]) -> None:
    made = make_inputs(seen, 20)
    assert made == make_inputs(seen, 20)
    shown = [repr(arguments) for arguments in made]
    assert len(set(shown)) == len(shown) > 3
    assert not set(shown) & {repr(arguments) for arguments in seen}
    for arguments in made:
        assert [type(value) for value in arguments] == [type(value) for value in seen[0]]
        assert len(repr(arguments)) <= MAX_CHARS


def test_numbers_and_lengths_stay_near_those_seen() -> None:
    assert max(abs(n) for (n,) in make_inputs([(5,)])) <= 40
    assert make_inputs([]) == []
