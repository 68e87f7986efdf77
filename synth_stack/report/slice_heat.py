"""A heat map of a batch: of each slice the share that each gate turned away."""

from collections.abc import Iterable
from typing import Any

import polars as pl
import pyarrow as pa

MAX_SLICES = 40
"""Rows of a map that an eye can still compare; the largest slices, and the report's table has all of them."""
MAX_GATES = 20


def count_by_slice(candidates: Iterable[pa.Table], decisions: pa.Table) -> dict[str, Any] | None:
    """Rows turned away by slice and gate; None where fewer than two slices are named.

    `gates` are those that turned a row away, the one with the most first; `slices` the largest first, each
    with its rows `n` and one number `away` for each gate.
    """
    parts = [pl.DataFrame(part.select(["row_id", "slice"])) for part in candidates]
    if not parts:
        return None
    named = pl.concat(parts).drop_nulls("slice")
    sizes = named.group_by("slice").len().sort(["len", "slice"], descending=[True, False])
    if sizes.height < 2:
        return None
    away = pl.DataFrame(decisions.select(["row_id", "decision", "gate"])).filter(
        pl.col("decision").is_in(["rejected", "held"]) & pl.col("gate").is_not_null()
    )
    counted = named.join(away, on="row_id").group_by("slice", "gate").len()
    totals = counted.group_by("gate").agg(pl.col("len").sum()).sort(["len", "gate"], descending=[True, False])
    gates = totals["gate"].head(MAX_GATES).to_list()
    if not gates:
        return None
    found = {(row["slice"], row["gate"]): row["len"] for row in counted.to_dicts()}
    shown = sizes.head(MAX_SLICES)
    return {
        "gates": gates,
        "slices": [
            {"name": name, "n": n, "away": [found.get((name, gate), 0) for gate in gates]}
            for name, n in shown.iter_rows()
        ],
        "folded": sizes.height - shown.height,
    }
