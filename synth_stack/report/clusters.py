"""Clusters that gates found in a batch: what the row at the centre says, and how much of the batch they are.

A gate says so in the evidence of its verdicts under `cluster`: `centre` (the id of a row), `share`, and where
that was estimated `share_low` and `share_high`.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import polars as pl

SHOWN = 24
"""Clusters on a page, the largest: more rings cover one another."""
_CHARS = 300
_KEYS = ["gate", "reason_class", "centre"]


def list_clusters(
    verdicts: Mapping[str, Iterable[pa.Table]], candidates: Iterable[pa.Table]
) -> list[dict[str, Any]]:
    """The clusters, the largest share first: gate, reason_class, centre, text, share, low, high, and how many
    `rows` the gate turned away for being of it.
    """
    import polars as pl

    parts = [_read_evidence(table) for tables in verdicts.values() for table in tables]
    if not any(part.height for part in parts):
        return []
    shares = [pl.col(name).max() for name in ("share", "low", "high")]
    found = pl.concat(parts).group_by(_KEYS).agg(*shares, rows=pl.len())
    found = found.sort(["share", *_KEYS], descending=[True, False, False, False]).head(SHOWN)
    said = _read_texts(candidates, found["centre"].to_list())
    return [{**row, "text": said[row["centre"]]} for row in found.to_dicts() if row["centre"] in said]


def _read_evidence(table: pa.Table) -> "pl.DataFrame":
    import polars as pl

    away = pc.is_in(table["outcome"], value_set=pa.array(["reject", "hold"]))
    rows = pl.DataFrame(table.filter(away).select(["gate", "reason_class", "evidence"]))
    names = {"centre": pl.String, "share": pl.Float64, "share_low": pl.Float64, "share_high": pl.Float64}
    named = rows.filter(pl.col("evidence").str.contains('"centre"', literal=True)).with_columns(
        pl.col("evidence").str.json_path_match(f"$.cluster.{name}").cast(kind, strict=False).alias(name)
        for name, kind in names.items()
    )
    told = named.drop_nulls(["centre", "share"]).filter(pl.col("share").is_between(0, 1))
    return told.drop("evidence").rename({"share_low": "low", "share_high": "high"})


def _read_texts(candidates: Iterable[pa.Table], ids: list[str]) -> dict[str, str]:
    wanted = pa.array(ids, pa.string())
    said: dict[str, str] = {}
    for table in candidates:
        rows = table.select(["row_id", "text"]).filter(pc.is_in(table["row_id"], value_set=wanted))
        said |= {row["row_id"]: (row["text"] or "")[:_CHARS] for row in rows.to_pylist()}
    return said
