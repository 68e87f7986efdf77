"""Every text of a row that an eval item may stand in, word for word, and where it stands.

`text` of a row holds what is said and called in its messages and alternatives. Beside it stand what a model
reasoned, the schemas of tools, and documents: a leaked item teaches as much from there. In JSON (tools, and
the arguments of calls) a line break is a backslash and an n, which would stand between the words of an item;
what has such escapes is read once more as the strings that it stands for.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa

from synth_stack.registry import Part
from synth_stack.text.fields import read_pieces, read_texts

if TYPE_CHECKING:
    import polars as pl

READS: tuple[Part, ...] = ("content", "reasoning", "tool_calls", "tools", "alternatives", "documents")
"""What the gate reads of a row."""

COLUMNS = ("text", "messages", "alternatives", "tools", "documents")
"""The columns of a table that hold it."""


def read_row_texts(table: pa.Table) -> "pl.DataFrame":
    """The texts of n rows: `row`, `path`, `content`. First the `text` of each row (null where it has none),
    in order; then what it does not hold, by row.

    A table of rows that only have messages costs no more than reading `text`.
    """
    import polars as pl

    texts = pl.DataFrame(
        {
            "row": np.arange(len(table), dtype=np.int64),
            "path": pl.repeat("text", len(table), dtype=pl.String, eager=True),
            "content": read_texts(table["text"]),
        }
    )
    parts = _list_beside(table)
    if not parts:
        return texts
    pieces = read_pieces(table, parts)
    called = pl.col("path").str.ends_with(".arguments") & pl.col("content").str.contains("\\", literal=True)
    beside = pl.col("path").str.ends_with(".reasoning") | pl.col("part").is_in(["tools", "documents"])
    pieces = pieces.filter(called | beside).with_columns(coded=called | (pl.col("part") == "tools"))
    return pl.concat([texts, _decode_json(pieces).select("row", "path", "content")])


def _list_beside(table: pa.Table) -> list[Part]:
    """The parts of the rows that have something beside `text`."""
    spoken = table["messages"].combine_chunks().flatten()
    parts: list[Part] = [
        name for name in ("reasoning", "tool_calls") if spoken.field(name).null_count < len(spoken)
    ]
    columns: tuple[Part, ...] = ("alternatives", "tools", "documents")
    return parts + [name for name in columns if table[name].null_count < len(table)]


def _decode_json(pieces: "pl.DataFrame") -> "pl.DataFrame":
    """The pieces, each that is JSON as its strings, line by line; what is none stays as it is."""
    import polars as pl

    coded = pieces.filter("coded")["content"].unique()
    strings = pl.DataFrame({"content": coded, "strings": [_join_strings(code) for code in coded]})
    strings = strings.cast({"strings": pl.String})
    joined = pieces.join(strings, on="content", how="left", maintain_order="left")
    return joined.with_columns(
        content=pl.when("coded").then(pl.coalesce("strings", "content")).otherwise("content")
    )


def _join_strings(code: str) -> str | None:
    """Every key and string of a JSON value, in order; None for what is no JSON."""
    try:
        waiting: list[Any] = [orjson.loads(code)]
    except orjson.JSONDecodeError:
        return None
    strings: list[str] = []
    while waiting:
        match waiting.pop():
            case str() as text:
                strings.append(text)
            case list() as items:
                waiting += reversed(items)
            case dict() as members:
                waiting += reversed([part for member in members.items() for part in member])
    return "\n".join(strings)
