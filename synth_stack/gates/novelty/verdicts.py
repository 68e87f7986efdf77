"""Verdicts on novelty, written from what was decided of the batch."""

import numpy as np
import pyarrow as pa

from synth_stack.gates.novelty.outcome import Neighbour, NoveltyOutcome
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import hash_ids

NOT_NEW = "novelty.not_new"
NOTHING_TO_COMPARE = "nothing to compare: no user's message with a letter or digit in it"


def write_verdicts(outcome: NoveltyOutcome, table: pa.Table, threshold: float) -> pa.Table:
    """One verdict a row of the table, in order. Raises GateError for a row that was not in the batch."""
    places = outcome.find(hash_ids(table))
    readable, scores, numbers = outcome.readable[places], outcome.scores[places], outcome.neighbours[places]
    repeats = numbers >= 0
    reasons: list[str | None] = [None if can else NOTHING_TO_COMPARE for can in readable]
    evidence: list[str | None] = [None] * len(table)
    rows = np.flatnonzero(repeats)
    for row, found in zip(rows.tolist(), outcome.name(numbers[rows].astype(np.int64)), strict=True):
        nearest = f"seed {found.name}" if found.is_seed else found.name
        reasons[row] = f"not new: like {nearest}, ROUGE-L {scores[row]:.3f}"
        evidence[row] = _write_evidence(found, float(scores[row]))
    unread = np.where(readable, None, "novelty.nothing_to_compare")  # type: ignore[call-overload]  # objects
    return build_verdicts(
        table["row_id"],
        "novelty",
        np.where(repeats, "reject", np.where(readable, "accept", "abstain")).tolist(),
        scores=[score if can else None for score, can in zip(scores.tolist(), readable, strict=True)],
        threshold=threshold,
        reasons=reasons,
        reason_classes=np.where(repeats, NOT_NEW, unread).tolist(),
        evidence=evidence,
    )


def _write_evidence(found: Neighbour, rouge_l: float) -> str:
    twin = {} if found.is_seed else {"twin": found.name}
    return canonical_text(
        {
            "nearest": found.name,
            "nearest_is": "seed" if found.is_seed else "row",
            "rouge_l": rouge_l,
            "text": found.text,
            **twin,
        }
    )
