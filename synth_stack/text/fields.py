"""The texts of candidate rows as polars columns: one field, every message, ids and canaries."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from synth_stack.text.ragged import Hashes, Mask, spread
from synth_stack.text.words import hash_texts

if TYPE_CHECKING:  # polars takes 0.2 s to import, and `import synth_stack.gates` does not need it
    import polars as pl


def read_texts(column: pa.Array | pa.ChunkedArray) -> "pl.Series":
    """An Arrow string column as polars strings, null where it is null or not valid UTF-8.

    Arrow files are not checked when they are read, and a string that is not UTF-8 (a lone surrogate
    written as three bytes, say) is undefined behaviour further down.
    """
    import polars as pl

    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        column = pa.array([_decode(v) for v in column.cast(pa.binary()).to_pylist()], pa.string())
    # polars 2.1 panics in some expressions over many chunks of which a filter has emptied some
    return pl.Series(values=pl.from_arrow(column), dtype=pl.String).rechunk()


def read_field(table: pa.Table, field: Literal["text", "prompt", "answer"]) -> "pl.Series":
    """One text per candidate row: what gates read, or the user's or the assistant's messages, line by line.

    Null where there is nothing of the kind.
    """
    import polars as pl

    if field == "text":
        return read_texts(table.column("text"))
    role = {"prompt": "user", "answer": "assistant"}[field]
    spoken = read_messages(table).filter(pl.col("role") == role)
    joined = spoken.group_by("row").agg(pl.col("content").str.join("\n"))
    every = pl.DataFrame({"row": np.arange(len(table))})
    return every.join(joined, on="row", how="left", maintain_order="left")["content"]


def read_messages(table: pa.Table) -> "pl.DataFrame":
    """Every message of a candidate table in order: `row`, `position` (from 0), `role`, `content`.

    A row without messages gives its `text`, where it has one, as its only message, in the role "text".
    """
    import polars as pl

    messages = table.column("messages").combine_chunks()
    role, content = messages.flatten().flatten()
    rows = messages.value_parent_indices().to_numpy().astype(np.int64)
    counts = np.bincount(rows, minlength=len(table)).astype(np.int64)
    spoken = pl.DataFrame(
        {
            "row": rows,
            "position": spread(np.zeros(len(counts), dtype=np.int64), counts),
            "role": read_texts(role),
            "content": read_texts(content),
        }
    )
    silent = pl.DataFrame({"row": np.flatnonzero(counts == 0)}).with_columns(
        position=pl.lit(0, pl.Int64),
        role=pl.lit("text"),
        content=read_texts(table.column("text").filter(pa.array(counts == 0))),
    )
    return pl.concat([spoken, silent.filter(pl.col("content").is_not_null())]).sort("row", "position")


def _decode(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def hash_ids(table: pa.Table) -> Hashes:
    """One hash a row_id, (n,)."""
    return hash_texts(read_texts(table["row_id"]))


def find_canaries(table: pa.Table) -> Mask:
    """Which rows are planted, (n,)."""
    if "generator" not in table.schema.names:
        return np.zeros(len(table), dtype=bool)
    found: Mask = (read_texts(table["generator"]) == "canary").fill_null(value=False).to_numpy()
    return found
