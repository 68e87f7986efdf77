"""Which rows of a batch are read by their meaning: those with most signs of a bad tone, as many as there is
time for.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.gates.gate import State
from synth_stack.gates.toxicity.pieces import SPOKEN, read_scored, select_toned
from synth_stack.gates.toxicity.tone import AGENT_ROLES
from synth_stack.gates.toxicity.tone_signs import count_signs
from synth_stack.text.fields import find_canaries, read_texts

if TYPE_CHECKING:
    import polars as pl

CONFIRMED = "confirmed"
"""The state: `row_id` of each row that is read, and how many of its `sentences` at most; null is no bound."""

SENTENCES_A_ROW = 4
"""How many sentences of a row are read by their meaning where not all rows of the batch are."""

_SKETCH = pa.schema([("row_id", pa.string()), ("signs", pa.uint32())])
_STATE = pa.schema([("row_id", pa.string()), ("sentences", pa.int32())])


def sketch_signs(table: pa.Table, _: State, *, confirm_rows: int) -> pa.Table:
    """The rows of a table in which an agent speaks, and the signs of a bad tone in them.

    No canary, and of more than `confirm_rows` rows those with most signs and one more.
    """
    import polars as pl

    real = table.filter(pa.array(~find_canaries(table)))
    said = select_toned(read_scored(real, SPOKEN), real).filter(pl.col("role").is_in(AGENT_ROLES))
    lower = pl.col("content").str.to_lowercase().str.replace_all("’", "'", literal=True)
    counted = said.select("row", content=lower).select("row", signs=count_signs(pl.col("content")))
    signs = counted.group_by("row").agg(pl.col("signs").max())
    ids = read_texts(real["row_id"]).gather(signs["row"])
    picked = _pick(pl.DataFrame({"row_id": ids, "signs": signs["signs"]}), confirm_rows + 1)
    return picked.to_arrow().cast(_SKETCH)


def choose_rows(sketches: Iterable[pa.Table], _: State, *, confirm_rows: int) -> State:
    """The `confirm_rows` rows of the batch with most signs, ties by `row_id`; all, where it has no more."""
    import polars as pl

    best = pl.DataFrame(_SKETCH.empty_table())
    for sketch in sketches:
        best = _pick(pl.concat([best, pl.DataFrame(sketch)]), confirm_rows + 1)
    sentences = None if len(best) <= confirm_rows else SENTENCES_A_ROW
    chosen = best.head(confirm_rows).select("row_id", sentences=pl.lit(sentences, pl.Int32))
    return {CONFIRMED: chosen.sort("row_id").to_arrow().cast(_STATE)}


def read_confirmed(table: pa.Table, state: State) -> "pl.DataFrame":
    """`row, sentences` of the rows of a table that are read by their meaning, canaries among them.

    Raises GateError where nothing was learnt of the batch.
    """
    import polars as pl

    if CONFIRMED not in state:
        raise GateError("toxicity was asked for verdicts before it saw the batch")
    rows = pl.DataFrame({"row": np.arange(len(table)), "row_id": read_texts(table["row_id"])})
    planted = pl.Series(find_canaries(table))
    chosen = rows.filter(~planted).join(pl.DataFrame(state[CONFIRMED]), on="row_id", how="inner")
    always = rows.filter(planted).with_columns(sentences=pl.lit(None, pl.Int32))
    return pl.concat([chosen, always]).select("row", "sentences").sort("row")


def _pick(rows: "pl.DataFrame", most: int) -> "pl.DataFrame":
    return rows.sort("signs", "row_id", descending=[True, False]).head(most)
