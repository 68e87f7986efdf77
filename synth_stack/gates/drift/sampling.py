"""What drift reads of a batch and of the baseline: samples of their texts that do not depend on any cut."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from synth_stack.gates.batch_samples import BatchSample, join_samples, sketch_sample
from synth_stack.gates.gate import State
from synth_stack.inputs.real_rows import RealRows
from synth_stack.text.fields import find_canaries, hash_ids, read_asked, read_field, read_texts

if TYPE_CHECKING:
    import polars as pl

Field = Literal["prompt", "answer", "text"]

WHOLE_ROWS = 2_000
"""Rows of either side: a share is then known to 2 points, D to 4 (95%)."""
SLICE_ROWS = 200
TEXT_CHARS = 2_000
"""Of a longer text its beginning. Lengths are counted in it: beyond 300 words all texts count as equally
long."""

GROUPS = (("slice", SLICE_ROWS),)
COUNTED = ("slice",)


def read_rows(table: pa.Table, field: Field) -> "pl.DataFrame":
    """`id`, `row_id`, `slice`, `planted` and `text` of each row; null where there is no text."""
    import polars as pl

    said = read_asked(table) if field == "prompt" else read_field(table, field)
    cut = said.str.strip_chars().str.slice(0, TEXT_CHARS)
    return pl.DataFrame(
        {
            "id": hash_ids(table),
            "row_id": read_texts(table["row_id"]),
            "slice": read_texts(table["slice"]),
            "planted": find_canaries(table),
            "text": pl.select(pl.when(cut.str.len_chars() > 0).then(cut)).to_series(),
        }
    )


def sketch_rows(table: pa.Table, _: State, *, field: Field) -> pa.Table:
    """The sampled rows of a table, its planted rows, and how many rows of each slice can be read."""
    import polars as pl

    rows = read_rows(table, field).filter(pl.col("text").is_not_null())
    return sketch_sample(rows, WHOLE_ROWS, GROUPS, COUNTED)


def join_sketches(sketches: Iterable[pa.Table]) -> BatchSample:
    """The sample of a batch from those of its tables; rows without a slice are counted under None."""
    return join_samples(sketches, WHOLE_ROWS, GROUPS, COUNTED)


@lru_cache(maxsize=2)
def sample_baseline(baseline: RealRows, field: Field) -> BatchSample:
    """The sample of the real rows. Read once in a process: merging, canaries and controls all need it."""
    return join_sketches(sketch_rows(table, {}, field=field) for table in _read_some(baseline))


def _read_some(baseline: RealRows) -> Iterator[pa.Table]:
    from synth_stack.rows.schemas import CANDIDATE_SCHEMA

    yield CANDIDATE_SCHEMA.empty_table()  # a file without a row gives a sample without one
    yield from baseline.read()
