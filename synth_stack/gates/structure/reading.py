"""Rows as the checks of the structure gate read them: one line per row, per message and per tool call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth_stack.text.fields import Members, open_lists, read_sides, read_texts
from synth_stack.text.ragged import Counts

if TYPE_CHECKING:
    import polars as pl

Count = Annotated[int, Field(ge=0, le=10_000_000)]

_PROMPT_CHARS = 4_000

OWN = -1
"""The `side` of a message that stands in no alternative."""


class Length(BaseModel):
    """How long one message may be: characters and words, both ends included."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    min_chars: Count = 1
    max_chars: Count = 16_000
    min_words: Count = 1
    max_words: Count = 4_000

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_chars > self.max_chars or self.min_words > self.max_words:
            raise ValueError("a minimum is above its maximum")
        return self


@dataclass(frozen=True, slots=True)
class Rules:
    """What the checks need of the parameters of `structure`: bounds, and what becomes of a row by the class
    of its fault. A check that is switched off has no outcome.
    """

    prompt: Length
    answer: Length
    max_repeats: int | None
    min_punctuated: float | None
    outcomes: Mapping[str, str]
    languages: Sequence[str]
    min_confidence: float

    @property
    def held(self) -> frozenset[str]:
        """The classes of faults for which a row is held."""
        return frozenset(what for what, outcome in self.outcomes.items() if outcome == "hold")


@dataclass(frozen=True, slots=True)
class Rows:
    """What the checks look at.

    rows      one line per row: `row`, `kind`, `slice`, `locale`, `failed`, `failure`, `text`, `written`
    (there
              is a text), `silent` (there is no message), `foreign`, `compared` (it is a preference row),
              `tooled` (it has tools), `extra`
    messages  one per message of a row and then of its alternatives: `row`, `side` (OWN, or the
              alternative), `position`, `role`, `content`, `given` (the content is not null), `finish`,
              `calls` (how many), `reasoned`, `before`, `said_before` and `called_before` (role, content and
              whether there were calls of the message before it: for the first of an alternative, of the
              row's last), and `good` (it is not of an alternative that was rejected)
    sides     one per alternative, as `text.read_sides` gives them
    told      what few rows have: calls, reasoning and results, for the checks that look at them
    """

    rows: "pl.DataFrame"
    messages: "pl.DataFrame"
    sides: "pl.DataFrame"
    told: "Told"


@dataclass(frozen=True, slots=True)
class Told:
    """Texts of messages that are no content, by the `row`, `side` and `position` of their message.

    reasoning  `reasoning`, null where it is not valid UTF-8
    calls      `number`, `call_id`, `name`, `arguments`
    results    `call_id`, `name` of messages in the role "tool"
    tools      `row` and `tools` of the rows that have some
    """

    reasoning: "pl.DataFrame"
    calls: "pl.DataFrame"
    results: "pl.DataFrame"
    tools: "pl.DataFrame"


def read_rows(table: pa.Table) -> Rows:
    """The rows of a candidate table as the checks need them."""
    import polars as pl

    own = open_lists(table.column("messages"))
    sides = read_sides(table)
    counts = np.bincount(own.owner, minlength=len(table))
    kinds = read_texts(table.column("kind"))
    compared = np.zeros(len(table), dtype=bool)
    compared[sides["row"].to_numpy()] = True
    rows = pl.DataFrame(
        {
            "row": np.arange(len(table)),
            "kind": kinds,
            "slice": read_texts(table.column("slice")),
            "locale": read_texts(table.column("locale")),
            "extra": read_texts(table.column("extra")),
            "tooled": table.column("tools").is_valid().to_numpy(),
            "failed": table.column("failure").is_valid().to_numpy(),
            "failure": read_texts(table.column("failure")),
            "text": read_texts(table.column("text")),
            "written": table.column("text").is_valid().to_numpy(),
            "silent": counts == 0,
            "foreign": kinds == "foreign",
            "compared": compared | (kinds == "preference").fill_null(value=False).to_numpy(),
        }
    )
    spoken = [_read_messages(own, np.arange(len(table)), None), _read_texts_alone(rows)]
    told = [_read_told(own, spoken[0])]
    if sides.height:
        alternatives = open_lists(table.column("alternatives"))
        said = alternatives.open("messages")
        spoken.append(_read_messages(said, alternatives.owner, alternatives.position))
        told.append(_read_told(said, spoken[-1]))
    messages = _link(pl.concat(spoken, rechunk=True))
    return Rows(
        rows,
        _mark_good(messages, sides),
        sides,
        Told(
            reasoning=pl.concat([frames[0] for frames in told], rechunk=True),
            calls=pl.concat([frames[1] for frames in told], rechunk=True),
            results=pl.concat([frames[2] for frames in told], rechunk=True),
            tools=_read_tools(table),
        ),
    )


def read_prompts(seen: Rows, rows: Iterable[int]) -> dict[int, str]:
    """What the system and the user say in each of these rows, message after message; of each the first and
    the last _PROMPT_CHARS characters.
    """
    import polars as pl

    text = pl.col("content")
    short = pl.concat_str(text.str.head(_PROMPT_CHARS), text.str.tail(_PROMPT_CHARS), separator="\n")
    said = (
        seen.messages.filter(
            (pl.col("side") == OWN) & pl.col("role").is_in(["user", "system"]) & text.is_not_null()
        )
        .filter(pl.col("row").is_in(sorted(set(rows))))
        .with_columns(content=pl.when(text.str.len_chars() > 2 * _PROMPT_CHARS).then(short).otherwise(text))
    )
    joined = said.group_by("row", maintain_order=True).agg(text.str.join("\n"))
    return dict(joined.iter_rows())


def _mark_good(messages: "pl.DataFrame", sides: "pl.DataFrame") -> "pl.DataFrame":
    """The messages, with `good` where they are of no alternative that was rejected."""
    import polars as pl

    if not sides.height:
        return messages.with_columns(good=pl.lit(value=True))
    bad = sides.filter("rejected").select("row", "side", good=pl.lit(value=False))
    joined = messages.join(bad, on=["row", "side"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("good").fill_null(value=True))


def _read_messages(messages: Members, rows: Counts, sides: Counts | None) -> "pl.DataFrame":
    """The messages of rows, or of alternatives: `rows` and `sides` say which each list of them belongs to."""
    import polars as pl

    row = rows[messages.owner]
    side = np.full(len(row), OWN, dtype=np.int64) if sides is None else sides[messages.owner]
    calls = pc.struct_field(messages.values, "tool_calls").value_lengths().fill_null(0)
    return pl.DataFrame(
        {
            "row": row,
            "side": side,
            "position": messages.position,
            "role": messages.read("role"),
            "content": messages.read("content"),
            "given": pc.struct_field(messages.values, "content").is_valid().to_numpy(zero_copy_only=False),
            "finish": messages.read("finish"),
            "calls": calls.to_numpy().astype(np.int64),
            "reasoned": pc.struct_field(messages.values, "reasoning")
            .is_valid()
            .to_numpy(zero_copy_only=False),
        }
    )


def _read_texts_alone(rows: "pl.DataFrame") -> "pl.DataFrame":
    """The text of a row without messages as its only message, in the role "text"."""
    import polars as pl

    return rows.filter(pl.col("silent") & pl.col("text").is_not_null()).select(
        "row",
        pl.lit(OWN, pl.Int64).alias("side"),
        pl.lit(0, pl.Int64).alias("position"),
        pl.lit("text").alias("role"),
        pl.col("text").alias("content"),
        pl.lit(value=True).alias("given"),
        pl.lit(None, pl.String).alias("finish"),
        pl.lit(0, pl.Int64).alias("calls"),
        pl.lit(value=False).alias("reasoned"),
    )


def _link(messages: "pl.DataFrame") -> "pl.DataFrame":
    """The messages in order, each with what stands before it."""
    import polars as pl

    is_first = pl.col("position") == 0
    links = {"before": pl.col("role"), "said_before": pl.col("content"), "called_before": pl.col("calls") > 0}
    linked = (
        messages.sort("row", "side", "position")
        .with_columns(**{name: pl.when(~is_first).then(value.shift(1)) for name, value in links.items()})
        .rechunk()
    )  # a shifted column has two chunks, and read_texts says what polars makes of such
    own = linked.filter(pl.col("side") == OWN)
    if own.height == linked.height:
        return linked
    ends = own.group_by("row", maintain_order=True).last().select("row", **links)
    opens = is_first & (pl.col("side") != OWN)
    joined = linked.join(ends, on="row", how="left", maintain_order="left", suffix="_end")
    return joined.select(
        *(pl.when(opens).then(f"{name}_end").otherwise(name).alias(name) for name in links),
        *(name for name in linked.columns if name not in links),
    )


def _read_told(
    messages: Members, spoken: "pl.DataFrame"
) -> "tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]":
    """Reasoning, calls and results of messages; `spoken` are these as `_read_messages` gave them."""
    import polars as pl

    at = spoken.select("row", "side", "position")

    reasoned = np.flatnonzero(spoken["reasoned"].to_numpy())
    results = np.flatnonzero((spoken["role"] == "tool").fill_null(value=False).to_numpy())
    calls = messages.open("tool_calls")
    return (
        at[reasoned].with_columns(reasoning=_gather(messages, "reasoning", reasoned)),
        at[calls.owner].with_columns(
            number=pl.Series(calls.position, dtype=pl.Int64),
            call_id=calls.read("id"),
            name=calls.read("name"),
            arguments=calls.read("arguments"),
        ),
        at[results].with_columns(
            call_id=_gather(messages, "tool_call_id", results),
            name=_gather(messages, "name", results),
        ),
    )


def _gather(messages: Members, name: str, places: Any) -> "pl.Series":
    return read_texts(pc.struct_field(messages.values, name).take(pa.array(places)))


def _read_tools(table: pa.Table) -> "pl.DataFrame":
    import polars as pl

    written = table.column("tools").is_valid().to_numpy()
    tools = read_texts(table.column("tools").filter(pa.array(written)))
    return pl.DataFrame({"row": np.flatnonzero(written), "tools": tools})
