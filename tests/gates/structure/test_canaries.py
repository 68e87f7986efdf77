from typing import Any

import pytest

from synth_stack.gates.structure.gate import structure
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.some_rows import make_preference_row, make_row, make_tool_row

PLAIN = make_row(("user", "How do I cancel my order?"), ("assistant", "Open the order and press cancel."))


@pytest.mark.parametrize("rows", [[PLAIN], [make_tool_row()], [make_preference_row()]])
def test_every_canary_is_rejected(rows: list[dict[str, Any]]) -> None:
    judge = structure()
    assert judge.plant is not None
    planted = judge.plant(build_candidates(rows), 30, 0)
    assert planted.num_rows == 30
    assert set(judge.judge(planted, {})["outcome"].to_pylist()) == {"reject"}
    assert set(planted["generator"].to_pylist()) == {"canary"}


def test_a_batch_with_calls_and_sides_plants_faults_of_these() -> None:
    judge = structure()
    assert judge.plant is not None
    rows = build_candidates([PLAIN, make_tool_row(), make_preference_row()])
    kinds = set(judge.judge(judge.plant(rows, 30, 0), {})["reason_class"].to_pylist())
    assert kinds >= {
        "structure.unanswered_tool_call",
        "structure.unmatched_tool_result",
        "structure.bad_tool_call",
        "structure.equal_sides",
        "structure.missing_side",
        "structure.broken_characters",
    }


def test_no_canary_is_planted_where_none_is_wanted() -> None:
    judge = structure()
    assert judge.plant is not None
    assert judge.plant(build_candidates([make_tool_row()]), 0, 0).equals(CANDIDATE_SCHEMA.empty_table())


def test_a_batch_of_rows_that_end_with_a_call_is_shown_faults_all_the_same() -> None:
    judge = structure()
    assert judge.plant is not None
    whole = make_tool_row()
    calling = make_tool_row(messages=whole["messages"][:2])
    for rows in ([calling, whole], [calling, PLAIN]):
        planted = judge.plant(build_candidates(rows), 30, 0)
        assert planted.num_rows == 30
        assert set(judge.judge(planted, {})["outcome"].to_pylist()) == {"reject"}
