"""Final answers are held against the truth of their row, else against its samples, and sums are computed."""

import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.gates.final_answer.gate import final_answer
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from tests.gates.playing import play
from tests.some_rows import make_row


def state(text: str, **stated: Any) -> dict[str, Any]:
    """A row with this solution, and what it states of its final answer."""
    return make_row(
        ("user", "How many?"), ("assistant", text), extra=canonical_text({"final_answer": stated})
    )


def judge(*rows: dict[str, Any], **params: Any) -> list[tuple[str, str | None]]:
    [said], _ = play(final_answer(**params), [build_candidates(rows)], name="final_answer")
    return [
        (row["outcome"], (row["reason_class"] or "").partition(".")[2] or None) for row in said.to_pylist()
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (state("#### 72", truth="72"), ("accept", None)),
        (state("#### 72", truth="71"), ("reject", "wrong_answer")),
        (state("#### 72", truth="So.\n#### 72.0"), ("accept", None)),
        (state("#### 72", truth="71", samples=["72", "72"]), ("reject", "wrong_answer")),
        (state("Many.", truth="72"), ("reject", "no_final_answer")),
        (state("#### 72", truth="x" * 1_000), ("abstain", "unreadable_truth")),
        (state("#### 9**9**9", truth="9**9**9"), ("accept", None)),
        (state("#### 9^9^9", truth="1"), ("reject", "wrong_answer")),
        (state("#### 72", samples=["72", "144/2", "71", None]), ("accept", None)),
        (state("#### 72", samples=["72", "70", "71", None]), ("reject", "minority")),
        (state("#### 72", samples=[7, {}, "72"]), ("reject", "minority")),
        (state("#### 72", samples="72", truth=72), ("abstain", "nothing_to_compare")),
        (state("17 + 26 = 33\n#### 33", truth="33"), ("hold", "wrong_sum")),
        (state("17 + 26 = 43\n#### 43"), ("accept", None)),
        (state("x" * 60_000, truth="1"), ("abstain", "too_long")),
        (make_row(("user", "Hi"), ("assistant", "Hello.")), ("abstain", "nothing_to_compare")),
        (make_row(("user", "Hi"), ("assistant", "It is 1 + 1 = 3."), extra="[]"), ("hold", "wrong_sum")),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_truth_then_by_votes_then_by_sums(
    row: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    assert judge(row) == [expected]


def test_a_truth_of_strangers_stands_in_a_column_of_their_own() -> None:
    row = make_row(("user", "How many?"), ("assistant", "It is \\boxed{7}."), kind="foreign")
    for column in ("expected_answer", "ground_truth", "final_answer"):
        assert judge({**row, "extra": canonical_text({column: "8"})}) == [("reject", "wrong_answer")]
        assert judge({**row, "extra": canonical_text({column: 7})}) == [("accept", None)]
    own = {**row, "extra": canonical_text({"solution_value": "8"})}
    assert judge(own) == [("abstain", "nothing_to_compare")]
    assert judge(own, truth_columns=["solution_value"]) == [("reject", "wrong_answer")]
    unmarked = make_row(("user", "How many?"), ("assistant", "Seven."), kind="foreign")
    assert judge({**unmarked, "extra": canonical_text({"expected_answer": "7"})}) == [
        ("abstain", "no_final_answer")
    ]


def test_sums_may_be_rejected_or_let_be_and_the_bar_of_the_vote_is_turned() -> None:
    wrong = state("17 + 26 = 33\n#### 33", samples=["33", "33", "43"])
    assert judge(wrong, sums="reject") == [("reject", "wrong_sum")]
    assert judge(wrong, sums=None) == [("accept", None)]
    assert judge(wrong, sums=None, min_share=0.7) == [("reject", "minority")]


def test_another_bar_is_decided_from_the_stored_shares() -> None:
    table = build_candidates(
        [state("#### 1", samples=["1", "1", "2"]), state("#### 1", samples=["1", "2", "3"])]
    )
    [said], _ = play(final_answer(min_share=0), [table], name="final_answer")
    assert said["score"].to_pylist() == [2 / 3, 1 / 3]


def test_every_canary_is_found_and_every_control_passes() -> None:
    bound = final_answer()
    assert bound.plant is not None
    assert bound.control is not None
    sample = build_candidates([state("#### 1", truth="1")])
    planted, controls = bound.plant(sample, 2, 0), bound.control(sample, 2, 0)
    kinds = {json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()}
    assert kinds == {
        "wrong_answer",
        "wrong_fraction",
        "wrong_order",
        "minority",
        "no_final_answer",
        "wrong_sum",
    }
    [found, passed], _ = play(bound, [planted, controls], name="final_answer")
    assert set(found["outcome"].to_pylist()) == {"reject", "hold"}
    assert set(passed["outcome"].to_pylist()) == {"accept"}
    nothing = build_candidates([make_row(("user", "Hi"), ("assistant", "Hello."))])
    assert len(bound.plant(nothing, 2, 0)) == len(bound.control(nothing, 2, 0)) == 0


def test_the_sums_of_a_public_set_hold(corpora: Path) -> None:
    lines = (corpora / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()[:600]
    said = [json.loads(line) for line in lines]
    rows = [
        make_row(("user", each["question"]), ("assistant", each["answer"]), draw=k)
        for k, each in enumerate(said)
    ]
    outcomes = [outcome for outcome, _ in judge(*rows)]
    assert outcomes.count("accept") > 550
    assert outcomes.count("hold") <= 5
