from typing import Any

import pytest

from synth_stack.registry import PARTS
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.parts import list_parts
from tests.some_rows import make_row

CALL = {"id": "c", "name": "send", "arguments": "{}"}


def list_of(*rows: dict[str, Any]) -> list[str]:
    return list_parts(build_candidates(rows), PARTS)


def test_a_plain_row_has_nothing_but_content() -> None:
    assert list_of(make_row(("user", "a"))) == ["content"]
    assert list_of(make_row(text="a", documents=[], alternatives=[])) == ["content"]
    assert list_of() == ["content"]


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("reasoning", {"messages": [{"role": "assistant", "content": "a", "reasoning": "b"}]}),
        ("tool_calls", {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]}),
        ("tools", {"tools": "[]"}),
        ("alternatives", {"alternatives": [{"label": "chosen", "messages": []}]}),
        ("documents", {"documents": [{"id": "d"}]}),
        ("extra", {"extra": "{}"}),
    ],
)
def test_a_part_counts_that_any_row_has(part: str, fields: dict[str, Any]) -> None:
    rows = [make_row(("user", "a")), {**make_row(("user", "a"), draw=1), **fields}]
    assert list_of(*rows) == ["content", part]
    assert list_parts(build_candidates(rows), ["content"]) == ["content"]
    assert list_parts(build_candidates(rows).slice(0, 1), PARTS) == ["content"]
