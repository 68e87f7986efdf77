"""Verdicts on novelty, stated from what was decided of the batch."""

import numpy as np
import pyarrow as pa

from synth_stack.gates.novelty.batch import Decided, read_instructions
from synth_stack.gates.novelty.rouge_l import read_words
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_verdicts

NOTHING_TO_COMPARE = "nothing to compare: no user's message with a letter or digit in it"


def state_novelty(decided: Decided, table: pa.Table, threshold: float) -> pa.Table:
    """One verdict a row of the table, in order."""
    places = decided.find(table)
    readable = read_words(read_instructions(table)).lengths > 0
    scores = decided.scores[places]
    repeats = readable & (scores >= threshold)
    reasons: list[str | None] = [None if can else NOTHING_TO_COMPARE for can in readable]
    evidence: list[str | None] = [None] * len(table)
    for row in np.flatnonzero(repeats).tolist():
        found = decided.neighbours[int(decided.nearest[places[row]])]
        nearest = f"seed {found.name}" if found.in_pool else found.name
        reasons[row] = f"not new: like {nearest}, ROUGE-L {scores[row]:.3f}"
        evidence[row] = canonical_text(
            {
                "nearest": found.name,
                "nearest_is": "seed" if found.in_pool else "row",
                "rouge_l": float(scores[row]),
                "text": found.text,
            }
        )
    outcomes = np.where(repeats, "reject", np.where(readable, "accept", "abstain")).tolist()
    told = [score if can else None for score, can in zip(scores.tolist(), readable, strict=True)]
    return build_verdicts(
        table["row_id"],
        "novelty",
        outcomes,
        scores=told,
        threshold=threshold,
        reasons=reasons,
        evidence=evidence,
    )
