"""Verdicts of a gate that judges row by row: one value a row, and the table of them."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from synth_stack.rows.schemas import build_verdicts


class RowVerdict(NamedTuple):
    """What a gate says of one row; the fields are those of VERDICT_SCHEMA."""

    outcome: str
    score: float | None = None
    reason: str | None = None
    reason_class: str | None = None
    evidence: str | None = None


def write_row_verdicts(
    table: pa.Table, gate: str, said: Sequence[RowVerdict], *, threshold: float | None
) -> pa.Table:
    """The verdict table of the rows of `table`, of which `said` holds one verdict each, in their order."""
    return build_verdicts(
        table["row_id"],
        gate,
        [each.outcome for each in said],
        scores=[each.score for each in said],
        threshold=threshold,
        reasons=[each.reason for each in said],
        reason_classes=[each.reason_class for each in said],
        evidence=[each.evidence for each in said],
    )
