"""What a batch says of its diversity, kept small: a sample of its texts, and how many rows each group has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from synth_stack.gates.gate import State
from synth_stack.stats.bottom_k import join_lowest, keep_lowest
from synth_stack.text.fields import find_canaries, hash_ids, read_asked, read_field, read_texts

if TYPE_CHECKING:
    import polars as pl

Field = Literal["prompt", "answer", "text"]

SAMPLE_ROWS = 16_384
"""Rows of the whole batch: in them a group of one row in a hundred has 164."""
GROUP_ROWS = 400
"""Rows of each slice and generator: a share of them is known to 5 points (95% Wilson)."""

TEXT_CHARS = 600
"""Of a longer text its beginning: 100 words, in which a repeated wording has shown itself."""

GROUPS = (("slice", GROUP_ROWS), ("generator", GROUP_ROWS))

_FOREIGN_SEED = "sha256:"
"""Begins the seed_id of a foreign row, which names a data set and no seed (rows/schemas.py)."""


def read_said(table: pa.Table, field: Field) -> "pl.Series":
    """The text of each row that the gate reads, without what surrounds it; null where there is none.

    "prompt" reads the text of a row that has no messages.
    """
    import polars as pl

    said = read_asked(table) if field == "prompt" else read_field(table, field)
    cut = said.str.strip_chars().str.slice(0, TEXT_CHARS)
    return pl.select(pl.when(cut.str.contains(r"\w")).then(cut)).to_series()


def read_groups(table: pa.Table) -> "pl.DataFrame":
    """`id`, `row_id`, `planted`, `slice`, `generator` and `seed` of each row; a foreign row has no seed."""
    import polars as pl

    columns = {name: read_texts(table[name]) for name in ("row_id", "slice", "generator", "seed_id")}
    frame = pl.DataFrame({"id": hash_ids(table), "planted": find_canaries(table), **columns})
    foreign = pl.col("seed_id").str.starts_with(_FOREIGN_SEED).fill_null(value=True)
    return frame.with_columns(seed=pl.when(~foreign).then("seed_id")).drop("seed_id")


def sketch_sample(table: pa.Table, _: State, *, field: Field) -> pa.Table:
    """The sampled rows of a table with their texts, and of each group the number of rows that can be read."""
    import polars as pl

    rows = read_groups(table).with_columns(text=read_said(table, field)).filter(pl.col("text").is_not_null())
    names = ["planted", "slice", "generator", "seed"]
    counts = rows.group_by(names).agg(rows=pl.len().cast(pl.Int64)).sort(names)
    planted = rows.filter("planted")
    sampled = keep_lowest(rows.filter(~pl.col("planted")), SAMPLE_ROWS, GROUPS).select(planted.columns)
    return pl.concat([sampled, planted, counts], how="diagonal").to_arrow()


@dataclass(frozen=True, slots=True)
class BatchSample:
    """What was sampled of a batch: `rows` with the flags of keep_lowest, sorted by id; the `planted` rows;
    and `counts`, how many `rows` there are of each slice, generator and seed.
    """

    rows: "pl.DataFrame"
    planted: "pl.DataFrame"
    counts: "pl.DataFrame"

    @property
    def total(self) -> int:
        """The rows of the batch that can be read."""
        return int(self.counts["rows"].sum())


def join_samples(sketches: Iterable[pa.Table]) -> BatchSample:
    """The sample of a batch from those of its tables."""
    import polars as pl

    counts: list[pl.DataFrame] = []
    planted: list[pl.DataFrame] = []

    def part() -> Iterable[pl.DataFrame]:
        for sketch in sketches:
            frame = pl.DataFrame(sketch)
            counts.append(frame.filter(pl.col("rows").is_not_null() & ~pl.col("planted")))
            rows = frame.filter(pl.col("rows").is_null()).drop("rows")
            planted.append(rows.filter("planted"))
            yield rows.filter(~pl.col("planted"))

    joined = join_lowest(part(), SAMPLE_ROWS, GROUPS)
    if joined is None:
        raise ValueError("a batch has at least the sketch of its canaries")
    names = ["slice", "generator", "seed"]
    summed = pl.concat(counts).group_by(names).agg(pl.col("rows").sum()).sort(names)
    return BatchSample(joined, pl.concat(planted).sort("id"), summed)
