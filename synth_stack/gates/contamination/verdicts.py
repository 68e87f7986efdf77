"""What the stages of the contamination gate say of a row, and the verdicts that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from synth_stack.gates.contamination.ngram_table import Flags
from synth_stack.gates.contamination.solved_items import Trial
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of a row that is not simply innocent: rejected, held, or accepted with evidence.

    `evidence["how"]` is the stage that spoke: words, meaning, tests or opinion.
    """

    outcome: Literal["accept", "reject", "hold"]
    score: float
    reason: str | None
    evidence: dict[str, Any]


def add_trial(found: Finding | None, trial: Trial) -> Finding:
    """The finding with what the sandbox said: a solved item is proof, a turn that never came no acquittal."""
    found = found or Finding("accept", 0.0, None, {"how": "tests"})
    if trial.solved is not None:
        reason, evidence = trial.solved
        likeness = {"likeness": found.score} if found.score else {}
        return Finding("reject", 1.0, reason, {"how": "tests", **evidence, **likeness, **trial.counts})
    evidence = {**found.evidence, **trial.counts}
    if trial.is_starved and found.outcome == "accept":
        reason = "not tried: the sandbox runs of this table of rows were spent"
        return Finding("hold", found.score, reason, evidence)
    return Finding(found.outcome, found.score, found.reason, evidence)


def state_findings(table: pa.Table, readable: Flags, findings: Mapping[int, Finding], bar: float) -> pa.Table:
    """One verdict per row: its finding, or else accepted with score 0, or abstained on if unreadable.

    No Python object is made for a row without a finding.
    """
    judged = readable.copy()
    judged[list(findings)] = True
    outcomes = np.where(judged, "accept", "abstain").astype(object)
    scores = np.zeros(len(table))
    reasons = np.full(len(table), None, dtype=object)
    reasons[~judged] = "nothing to read: the text is empty or missing"
    evidence = np.full(len(table), None, dtype=object)
    for row, found in findings.items():
        outcomes[row], scores[row], reasons[row] = found.outcome, found.score, found.reason
        evidence[row] = canonical_text(found.evidence)
    return build_verdicts(
        table.column("row_id"),
        "contamination",
        pa.array(outcomes, pa.string()),
        scores=pa.array(scores, mask=~judged),
        threshold=bar,
        reasons=pa.array(reasons, pa.string()),
        evidence=pa.array(evidence, pa.string()),
    )


def abstain(table: pa.Table) -> pa.Table:
    """The verdicts where nothing is named to compare with."""
    n = len(table)
    reasons = ["no eval set named: nothing to compare with"] * n
    return build_verdicts(table.column("row_id"), "contamination", ["abstain"] * n, reasons=reasons)
