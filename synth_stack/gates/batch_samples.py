"""A sample of a batch, however the batch is cut: sampled rows, planted rows, and how many there are.

Rows are a frame with `id` (a uniform hash), `planted`, the columns that they are counted by, and what the
gate reads of them. Sketches of tables are joined into the sample of the batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from synth_stack.stats.bottom_k import join_lowest, keep_lowest

if TYPE_CHECKING:
    import polars as pl

Groups = Sequence[tuple[str, int]]
"""Columns, and how many rows are sampled of each of their values."""


@dataclass(frozen=True, slots=True)
class BatchSample:
    """What was sampled: `rows` with the flags of keep_lowest, sorted by id; the `planted` rows; and `counts`,
    how many `rows` there are of each combination of the columns that are counted.
    """

    rows: "pl.DataFrame"
    planted: "pl.DataFrame"
    counts: "pl.DataFrame"

    @property
    def total(self) -> int:
        """The rows of the batch that can be read."""
        return int(self.counts["rows"].sum())


def sketch_sample(rows: "pl.DataFrame", k: int, groups: Groups, by: Sequence[str]) -> pa.Table:
    """The sampled rows of a table, its planted rows, and how many there are by the columns `by`."""
    import polars as pl

    names = ["planted", *by]
    counts = rows.group_by(names).agg(rows=pl.len().cast(pl.Int64)).sort(names)
    planted = rows.filter("planted")
    sampled = keep_lowest(rows.filter(~pl.col("planted")), k, groups).select(planted.columns)
    return pl.concat([sampled, planted, counts], how="diagonal").to_arrow()


def join_samples(sketches: Iterable[pa.Table], k: int, groups: Groups, by: Sequence[str]) -> BatchSample:
    """The sample of a batch from the sketches of its tables, made with the same `k`, `groups` and `by`."""
    import polars as pl

    counts: list[pl.DataFrame] = []
    planted: list[pl.DataFrame] = []

    def part() -> Iterator[pl.DataFrame]:
        for sketch in sketches:
            frame = pl.DataFrame(sketch)
            counts.append(frame.filter(pl.col("rows").is_not_null() & ~pl.col("planted")))
            rows = frame.filter(pl.col("rows").is_null()).drop("rows")
            planted.append(rows.filter("planted"))
            yield rows.filter(~pl.col("planted"))

    joined = join_lowest(part(), k, groups)
    if joined is None:
        raise ValueError("a batch has at least the sketch of its canaries")
    summed = pl.concat(counts).group_by(by).agg(pl.col("rows").sum()).sort(by)
    return BatchSample(joined, pl.concat(planted).sort("id"), summed)
