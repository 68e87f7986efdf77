"""Candidate rows of kind code, as the tests of gates need them."""

from typing import Any

import pyarrow as pa

from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.code_pairs import CodePair, fence
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row

CLAMP = "def clamp(x, low, high):\n    if x < low:\n        return low\n    return min(x, high)\n"
TESTS = "def test_clamp():\n    assert clamp(5, 0, 9) == 5\n    assert clamp(-1, 0, 9) == 0\n    assert clamp(10, 0, 9) == 9\n"


def code_row(solution: str = CLAMP, tests: str = TESTS, draw: int = 0, **fields: Any) -> dict[str, Any]:
    """A row whose answer holds `solution`; `fields` are those of its pair."""
    pair = CodePair("oss_instruct", solution, tests, **fields)
    return row_of(fence(solution), {"code": pair.as_extra()}, draw=draw)


def row_of(answer: str, extra: dict[str, Any], *, kind: str = "code", draw: int = 0) -> dict[str, Any]:
    """A row of one question and `answer`."""
    origin = {"kind": kind, "generator": "oss_instruct", "extra": canonical_text(extra)}
    return make_row(("user", "Write it."), ("assistant", answer), draw=draw, **origin)


def table_of(*rows: dict[str, Any]) -> pa.Table:
    """The rows as a candidate table."""
    return build_candidates(rows)
