"""The texts of a row that are scored: every part for toxic words, and what is said in it for its tone.

The answer that a preference row rejects is meant to be worse than the chosen one. Toxic words count in it
too, since a model is trained on both; its tone does not.
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.registry import Part
from synth_stack.text.fields import read_pieces, read_texts
from synth_stack.text.json_text import blank_escapes
from synth_stack.text.parts import list_parts

if TYPE_CHECKING:
    import polars as pl

READS: tuple[Part, ...] = ("content", "reasoning", "tool_calls", "tools", "alternatives", "documents")

SPOKEN: tuple[Part, ...] = ("content", "reasoning", "tool_calls", "alternatives")
"""The parts that can have a tone."""


def read_scored(table: pa.Table, parts: tuple[Part, ...] = READS) -> "pl.DataFrame":
    """The pieces of `parts` that hold text (text.read_pieces), and the `position` of each in its row.

    What the user says in a row of kind "adversarial" is meant to be bad, and left out. In JSON (arguments of
    tool calls, schemas of tools) escapes are spaces.
    """
    import polars as pl

    pieces = read_pieces(table, list_parts(table, parts)).filter(pl.col("content").str.contains(r"\S"))
    kinds = read_texts(table["kind"])
    if (kinds == "adversarial").any():
        provoking = (kinds == "adversarial").gather(pieces["row"]) & (pieces["role"] == "user")
        pieces = pieces.filter(~provoking.fill_null(value=False))
    rows = pieces["row"].to_numpy()
    position = np.arange(len(rows)) - np.searchsorted(rows, rows)
    pieces = pieces.with_columns(position=pl.Series(position, dtype=pl.Int64))
    encoded = (pieces["path"].str.ends_with(".arguments") | (pieces["path"] == "tools")).arg_true()
    if len(encoded):
        blank = blank_escapes(pieces["content"].gather(encoded))
        pieces = pieces.with_columns(pieces["content"].scatter(encoded, blank))
    return pieces


def select_toned(pieces: "pl.DataFrame", table: pa.Table) -> "pl.DataFrame":
    """The pieces whose tone counts: what is said in messages and in chosen alternatives."""
    import polars as pl

    spoken = pieces.filter(pl.col("part").is_in(SPOKEN))
    compared = spoken.filter(pl.col("part") == "alternatives")
    if compared.is_empty():
        return spoken
    number = pl.col("path").str.extract(r"^alternatives\.([0-9]+)\.").cast(pl.Int64)
    chosen = compared.with_columns(number=number).join(_list_chosen(table), on=["row", "number"], how="semi")
    said = spoken.filter(pl.col("part") != "alternatives")
    return pl.concat([said, chosen.select(said.columns)]).sort("row", "position")


def _list_chosen(table: pa.Table) -> "pl.DataFrame":
    """`row, number` of every alternative that is labelled as the chosen one."""
    import polars as pl

    sides = table.column("alternatives").combine_chunks()
    rows = sides.value_parent_indices().to_numpy().astype(np.int64)
    listed = pl.DataFrame({"row": rows, "label": read_texts(sides.flatten().field("label"))})
    listed = listed.with_columns(number=pl.int_range(pl.len()).over("row"))
    return listed.filter(pl.col("label") == "chosen").select("row", "number")
