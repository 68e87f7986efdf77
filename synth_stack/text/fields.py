"""The texts of candidate rows as polars columns: one field, every message, every text, ids and canaries."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.text.ragged import Counts, Hashes, Mask, spread
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


@dataclass(frozen=True, slots=True)
class Members:
    """The m structs in a column of lists, end to end: `owner` says in which list each stands, `position` at
    which place in it, both (m,) and from 0.
    """

    values: pa.StructArray
    owner: Counts
    position: Counts

    def read(self, name: str) -> "pl.Series":
        """A field of theirs as texts, (m,)."""
        return read_texts(pc.struct_field(self.values, name))

    def open(self, name: str) -> "Members":
        """The structs in a field of theirs that holds lists; `owner` is the place among the m."""
        return open_lists(pc.struct_field(self.values, name))


def open_lists(column: pa.Array | pa.ChunkedArray) -> Members:
    """The structs of a column of lists; a null list has none."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    # not value_parent_indices: it counts what lies under a null list, which `flatten` leaves out
    counts = lists.value_lengths().fill_null(0).to_numpy().astype(np.int64)
    owner = np.repeat(np.arange(len(lists), dtype=np.int64), counts)
    return Members(lists.flatten(), owner, spread(np.zeros(len(lists), dtype=np.int64), counts))


def read_field(table: pa.Table, field: Literal["text", "prompt", "answer"]) -> "pl.Series":
    """One text per candidate row: `text`, or what the user or the assistant says, message after message.

    An answer goes on with what the assistant says in the chosen alternative (`read_sides`), where there is
    one. Null where there is nothing of the kind.
    """
    import polars as pl

    if field == "text":
        return read_texts(table.column("text"))
    role = {"prompt": "user", "answer": "assistant"}[field]
    spoken = [read_messages(table)]
    if field == "answer":
        spoken.append(read_chosen(table))
    said = pl.concat(spoken, rechunk=True).filter((pl.col("role") == role) & pl.col("content").is_not_null())
    joined = said.group_by("row").agg(pl.col("content").str.join("\n"))
    every = pl.DataFrame({"row": np.arange(len(table))})
    return every.join(joined, on="row", how="left", maintain_order="left")["content"]


def read_asked(table: pa.Table) -> "pl.Series":
    """What the user says in each row, or the text of a row without messages; null where there is neither."""
    import polars as pl

    asked = read_field(table, "prompt").alias("asked")
    silent = _mark_silent(table, open_lists(table.column("messages")))
    text = read_field(table, "text").alias("text")
    frame = pl.DataFrame({"asked": asked, "text": text, "silent": silent})
    return frame.select(pl.when("silent").then("text").otherwise("asked")).to_series()


def read_messages(table: pa.Table) -> "pl.DataFrame":
    """Every message of a candidate table in order: `row`, `position` (from 0), `role`, `content`.

    A row without messages gives its `text`, where it has one, as its only message, in the role "text".
    """
    import polars as pl

    messages = open_lists(table.column("messages"))
    spoken = pl.DataFrame(
        {
            "row": messages.owner,
            "position": messages.position,
            "role": messages.read("role"),
            "content": messages.read("content"),
        }
    )
    alone = _mark_silent(table, messages)
    silent = pl.DataFrame({"row": np.flatnonzero(alone)}).with_columns(
        position=pl.lit(0, pl.Int64),
        role=pl.lit("text"),
        content=read_texts(table.column("text").filter(pa.array(alone))),
    )
    return pl.concat([spoken, silent.filter(pl.col("content").is_not_null())]).sort("row", "position")


def read_sides(table: pa.Table) -> "pl.DataFrame":
    """Every alternative of a candidate table in order: `row`, `side` (from 0), `label`, `rating`, and whether
    it is the one `chosen` and the one `rejected` of its row.

    Labels say which these are, the first of each. In a row without the labels "chosen" and "rejected" the
    ratings do: the first of the best and the first of the worst, unless they are equal. `rating` is a number,
    null where there is no finite one.
    """
    import polars as pl

    sides = _open_sides(table)
    rating = sides.read("rating").cast(pl.Float64, strict=False)
    told = pl.DataFrame(
        {
            "row": sides.owner,
            "side": sides.position,
            "label": sides.read("label"),
            "rating": pl.select(pl.when(rating.is_finite()).then(rating)).to_series(),
        }
    )
    labelled = pl.col("label").is_in(["chosen", "rejected"]).any().over("row")
    best, worst = pl.col("rating").max().over("row"), pl.col("rating").min().over("row")

    def pick(label: str, end: "pl.Expr") -> "pl.Expr":
        by_rating = (pl.col("rating") == end) & (best > worst)
        own = pl.when(labelled).then(pl.col("label") == label).otherwise(by_rating).fill_null(value=False)
        return own & (own.cum_sum().over("row") == 1)

    return told.with_columns(chosen=pick("chosen", best), rejected=pick("rejected", worst))


def read_chosen(table: pa.Table) -> "pl.DataFrame":
    """The messages of the chosen alternatives, as `read_messages` gives those of rows."""
    import polars as pl

    sides = _open_sides(table)
    chosen = read_sides(table)["chosen"].to_numpy()
    said = sides.open("messages")
    spoken = pl.DataFrame(
        {
            "row": sides.owner[said.owner],
            "position": said.position,
            "role": said.read("role"),
            "content": said.read("content"),
        }
    )
    return spoken.filter(chosen[said.owner])


def read_pieces(table: pa.Table, parts: Collection[str]) -> "pl.DataFrame":
    """Every text of the named `parts` of the rows (registry.PARTS): `row`, `part`, `path`, `role`, `content`.

    `path` says where it stands, as in "messages.2.content", "messages.2.tool_calls.0.arguments",
    "alternatives.1.messages.0.content", "documents.0.text" or "tools"; `role` is that of its message, null
    elsewhere. Within a row: messages, alternatives, tools, documents, `extra`; within a message: reasoning,
    content, calls. "content" of a row without messages is its `text` (path "text", role "text"). Nulls are
    left out, and so are the names and ids of speakers, calls and documents.

    The part of an alternative's text is "alternatives", whatever kind of text it is.
    """
    import polars as pl

    found = list(_find_pieces(table, parts))
    if not found:
        return pl.DataFrame(schema={"row": pl.Int64, **dict.fromkeys(_PIECE[1:], pl.String)})
    order = ["row", "group", "side", "position", "what", "number"]
    return pl.concat(found).sort(order, maintain_order=True).select(list(_PIECE))


def hash_ids(table: pa.Table) -> Hashes:
    """One hash a row_id, (n,)."""
    return hash_texts(read_texts(table["row_id"]))


def find_canaries(table: pa.Table) -> Mask:
    """Which rows are planted, canaries and controls, (n,)."""
    if "generator" not in table.schema.names:
        return np.zeros(len(table), dtype=bool)
    generators = read_texts(table["generator"])
    found: Mask = generators.is_in(["canary", "control"]).fill_null(value=False).to_numpy()
    return found


def _open_sides(table: pa.Table) -> Members:
    """The alternatives of the rows; none where the table was read without that column."""
    if "alternatives" not in table.schema.names:
        nothing = np.zeros(0, dtype=np.int64)
        return Members(pa.array([], _SIDE), nothing, nothing)
    return open_lists(table.column("alternatives"))


def _mark_silent(table: pa.Table, messages: Members) -> Mask:
    """Which rows have no message, (n,)."""
    silent: Mask = np.bincount(messages.owner, minlength=len(table)) == 0
    return silent


_PIECE = ("row", "part", "path", "role", "content")
_SPOKEN = ("reasoning", "content", "tool_calls")
_SIDE = pa.struct(
    [
        ("label", pa.string()),
        ("rating", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    ]
)


def _find_pieces(table: pa.Table, parts: Collection[str]) -> Iterator["pl.DataFrame"]:
    """The pieces of a table group by group, with the columns that they are sorted by."""
    import polars as pl

    messages = open_lists(table.column("messages"))
    yield from _find_spoken(messages, {"row": np.arange(len(table))}, parts)
    if "content" in parts:
        silent = np.flatnonzero(_mark_silent(table, messages))
        text = read_texts(table.column("text")).gather(silent)
        yield _keep("content", "text", {"row": silent, "content": text}).with_columns(role=pl.lit("text"))
    if "alternatives" in parts:
        sides = open_lists(table.column("alternatives"))
        at = {"row": sides.owner, "side": sides.position}
        for piece in _find_spoken(sides.open("messages"), at, _SPOKEN):
            yield piece.with_columns(part=pl.lit("alternatives"))
    if "tools" in parts:
        yield _find_column(table, "tools", group=2)
    if "documents" in parts:
        documents = open_lists(table.column("documents"))
        for what, name in enumerate(("title", "text")):
            at = {"row": documents.owner, "position": documents.position}
            path = f"documents.{{position}}.{name}"
            yield _keep("documents", path, {**at, "content": documents.read(name)}, group=3, what=what)
    if "extra" in parts:
        yield _find_column(table, "extra", group=4)


def _find_column(table: pa.Table, name: "Literal['tools', 'extra']", *, group: int) -> "pl.DataFrame":
    content = read_texts(table.column(name))
    return _keep(name, name, {"row": np.arange(len(table)), "content": content}, group=group)


def _find_spoken(
    messages: Members, lists: Mapping[str, Counts], parts: Collection[str]
) -> Iterator["pl.DataFrame"]:
    """The texts of messages; `lists` says of each list of them the `row`, and the `side` it is of."""
    is_side = "side" in lists
    place = ("alternatives.{side}." if is_side else "") + "messages.{position}."
    at = {name: values[messages.owner] for name, values in lists.items()} | {"position": messages.position}
    role = messages.read("role")
    for what, name in enumerate(("reasoning", "content")):
        if name in parts:
            columns: dict[str, Any] = {**at, "role": role, "content": messages.read(name)}
            yield _keep(name, place + name, columns, group=int(is_side), what=what)
    if "tool_calls" in parts:
        calls = messages.open("tool_calls")
        columns = {name: values[calls.owner] for name, values in at.items()}
        columns |= {"number": calls.position, "role": role.gather(calls.owner)}
        columns["content"] = calls.read("arguments")
        path = place + "tool_calls.{number}.arguments"
        yield _keep("tool_calls", path, columns, group=int(is_side), what=2)


def _keep(
    part: str, path: str, columns: Mapping[str, Any], *, group: int = 0, what: int = 0
) -> "pl.DataFrame":
    """The pieces that are there, with the keys of their order; `path` names columns in braces.

    `columns` are arrays or series of one length, by name.
    """
    import polars as pl

    frame = pl.DataFrame(dict(columns)).filter(pl.col("content").is_not_null())
    places = {"side": 0, "position": 0, "number": 0}
    fixed = {name: pl.lit(value, pl.Int64) for name, value in places.items() if name not in columns}
    keys = {"group": pl.lit(group), "what": pl.lit(what), **fixed}
    role = {} if "role" in columns else {"role": pl.lit(None, pl.String)}
    names = re.findall(r"\{(\w+)\}", path)
    said = pl.format(re.sub(r"\{\w+\}", "{}", path), *names) if names else pl.lit(path)
    return frame.with_columns(part=pl.lit(part), path=said, **keys, **role).select(
        *_PIECE, "group", "what", *places
    )


def _decode(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
