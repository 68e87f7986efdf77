"""The decision arithmetic: from the verdicts of every gate to one decision per row."""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.rows.schemas import DECISION_SCHEMA


def decide(
    candidates: pa.Table, verdicts: Sequence[pa.Table], held_by: tuple[str, str] | None = None
) -> pa.Table:
    """One decision per candidate, in their order.

    `verdicts` holds one table per gate, in the order of work. A row is rejected by the first gate that
    rejects it; else for its `failure`, by whatever made it ("reader" of foreign rows, "generator"), so that
    no broken row is accepted where no gate looks at structure; else held by the first gate that holds it;
    else accepted. An abstention decides nothing. `held_by`, the gate and the reason, holds every row that
    would be accepted: a batch that failed as a whole.
    """
    rows = pl.DataFrame(candidates.select(["row_id", "source_id", "kind", "failure"]))
    columns = ["row_id", "gate", "outcome", "reason"]
    stacked = pl.concat(
        [
            pl.DataFrame(table.select(columns)).with_columns(pl.lit(order).alias("order"))
            for order, table in enumerate(verdicts)
        ]
        or [pl.DataFrame(schema={**dict.fromkeys(columns, pl.String), "order": pl.Int32})]
    )
    weight = {"reject": 0, "failed": 1, "hold": 2}
    maker = pl.when(pl.col("kind") == "foreign").then(pl.lit("reader")).otherwise(pl.lit("generator"))
    failed = rows.filter(pl.col("failure").is_not_null()).select(
        "row_id",
        maker.alias("gate"),
        pl.lit("failed").alias("outcome"),
        pl.col("failure").alias("reason"),
        pl.lit(-1, pl.Int32).alias("order"),
    )
    deciding = (
        pl.concat([stacked, failed])
        .filter(pl.col("outcome").is_in(list(weight)))
        .with_columns(pl.col("outcome").replace_strict(weight, return_dtype=pl.Int8).alias("weight"))
        .sort(["weight", "order"], maintain_order=True)
        .unique("row_id", keep="first", maintain_order=True)
        .select("row_id", "gate", "reason", "weight")
    )
    twice = rows.filter(pl.col("row_id").is_duplicated())
    if twice.height:
        raise GateError("the batch holds a row twice: two rows have one row_id", seen=twice["row_id"][0])
    decided = rows.join(deciding, on="row_id", how="left", maintain_order="left")
    named = decided.with_columns(
        pl.col("weight")
        .replace_strict({0: "rejected", 1: "rejected", 2: "held"}, default="accepted", return_dtype=pl.String)
        .alias("decision")
    )
    if held_by is not None:
        waits = pl.col("decision") == "accepted"
        gate, reason = held_by
        named = named.with_columns(
            gate=pl.when(waits).then(pl.lit(gate)).otherwise("gate"),
            reason=pl.when(waits).then(pl.lit(reason)).otherwise("reason"),
            decision=pl.when(waits).then(pl.lit("held")).otherwise("decision"),
        )
    return named.select(DECISION_SCHEMA.names).to_arrow().cast(DECISION_SCHEMA)
