"""Verdicts on rows with the same meaning, written from what was decided of the batch."""

import numpy as np
import pyarrow as pa

from synth_stack.gates.semantic_dedup.nearest_kept import DECIMALS, NO_TWIN
from synth_stack.gates.semantic_dedup.outcome import SemanticOutcome
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.text.fields import hash_ids

_NOTHING_TO_READ = "nothing to read: the field is empty, missing or without a known word"


def name_near_duplicate(gate: str) -> str:
    """The class of what is turned away."""
    return f"{gate}.near_duplicate"


def write_verdicts(outcome: SemanticOutcome, table: pa.Table, threshold: float, gate: str) -> pa.Table:
    """One verdict of `gate` a row of the table, in order. Raises GateError for a row not in the batch."""
    import polars as pl

    place = outcome.find(hash_ids(table))
    twins = outcome.twins[place]
    rejected = twins != NO_TWIN
    named = outcome.names.take(pa.array(np.where(rejected, twins, 0), mask=~rejected))
    frame = pl.DataFrame(
        {
            "row_id": pl.Series(values=pl.from_arrow(table["row_id"])),
            "readable": outcome.readable[place],
            "rejected": rejected,
            # the float that its decimals spell, as the threshold is one
            "score": outcome.best[place].astype(np.float64).round(DECIMALS),
            "twin": pl.Series(values=pl.from_arrow(named), dtype=pl.String),
        }
    )
    readable, away = pl.col("readable"), pl.col("rejected")
    reason = pl.concat_str(
        pl.lit("same meaning: like "), "twin", pl.lit(", cosine "), pl.col("score").cast(pl.String)
    )
    evidence = pl.concat_str(
        pl.lit('{"cosine":'),
        pl.col("score").cast(pl.String).str.strip_suffix(".0"),
        pl.lit(',"twin":"'),
        "twin",
        pl.lit('"}'),
    )

    def choose(unread: str, rejected: str, kept: str | None) -> pl.Expr:
        return (
            pl.when(~readable).then(pl.lit(unread)).when(away).then(pl.lit(rejected)).otherwise(pl.lit(kept))
        )

    verdicts: pa.Table = (
        frame.select(
            "row_id",
            gate=pl.lit(gate),
            outcome=choose("abstain", "reject", "accept"),
            score=pl.when(readable).then("score"),
            threshold=pl.lit(threshold),
            reason=pl.when(~readable).then(pl.lit(_NOTHING_TO_READ)).when(away).then(reason),
            reason_class=choose(f"{gate}.nothing_to_read", name_near_duplicate(gate), None),
            evidence=pl.when(away).then(evidence),
            scope=pl.lit("row"),
        )
        .rechunk()
        .to_arrow()
        .cast(VERDICT_SCHEMA)
    )
    return verdicts
