from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.files import read_table
from synth_stack.review.answers import record_answers
from synth_stack.review.plan_file import read_plan
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import DECISION_SCHEMA
from synth_stack.runs.judged import DECISIONS, read_candidates
from synth_stack.workflows import replace
from synth_stack.workflows.correct import correct_rows, count_corrections, rewrite_answer
from synth_stack.workflows.review import decide_lots, plan
from tests.review.toy_run import find_ids, make_toy_run
from tests.some_rows import make_preference_row, make_row, make_tool_row

WHO = {"ann": "a" * 64, "ben": "b" * 64, "judge": "c" * 64}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = make_toy_run(tmp_path, {"orders/late": 10})
    plan(folder, percent=100.0, overlap=0.0, estimate=0)
    return folder


def say(run: Path, row_id: str, *, who: str = "ann", n: int = 1, **fields: Any) -> None:
    corrected = fields.pop("corrected", None)
    answer = {
        "answer_id": f"test:{who}:{row_id}:{n}",
        "row_id": row_id,
        "reviewer": WHO[who],
        "judgement": "reject",
        "submitted_at": f"2026-11-30T01:35:{n:02d}.000Z",
        "source": "argilla",
        **fields,
    }
    if corrected is not None:
        answer["corrected"] = canonical_text({"answer": corrected})
    record_answers(run, [answer])


def read_rows(run: Path) -> dict[str, dict[str, Any]]:
    return {row["row_id"]: row for row in pa.concat_tables(read_candidates(run)).to_pylist()}


def read_decisions(run: Path) -> dict[str, dict[str, Any]]:
    return {row["row_id"]: row for row in read_table(run / DECISIONS, DECISION_SCHEMA).to_pylist()}


@pytest.mark.parametrize("decided", [False, True])
def test_a_corrected_row_is_judged_and_stands_for_the_one_that_was_rejected(run: Path, decided: bool) -> None:
    first, *_ = find_ids(run, "BAD")
    say(run, first, corrected="A better answer.")
    if decided:
        assert read_decisions(run)[first]["decision"] == "accepted"
        decide_lots(run)
        assert read_decisions(run)[first]["reason_class"] == "review.rejected"
    assert count_corrections(run) == 1
    assert correct_rows(run, run.parent / "gates.yaml").replaced == 1
    decide_lots(run)
    [new] = [row for row in read_rows(run).values() if row["parent_id"] == first]
    assert new["messages"][-1]["content"] == "A better answer."
    assert new["text"].endswith("\n\nA better answer.")
    assert new["replayable"] is False
    decisions = read_decisions(run)
    assert (decisions[first]["decision"], decisions[first]["replaced_by"]) == ("rejected", new["row_id"])
    assert decisions[first]["reason_class"] == "review.replaced"
    assert decisions[new["row_id"]]["decision"] == "accepted"
    assert (count_corrections(run), correct_rows(run, run.parent / "gates.yaml").replaced) == (0, 0)


def test_a_correction_that_a_gate_rejects_is_rejected(run: Path) -> None:
    first, *_ = find_ids(run, "BAD")
    say(run, first, corrected="Please REJECT me.")
    correct_rows(run, run.parent / "gates.yaml")
    [new] = [row["row_id"] for row in read_rows(run).values() if row["parent_id"] == first]
    assert read_decisions(run)[new]["gate"] == "toy_marks"


def test_a_call_that_was_killed_is_finished_by_the_same_call(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = find_ids(run, "BAD")
    say(run, first, corrected="A better answer.")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replace, "judge", die)
        with pytest.raises(KeyboardInterrupt):
            correct_rows(run, run.parent / "gates.yaml")
    say(run, second, corrected="Another better answer.")
    assert correct_rows(run, run.parent / "gates.yaml").replaced == 1
    assert sorted(row["parent_id"] for row in read_rows(run).values() if row["parent_id"]) == sorted(
        [first, second]
    )


def test_only_a_row_that_is_settled_as_rejected_is_corrected(run: Path) -> None:
    first, second, third, *_ = find_ids(run, "answer")
    say(run, first, judgement="release", corrected="No.")
    say(run, second, judgement="unsure", corrected="No.")
    say(run, third, corrected="One way.")
    say(run, third, who="ben", judgement="release")
    assert count_corrections(run) == 0
    say(run, third, who="judge", role="adjudicator", corrected="The way.")
    assert correct_rows(run, run.parent / "gates.yaml").replaced == 1
    [new] = [row for row in read_rows(run).values() if row["parent_id"] == third]
    assert new["messages"][-1]["content"] == "The way."


def test_of_two_corrections_the_last_counts(run: Path) -> None:
    first, *_ = find_ids(run, "BAD")
    say(run, first, corrected="One way.")
    say(run, first, who="ben", n=2, corrected="Another way.")
    correct_rows(run, run.parent / "gates.yaml")
    [new] = [row for row in read_rows(run).values() if row["parent_id"] == first]
    assert new["messages"][-1]["content"] == "Another way."
    assert len(read_plan(run).sample) == 10


def full(row: dict[str, Any]) -> dict[str, Any]:
    return {"row_id": "0" * 32, "alternatives": None, **row}


def test_the_answer_of_a_dialogue_is_its_last_and_the_rest_stays() -> None:
    before = full(make_tool_row())
    after = rewrite_answer(before, "Take one.")
    assert after["messages"][:-1] == before["messages"][:-1]
    assert after["messages"][-1]["content"] == "Take one."
    assert after["text"] == before["text"].replace(before["messages"][-1]["content"], "Take one.")
    assert (after["parent_id"], "row_id" in after) == ("0" * 32, False)


def test_of_a_comparison_the_chosen_side_is_corrected() -> None:
    before = full(make_preference_row())
    after = rewrite_answer(before, "Do this.")
    sides = {side["label"]: side["messages"][-1]["content"] for side in after["alternatives"]}
    assert sides["chosen"] == "Do this."
    assert "Do this." in after["text"]
    assert sides["rejected"] == next(
        side["messages"][-1]["content"] for side in before["alternatives"] if side["label"] == "rejected"
    )


def test_a_row_without_messages_says_what_it_is_corrected_to() -> None:
    assert rewrite_answer(full({**make_row(), "text": "old"}), "new")["text"] == "new"


def test_a_text_of_another_form_keeps_its_form() -> None:
    row = full({**make_row(("user", "Q"), ("assistant", "old")), "text": "Q: Q / A: old."})
    assert rewrite_answer(row, "new")["text"] == "Q: Q / A: new."
