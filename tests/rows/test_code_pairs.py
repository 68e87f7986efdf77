"""Code pairs as they are read from rows, and what is wrong with them before anything is run."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.rows.code_pairs import (
    OTHER_CODE,
    SAME_CODE,
    CodePair,
    fence,
    find_fault,
    read_blocks,
    read_pairs,
)
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from tests.rows.code_rows import CLAMP, TESTS, code_row, row_of, table_of

DOCUMENTED = 'def double(x):\n    """{}"""\n    return 2 * x\n'


def test_a_pair_comes_back_from_its_row() -> None:
    pair = CodePair("refactor", CLAMP.strip(), TESTS, "import math", CLAMP, OTHER_CODE)
    row = row_of(fence(pair.solution), {"code": pair.as_extra(), "title": "other things"})
    assert read_pairs(table_of(row)) == {0: pair}
    assert pair.program == f"import math\n{CLAMP.strip()}"


def test_only_rows_of_code_and_foreign_rows_with_tests_have_a_pair() -> None:
    table = table_of(
        row_of("no", {}, kind="instruction"),
        row_of("no", {"tests": TESTS}, kind="dialogue"),
        row_of(CLAMP, {"tests": TESTS}, kind="foreign"),
        row_of(fence(CLAMP), {"test": TESTS}, kind="foreign"),
        row_of(CLAMP, {"tests": 5}, kind="foreign"),
        code_row(),
    )
    pairs = read_pairs(table)
    assert sorted(pairs) == [2, 3, 5]
    assert pairs[2].solution.strip() == pairs[3].solution.strip() == CLAMP.strip()


@pytest.mark.parametrize(
    "extra", [{}, {"code": None}, {"code": []}, {"code": {"tests": 3, "reference": [1], "relation": "x"}}]
)
def test_a_row_of_code_with_a_malformed_extra_has_a_pair_without_tests(extra: dict[str, object]) -> None:
    assert find_fault(read_pairs(table_of(row_of(fence(CLAMP), extra)))[0]) == (
        "no tests: there is nothing that the solution has to pass"
    )


def test_an_extra_that_is_no_json_or_no_utf8_is_an_empty_one() -> None:
    table = table_of(code_row(), code_row(draw=1))
    broken = pa.array([b"{", b"\xff"]).cast(pa.binary()).view(pa.binary())
    raw = pa.Array.from_buffers(pa.string(), 2, broken.buffers())
    table = table.set_column(CANDIDATE_SCHEMA.get_field_index("extra"), "extra", raw)
    assert [pair.tests for pair in read_pairs(table).values()] == ["", ""]


def test_an_empty_table_has_no_pairs() -> None:
    assert read_pairs(CANDIDATE_SCHEMA.empty_table()) == {}


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```python\na\n```", ["a"]),
        ("```\na\n```\nand\n```py\nb\n```", ["a", "b"]),
        ("```sh\nrm\n```\n```Python3\na\n```", ["a"]),
        ("say\n```python\na\nb", ["a\nb"]),
        ("````python\n```\na\n```\n````", ["```\na\n```"]),
        ("nothing", []),
        ("", []),
    ],
)
def test_fenced_blocks_of_python_are_read_in_order(text: str, blocks: list[str]) -> None:
    assert read_blocks(text) == blocks


@given(st.text(alphabet="ab`\n ", max_size=60))
def test_whatever_the_source_its_fence_gives_it_back(source: str) -> None:
    assert [block.strip() for block in read_blocks(fence(source))] == [source.strip()]


@pytest.mark.parametrize(
    ("pair", "fault"),
    [
        (CodePair("t", "", TESTS), "no code: the answer holds none"),
        (CodePair("t", "def f(:", TESTS), "does not parse: line 1: invalid syntax"),
        (CodePair("t", "x" * 20_001, TESTS), "does not parse: 20001 characters, at most 20000 are read"),
        (CodePair("t", CLAMP, " \n"), "no tests: there is nothing that the solution has to pass"),
        (CodePair("t", CLAMP, "assert ("), "tests do not parse: line 1: '(' was never closed"),
        (
            CodePair("t", CLAMP, TESTS, "", CLAMP, OTHER_CODE),
            "code unchanged: the solution is what it was asked to change",
        ),
        (
            CodePair("t", CLAMP.replace("clamp", "other"), TESTS, "", CLAMP, OTHER_CODE),
            "function missing: the solution does not define clamp",
        ),
        (
            CodePair("t", DOCUMENTED.format("New.").replace("2", "3"), TESTS, "", DOCUMENTED, SAME_CODE),
            "code changed: only the docstring was to be written again",
        ),
        (
            CodePair("t", DOCUMENTED.format("Old."), TESTS, "", DOCUMENTED.format("Old."), SAME_CODE),
            "docstring unchanged: it is what it was",
        ),
        (
            CodePair("t", CLAMP, TESTS, "", "def f(:", SAME_CODE),
            "no reference: it does not parse: line 1: invalid syntax",
        ),
    ],
)
def test_a_fault_that_can_be_read_is_named(pair: CodePair, fault: str) -> None:
    assert find_fault(pair) == fault


@pytest.mark.parametrize(
    "pair",
    [
        CodePair("t", CLAMP, TESTS),
        CodePair("t", CLAMP.replace("min(x, high)", "high if x > high else x"), TESTS, "", CLAMP, OTHER_CODE),
        CodePair("t", DOCUMENTED.format("New."), TESTS, "", DOCUMENTED.format("Old."), SAME_CODE),
        CodePair("t", CLAMP, TESTS, "", CLAMP, None),
    ],
)
def test_a_pair_with_nothing_wrong_to_be_read_has_no_fault(pair: CodePair) -> None:
    assert find_fault(pair) is None


def test_a_refactoring_that_only_adds_a_comment_or_a_docstring_is_none() -> None:
    commented = CLAMP.replace("\n    if", '\n    """Clamp."""  # well\n    if', 1)
    fault = find_fault(CodePair("t", commented, TESTS, "", CLAMP, OTHER_CODE))
    assert fault is not None
    assert fault.startswith("code unchanged")
