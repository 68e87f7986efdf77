"""Final answers that are right: by the truth that a row states, or by most of the samples that it kept.

Exact arithmetic decides whether two answers are the same (text/exact_values.py). Without a truth the share of
samples that agree stands in for it (self-consistency, Wang et al. 2022, arXiv:2203.11171): a vote is
evidence, no proof. The sums that a solution states on the way are computed too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.final_answer.canaries import plant_right_answers, plant_wrong_answers
from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.registry import gate
from synth_stack.rows.answers import read_answers
from synth_stack.rows.canonical import canonical_text
from synth_stack.text.final_answers import (
    FinalAnswer,
    find_marked_answer,
    is_same_answer,
    list_sums,
    read_stated_answer,
)

Action = Literal["reject", "hold"]

MIN_SHARE = 0.5
"""Half of the samples: below it another answer may have more of them."""
MAX_SAMPLES = 256
"""Of one row; what comes after them is not counted."""
MAX_TEXT_CHARS = 50_000
"""Of a solution that is read; a longer one is no solution."""
TRUTH_COLUMNS = ["final_answer", "expected_answer", "ground_truth"]
"""As OpenMathInstruct and the data sets of verifiable rewards call it."""
_MINORITY = "final_answer.minority"


@gate("final_answer", version="1", reads=("content", "alternatives", "extra"), harm="truth")
def final_answer(
    *,
    min_share: Annotated[float, Field(ge=0, le=1)] = MIN_SHARE,
    truth_columns: list[str] = TRUTH_COLUMNS,
    sums: Action | None = "hold",
) -> Judge:
    r"""A judge that rejects answers that differ from their truth, or with which too few samples agree.

    It judges rows whose `extra.final_answer` holds a `truth` or `samples`, rows of others with a truth in one
    of the `truth_columns`, and for their sums all others that state some; it abstains on the rest. The final
    answer stands after the last `####`, in the last \boxed{}, or after "the answer is". Numbers, fractions,
    roots, formulas with letters, tuples, sets and words are compared by what they mean. The score is the
    share of the samples that say the same, and below `min_share` the row is rejected; a row with a truth is
    judged by that alone. `sums` says what becomes of a solution with an equation of numbers that is wrong.
    """

    def judge(table: pa.Table, _: State) -> pa.Table:
        said = [
            _judge_row(answer, _read_stated(extra, kind, truth_columns), min_share, sums)
            for _, kind, answer, extra in read_answers(append_chosen(table))
        ]
        return write_row_verdicts(table, "final_answer", said, threshold=min_share)

    return Judge(
        judge=judge,
        plant=lambda sample, n, _: plant_wrong_answers(sample, n, sums=sums is not None),
        control=lambda sample, n, _: plant_right_answers(sample, n),
        min_recall=1.0,
        dials=(Dial(min_share, "<", (_MINORITY,), parameter="min_share"),),
        off=() if sums is not None else ("wrong_sum",),
    )


@dataclass(frozen=True, slots=True)
class _Stated:
    """What a row says of its answer: the truth, the answers of its samples, or neither."""

    truth: str | None = None
    samples: Sequence[str | None] = ()
    own: bool = False


def _read_stated(extra: Mapping[str, Any], kind: str, truth_columns: Sequence[str]) -> _Stated:
    own = extra.get("final_answer")
    if isinstance(own, dict):
        truth, samples = own.get("truth"), own.get("samples")
        listed = samples[:MAX_SAMPLES] if isinstance(samples, list) else []
        texts = [sample if isinstance(sample, str) else None for sample in listed]
        return _Stated(truth if isinstance(truth, str) else None, texts, own=True)
    if kind == "foreign":
        for name in truth_columns:
            if isinstance(value := extra.get(name), str | int | float) and not isinstance(value, bool):
                return _Stated(str(value))
    return _Stated()


def _judge_row(text: str, stated: _Stated, min_share: float, sums: Action | None) -> RowVerdict:
    if len(text) > MAX_TEXT_CHARS:
        return RowVerdict(
            "abstain", None, f"the answer has more than {MAX_TEXT_CHARS} characters", "final_answer.too_long"
        )
    said = _judge_answer(text, stated, min_share)
    if said.outcome == "reject" or sums is None:
        return said
    stated_sums = list(list_sums(text))
    wrong = next((each.text for each in stated_sums if not each.holds), None)
    if wrong is not None:
        return RowVerdict(
            sums, said.score, f"wrong sum: {wrong}", "final_answer.wrong_sum", canonical_text({"sum": wrong})
        )
    if said.outcome == "abstain" and stated_sums:
        return RowVerdict("accept", evidence=canonical_text({"counts": {"sums": len(stated_sums)}}))
    return said


def _judge_answer(text: str, stated: _Stated, min_share: float) -> RowVerdict:
    if stated.truth is None and not stated.samples:
        return RowVerdict(
            "abstain",
            None,
            "the row states no truth, no samples and no sum",
            "final_answer.nothing_to_compare",
        )
    found = find_marked_answer(text)
    answer = _read(found)
    if answer is None or found is None:
        outcome = "reject" if stated.own else "abstain"
        return RowVerdict(
            outcome,
            None,
            "no final answer: none is marked, or it cannot be read",
            "final_answer.no_final_answer",
        )
    if stated.truth is not None:
        return _compare_truth(found, answer, stated.truth)
    same = sum(_is_same(answer, sample) for sample in stated.samples)
    share = same / len(stated.samples)
    evidence = canonical_text(
        {"answer": found[:200], "counts": {"samples": len(stated.samples), "same": same}}
    )
    if share < min_share:
        reason = f"minority: {same} of {len(stated.samples)} samples say the same"
        return RowVerdict("reject", share, reason, _MINORITY, evidence)
    return RowVerdict("accept", score=share, evidence=evidence)


def _compare_truth(found: str, answer: FinalAnswer, stated: str) -> RowVerdict:
    marked = find_marked_answer(stated)
    truth = _read(marked if marked is not None else stated)
    if truth is None:
        return RowVerdict(
            "abstain", None, "the truth that the row states cannot be read", "final_answer.unreadable_truth"
        )
    evidence = canonical_text({"answer": found[:200], "truth": stated[:200]})
    if is_same_answer(answer, truth):
        return RowVerdict("accept", evidence=evidence)
    return RowVerdict(
        "reject", None, "wrong answer: it is not the truth of the row", "final_answer.wrong_answer", evidence
    )


def _read(text: str | None) -> FinalAnswer | None:
    try:
        return None if text is None else read_stated_answer(text)
    except ValueError:
        return None


def _is_same(answer: FinalAnswer, sample: str | None) -> bool:
    other = _read(sample)
    return other is not None and is_same_answer(answer, other)
