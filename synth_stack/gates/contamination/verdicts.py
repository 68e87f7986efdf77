"""What the stages of the contamination gate say of a row, and the verdicts that it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from synth_stack.gates.contamination.eval_sets import Fault
from synth_stack.gates.contamination.ngram_overlap import Overlap
from synth_stack.gates.contamination.ngram_table import Flags
from synth_stack.gates.contamination.solved_items import Trial
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts

SHARED_NGRAM = "contamination.shared_ngram"
SHARED_PASSAGE = "contamination.shared_passage"
PIECE = "contamination.piece_of_item"
SHARED_CHOICES = "contamination.shared_choices"
ALIKE = "contamination.alike"
REPHRASED = "contamination.rephrased"
SOLVES_ITEM = "contamination.solves_item"
MAY_SOLVE = "contamination.may_solve_item"
LLM_JUDGE = "contamination.llm_judge"
NOT_TRIED = "contamination.not_tried"
NOT_DECIDED = "contamination.not_decided"
_NOTHING_TO_READ = "contamination.nothing_to_read"
_NO_EVAL_SET = "contamination.no_eval_set"

AGREED = "agreed"
"""The key of evidence that has the likeness of a row to an item where evidence of another kind agrees."""

TOO_FEW_RUNS = "too_few_runs"
"""The key of evidence that is 1 where a row was tried on too little for want of runs."""


@dataclass(frozen=True, slots=True)
class ContaminationFinding:
    """What is said of a row that is not simply innocent: rejected, held, or accepted with evidence.

    `evidence["how"]` is the stage that spoke: words, meaning, tests or opinion. `evidence["counts"]` of a row
    that was looked at more closely than by its words has `short_listed` 1 and the pairs of function and item
    that were `tried` and `untried`.
    """

    outcome: Literal["accept", "reject", "hold"]
    score: float
    reason: str | None
    reason_class: str | None
    evidence: dict[str, Any]


def state_overlap(
    overlap: Overlap, reason: str, evidence: dict[str, Any], *, is_asked: bool
) -> ContaminationFinding:
    """The finding on a row that shares words: a passage without its question, and a short piece of a long
    item, are held, for both may have been taken from where the exam took them.
    """
    if overlap.is_passage and not is_asked:
        return ContaminationFinding("hold", 1.0, reason, SHARED_PASSAGE, evidence)
    if overlap.weak and not is_asked:
        return ContaminationFinding("hold", 1.0, reason, PIECE, evidence)
    return ContaminationFinding("reject", 1.0, reason, SHARED_NGRAM, evidence)


def state_likeness(
    score: float, fault: Fault, agrees: Sequence[str], bar: float, *, holds_alone: bool
) -> ContaminationFinding:
    """The finding on a row of the short list: from the bar on rejected where other evidence `agrees`, named
    in it, and else held where likeness `holds_alone`.
    """
    reason, evidence = fault
    shown = {"how": "meaning", **evidence, "agrees": list(agrees), "counts": _count(Trial(0, 0))}
    if agrees:
        shown[AGREED] = score
    if score < bar or not (agrees or holds_alone):
        return ContaminationFinding("accept", score, None, None, shown)
    if agrees:
        return ContaminationFinding("reject", score, f"{reason}; {', '.join(agrees)}", REPHRASED, shown)
    return ContaminationFinding("hold", score, f"{reason}, and nothing else agrees", ALIKE, shown)


def add_trial(found: ContaminationFinding | None, trial: Trial, bar: float) -> ContaminationFinding:
    """The finding with what came of the sandbox: a solved item is proof, and runs that were not left prove
    nothing. Where it is in doubt whether tests that were passed tell the item's function from another, a
    likeness to that item from the bar on decides it, and else the row is held.
    """
    found = found or ContaminationFinding("accept", 0.0, None, None, {"how": "tests"})
    solved = _state_solved(found, trial, bar)
    if solved is not None:
        return solved
    evidence = {**found.evidence, "counts": _count(trial)}
    if trial.solved is not None:
        evidence["passed"] = trial.solved[1]
    if not trial.has_too_few:
        return replace(found, evidence=evidence)
    evidence[TOO_FEW_RUNS] = 1
    if found.outcome == "accept":
        reason = "not tried: the sandbox runs of this batch were spent"
        return ContaminationFinding("hold", found.score, reason, NOT_TRIED, evidence)
    return replace(found, evidence=evidence)


def state_findings(
    table: pa.Table, readable: Flags, findings: Mapping[int, ContaminationFinding], bar: float
) -> pa.Table:
    """One verdict per row: its finding, or else accepted with score 0, or abstained on if unreadable.

    No Python object is made for a row without a finding.
    """
    judged = readable.copy()
    judged[list(findings)] = True
    outcomes = np.where(judged, "accept", "abstain").astype(object)
    scores = np.zeros(len(table))
    reasons, classes, evidence = (np.full(len(table), None, dtype=object) for _ in range(3))
    reasons[~judged] = "nothing to read: the text is empty or missing"
    classes[~judged] = _NOTHING_TO_READ
    for row, found in findings.items():
        outcomes[row], scores[row], reasons[row] = found.outcome, found.score, found.reason
        classes[row], evidence[row] = found.reason_class, canonical_text(found.evidence)
    return build_verdicts(
        table.column("row_id"),
        "contamination",
        pa.array(outcomes, pa.string()),
        scores=pa.array(scores, mask=~judged),
        threshold=bar,
        reasons=pa.array(reasons, pa.string()),
        reason_classes=pa.array(classes, pa.string()),
        evidence=pa.array(evidence, pa.string()),
    )


def abstain(table: pa.Table) -> pa.Table:
    """The verdicts where nothing is named to compare with."""
    n = len(table)
    return build_verdicts(
        table.column("row_id"),
        "contamination",
        ["abstain"] * n,
        reasons=["no eval set named: nothing to compare with"] * n,
        reason_classes=[_NO_EVAL_SET] * n,
    )


def _state_solved(found: ContaminationFinding, trial: Trial, bar: float) -> ContaminationFinding | None:
    """What passed tests say of a row; None where they say nothing, or less than what was found already."""
    if trial.solved is None or trial.standing == "other":
        return None
    reason, shown = trial.solved
    likeness = {"likeness": found.score} if found.score else {}
    evidence = {"how": "tests", **shown, **likeness, "counts": _count(trial)}
    alike = found.score >= bar and _name_item(found.evidence) == _name_item(shown)
    if trial.standing == "same" or alike:
        return ContaminationFinding("reject", 1.0, f"solves a held-out item: {reason}", SOLVES_ITEM, evidence)
    if found.outcome == "reject":
        return None
    doubt = f"may solve a held-out item: {reason}, which may fit other functions"
    return ContaminationFinding("hold", 1.0, doubt, MAY_SOLVE, evidence)


def _name_item(evidence: Mapping[str, Any]) -> tuple[Any, Any]:
    return evidence.get("eval_set"), evidence.get("item")


def _count(trial: Trial) -> dict[str, int]:
    return {"short_listed": 1, "tried": trial.tried, "untried": trial.untried}
