"""What a batch says of its diversity, kept small: a sample of its texts, and how many rows each group has."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from synth_stack.gates.batch_samples import BatchSample, join_samples, sketch_sample
from synth_stack.gates.gate import State
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
COUNTED = ("slice", "generator", "seed")

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


def sketch_texts(table: pa.Table, _: State, *, field: Field) -> pa.Table:
    """The sampled rows of a table with their texts, and of each group the number of rows that can be read."""
    import polars as pl

    rows = read_groups(table).with_columns(text=read_said(table, field)).filter(pl.col("text").is_not_null())
    return sketch_sample(rows, SAMPLE_ROWS, GROUPS, COUNTED)


def join_texts(sketches: Iterable[pa.Table]) -> BatchSample:
    """The sample of a batch from those of its tables."""
    return join_samples(sketches, SAMPLE_ROWS, GROUPS, COUNTED)
