"""Mutants: one small fault each, no two alike, never of what is not code."""

import ast
import textwrap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.execution.mutation import make_mutants
from synth_stack.rows.code_pairs import MAX_SOURCE_CHARS, parse_source

CLAMP = '''
def clamp(value: int, low: int = 0, *, high: int = 10) -> int:
    """Keep value >= 0 and <= 10."""
    import math
    if value < low:
        return low
    if not math.isfinite(value) or value > high:
        raise ValueError("out of range")
    print(f"{value:>3}")
    return value + 0 * high
'''


TESTS = "assert clamp(3) == 3"


def put_in_a_function(body: str) -> str:
    return "def f():\n" + textwrap.indent(body, "    ")


def list_changes(body: str) -> set[str]:
    return {mutant.change for mutant in make_mutants(put_in_a_function(body), "f()", 100)}


@pytest.mark.parametrize(
    ("source", "change", "result"),
    [
        ("a = x < y", "Lt to LtE", "a = x <= y"),
        ("a = x == y", "Eq to NotEq", "a = x != y"),
        ("a = x in y", "In to NotIn", "a = x not in y"),
        ("a = x + y", "Add to Sub", "a = x - y"),
        ("a -= y", "Sub to Add", "a += y"),
        ("a = x and y", "And to Or", "a = x or y"),
        ("a = not x", "Not dropped", "a = x"),
        ("a = -x", "USub dropped", "a = x"),
        ("a = 7", "number plus one", "a = 8"),
        ("a = True", "True to False", "a = False"),
        ("a = 'yes'", "text longer", "a = 'yesx'"),
        ("return x", "returns None", "return None"),
        ("if x:\n    y = z", "condition negated", "if not x:\n    y = z"),
        ("a.append(x)", "statement dropped", "pass"),
        ("raise x", "statement dropped", "pass"),
    ],
)
def test_each_operator_makes_the_fault_that_it_is_named_for(source: str, change: str, result: str) -> None:
    made = {mutant.change: mutant.source for mutant in make_mutants(put_in_a_function(source), "f()", 100)}
    assert made[change] == put_in_a_function(result)


def test_docstrings_annotations_imports_and_format_strings_stay_as_they_are() -> None:
    for mutant in make_mutants(CLAMP, TESTS, 100):
        tree = ast.parse(mutant.source)
        function = tree.body[0]
        assert isinstance(function, ast.FunctionDef)
        assert ast.get_docstring(function) == "Keep value >= 0 and <= 10."
        assert ast.unparse(function.returns or ast.Constant(0)) == "int"
        assert "import math" in mutant.source
        assert "{value:>3}" in mutant.source or mutant.change == "statement dropped"


def test_a_mutant_names_the_line_that_it_changes() -> None:
    lines = {(mutant.line, mutant.change) for mutant in make_mutants(CLAMP, TESTS, 100)}
    assert {(5, "Lt to LtE"), (7, "Or to And"), (8, "statement dropped")} <= lines


def test_so_many_are_made_as_were_asked_for_and_they_are_spread_over_the_source() -> None:
    source = "def f(a):\n" + "".join(f"    a = a + {k}\n" for k in range(100)) + "    return a\n"
    few = make_mutants(source, "f(1)", 8)
    assert len(few) == 8
    lines = [mutant.line or 0 for mutant in few]
    assert lines[0] < 15
    assert lines[-1] > 80


def test_no_two_are_alike_and_none_is_the_source() -> None:
    sources = [mutant.source for mutant in make_mutants(CLAMP, TESTS, 100)]
    assert len(sources) == len(set(sources))
    assert ast.unparse(ast.parse(CLAMP)) not in sources


def test_the_same_source_gives_the_same_mutants() -> None:
    assert make_mutants(CLAMP, TESTS, 5) == make_mutants(CLAMP, TESTS, 5)


@pytest.mark.parametrize("source", ["", "def f(:", "def f():\n    return None", "\0", "-" * 19_000 + "1"])
def test_a_source_that_does_not_parse_or_has_nothing_to_change_has_no_mutants(source: str) -> None:
    assert make_mutants(source, "f()", 8) == []


def test_an_assignment_to_a_name_is_never_dropped_and_one_to_an_item_is() -> None:
    assert "statement dropped" not in list_changes("a = f(x)\nb: int = g(a)")
    assert "statement dropped" in list_changes("a[0] = f(x)")
    assert "statement dropped" in list_changes("a.size = f(x)")
    assert "statement dropped" not in list_changes("a = b.size = f(x)")


@pytest.mark.parametrize(
    "source", ["a" + ".b" * 9_000, "1" + "+1" * 9_000, "lambda:" * 2_500 + "1", "[" * 300]
)
def test_a_source_that_is_nested_too_deep_ends_in_no_mutants_and_no_other_error(source: str) -> None:
    with suppress(SyntaxError):
        parse_source(source)
    assert make_mutants(source, "f()", 8) == []


def test_a_source_of_more_characters_than_are_read_does_not_parse() -> None:
    assert parse_source("#" * MAX_SOURCE_CHARS)
    with pytest.raises(SyntaxError, match="at most 20000 are read"):
        parse_source("#" * (MAX_SOURCE_CHARS + 1))


@given(st.text(max_size=200))
def test_whatever_the_text_each_mutant_parses(text: str) -> None:
    for mutant in make_mutants(put_in_a_function(text), "f()", 8):
        ast.parse(mutant.source)


def test_only_what_the_tests_name_is_changed() -> None:
    source = "def helper(x):\n    return x + 1\n\ndef tested(x):\n    return helper(x) * 2\n\nclass Box:\n    size = 3\n"
    assert {mutant.line for mutant in make_mutants(source, "assert tested(1) == 4", 100)} == {5}
    assert {mutant.line for mutant in make_mutants(source, "import solution\nsolution.Box().size", 100)} == {
        8
    }
    assert {mutant.line for mutant in make_mutants(source, "from solution import helper", 100)} == {2}
    assert make_mutants(source, "assert 1 < 2", 100) == []


def test_how_objects_compare_is_never_changed() -> None:
    source = "class Box:\n    def __eq__(self, other):\n        return True\n    def size(self):\n        return 3\n"
    assert {mutant.line for mutant in make_mutants(source, "Box()", 100)} == {5}


def test_an_assigned_function_is_changed_too() -> None:
    assert "Add to Sub" in {
        mutant.change for mutant in make_mutants("add = lambda a, b: a + b", "add(1, 2)", 100)
    }
