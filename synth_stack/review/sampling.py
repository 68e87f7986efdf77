"""Which rows are read, drawn so that anybody can draw them again from the seed and the ids of the rows."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from synth_stack.review.plan_file import SAMPLE_SCHEMA
from synth_stack.stats.apportion import split_exactly

if TYPE_CHECKING:
    import polars as pl


def rank_rows(row_ids: Sequence[str], seed: int, purpose: str) -> list[int]:
    """A number for each row by which rows are drawn, the lowest first: the first 8 bytes, big-endian, of
    SHA-256 over the seed (8 bytes, big-endian), the purpose in ASCII, a zero byte, and the 16 bytes of the
    id.

    A digest of the seed and the row alone: which rows are drawn depends on nobody, on no order of rows and on
    no library's random numbers, and nobody can tell before the seed is known. A lot's n lowest are a simple
    random sample without replacement (bottom-k, Cohen and Kaplan 2007).
    """
    head = hashlib.sha256(seed.to_bytes(8, "big") + purpose.encode("ascii") + b"\0")
    found = []
    for row_id in row_ids:
        digest = head.copy()
        digest.update(bytes.fromhex(row_id))
        found.append(int.from_bytes(digest.digest()[:8], "big"))
    return found


def draw_lots(frame: pa.Table, lots: pa.Table, *, estimate: int, seed: int) -> "pl.DataFrame":
    """The rows that are read of each lot: `row_id`, `lot`, `purpose`, `draw` (from 0) and `stage` (from 1).

    Sorted by lot and draw. `frame` is FRAME_SCHEMA, `lots` LOT_SCHEMA. The first n draws of a lot are its
    sample. After them come those of the `estimate` rows that fall to it, in proportion to what it has beside
    its sample: they decide nothing, so that how its sample came out does not bias what they measure.
    """
    import polars as pl

    plans = pl.DataFrame(lots.select(["lot", "rows", "n", "stages"]))
    beside = (plans["rows"] - plans["n"]).to_list()
    shares = split_exactly(min(estimate, sum(beside)), beside) if sum(beside) else [0] * len(beside)
    plans = plans.with_columns(last=pl.col("n") + pl.Series(shares, dtype=pl.Int64))
    rows = pl.DataFrame(frame).with_columns(rank=_rank(frame["row_id"].to_pylist(), seed, "sample"))
    rows = rows.sort(["lot", "rank", "row_id"]).with_columns(draw=pl.int_range(pl.len()).over("lot"))
    drawn = rows.join(plans.select("lot", "n", "last"), on="lot", how="inner", maintain_order="left")
    drawn = drawn.filter(pl.col("draw") < pl.col("last"))
    is_sample = pl.col("draw") < pl.col("n")
    drawn = drawn.with_columns(
        purpose=pl.when(is_sample).then(pl.lit("sample")).otherwise(pl.lit("estimate"))
    )
    looks = plans.select("lot", "stages").explode("stages").select("lot", pl.col("stages").struct.field("n"))
    looks = looks.with_columns(
        draw=pl.col("n").shift(1).over("lot").fill_null(0),
        stage=pl.int_range(1, pl.len() + 1).over("lot"),
    ).select("lot", "draw", "stage")
    drawn = drawn.sort("draw").join_asof(looks.sort("draw"), on="draw", by="lot", check_sortedness=False)
    drawn = drawn.with_columns(stage=pl.when(is_sample).then("stage"))
    return drawn.sort(["lot", "draw"]).select("row_id", "lot", "purpose", "draw", "stage")


def order_sample(
    drawn: "pl.DataFrame", held: Sequence[str], planted: "pl.DataFrame", *, overlap: float, seed: int
) -> pa.Table:
    """The rows to read in the order of reading, SAMPLE_SCHEMA: held rows first, then look by look.

    `drawn` is of `draw_lots`; `planted` has `row_id`, `purpose` and `truth`. Planted rows get the lot and
    look of a drawn row, so that nothing about them is special. A share of `overlap` of the drawn rows, and
    every planted one of those that fall there, is for two people.
    """
    import polars as pl

    parts = [
        pl.DataFrame({"row_id": held}, schema={"row_id": pl.String}).with_columns(
            purpose=pl.lit("held"), blind=pl.lit(value=False), look=pl.lit(0, pl.Int64)
        ),
        drawn.with_columns(blind=pl.lit(value=True), look=pl.col("stage").cast(pl.Int64).fill_null(1)),
        _hide_among(planted, drawn, seed).with_columns(blind=pl.lit(value=True)),
    ]
    rows = pl.concat(parts, how="diagonal_relaxed")
    ids = rows["row_id"].to_list()
    rows = rows.with_columns(order=_rank(ids, seed, "order"), twice=_rank(ids, seed, "overlap"))
    is_drawn = pl.col("purpose") != "held"
    double = pl.col("twice").rank("ordinal").over("purpose") <= (overlap * pl.len().over("purpose")).round()
    rows = rows.with_columns(
        reviewers=pl.when(is_drawn & double).then(2).otherwise(1),
        **{name: pl.lit(None, pl.Int64) for name in ("draw", "stage") if name not in rows.columns},
        **{name: pl.lit(None, pl.String) for name in ("lot", "truth") if name not in rows.columns},
    ).sort(["look", "order", "row_id"])
    rows = rows.with_columns(position=pl.int_range(pl.len()))
    return rows.select(SAMPLE_SCHEMA.names).to_arrow().cast(SAMPLE_SCHEMA).combine_chunks()


def order_screened(rows: "pl.DataFrame", *, first: int, seed: int) -> pa.Table:
    """Rows of failed lots (`row_id`, `lot`) to be read, SAMPLE_SCHEMA from position `first` on."""
    import polars as pl

    order = _rank(rows["row_id"].to_list(), seed, "order")
    rows = rows.with_columns(order=order).sort(["lot", "order", "row_id"])
    rows = rows.with_columns(
        position=pl.int_range(first, first + pl.len()),
        purpose=pl.lit("screen"),
        draw=pl.lit(None, pl.Int64),
        stage=pl.lit(None, pl.Int64),
        reviewers=pl.lit(1, pl.Int64),
        blind=pl.lit(value=True),
        truth=pl.lit(None, pl.String),
    )
    return rows.select(SAMPLE_SCHEMA.names).to_arrow().cast(SAMPLE_SCHEMA).combine_chunks()


def _hide_among(planted: "pl.DataFrame", drawn: "pl.DataFrame", seed: int) -> "pl.DataFrame":
    """Planted rows with the lot and the look of drawn rows, one after another in a drawn order."""
    import polars as pl

    if not len(planted):
        return planted.select("row_id", "purpose", "truth").with_columns(
            lot=pl.lit(None, pl.String), look=pl.lit(1, pl.Int64)
        )
    if not len(drawn):
        return planted.select("row_id", "purpose", "truth").with_columns(
            lot=pl.lit(None, pl.String), look=pl.lit(0, pl.Int64)
        )
    rank = pl.Series(rank_rows(planted["row_id"].to_list(), seed, "place"), dtype=pl.UInt64)
    shown = drawn.select("lot", look=pl.col("stage").cast(pl.Int64).fill_null(1))
    return planted.select("row_id", "purpose", "truth").hstack(shown[(rank % len(drawn)).cast(pl.Int64)])


def _rank(row_ids: Sequence[str], seed: int, purpose: str) -> "pl.Series":
    import polars as pl

    return pl.Series(rank_rows(row_ids, seed, purpose), dtype=pl.UInt64)
