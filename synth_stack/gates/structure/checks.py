"""What is wrong with the form of a row: the checks of the structure gate, in their order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth_stack.text.fields import read_messages, read_texts
from synth_stack.text.words import hash_ngrams, hash_words, normalise, shingle

if TYPE_CHECKING:
    import polars as pl

Count = Annotated[int, Field(ge=0, le=10_000_000)]

Fault = tuple[str, int | None]
"""The reason, and the message that it is about."""

_REASON_CHARS = 200
_REPETITION_WORDS = 30
_REPETITION_LINES = 6


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
    """The bounds that the checks need; the shares are those of `structure`."""

    prompt: Length
    answer: Length
    max_repeated_ngrams: float
    max_repeated_lines: float


@dataclass(frozen=True, slots=True)
class Rows:
    """One row per candidate, and one per message as `text.read_messages` gives them."""

    rows: "pl.DataFrame"
    messages: "pl.DataFrame"


def read_rows(table: pa.Table) -> Rows:
    """The rows of a candidate table as the checks need them."""
    import polars as pl

    spoken = read_messages(table)
    counts = table.column("messages").combine_chunks().value_lengths().fill_null(0).to_numpy()
    rows = pl.DataFrame(
        {
            "row": np.arange(len(table)),
            "failed": table.column("failure").is_valid().to_numpy(),
            "failure": read_texts(table.column("failure")),
            "text": read_texts(table.column("text")),
            "written": table.column("text").is_valid().to_numpy(),
            "silent": counts == 0,
            "foreign": read_texts(table.column("kind")) == "foreign",
        }
    )
    plain = normalise(spoken["content"])
    return Rows(rows, spoken.with_columns(plain=plain, words=hash_words(plain).lengths))


def find_faults(seen: Rows, rules: Rules) -> list[Fault | None]:
    """The first fault of each row, in the order of the checks, then of the messages."""
    import polars as pl

    found = pl.concat([check(seen, rules) for check in _CHECKS])
    first = found.unique("row", keep="first", maintain_order=True)
    faults: list[Fault | None] = [None] * len(seen.rows)
    for row, reason, position in first.rows():
        faults[row] = (reason, position)
    return faults


def _find_unmade(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    failure = pl.col("failure").fill_null("the reason is not readable").str.slice(0, _REASON_CHARS)
    return _of_rows(seen.rows.filter("failed"), pl.format("generation failed: {}", failure))


def _find_absent(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    absent = seen.rows.filter(pl.col("silent") & ~(pl.col("foreign") & pl.col("written")))
    return _of_rows(absent, pl.lit("no messages: the row has none, and is no foreign row with a text"))


def _find_unreadable(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    torn = seen.rows.filter(pl.col("written") & pl.col("text").is_null())
    gone = seen.messages.filter(pl.col("content").is_null() | pl.col("role").is_null())
    reason = pl.format("unreadable text: message {} is null or not valid UTF-8", "position")
    return pl.concat([_of_rows(torn, pl.lit("unreadable text: not valid UTF-8")), _of_messages(gone, reason)])


def _find_disorder(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    spoken = seen.messages.filter(pl.col("role") != "text")
    lead = (pl.col("role").first().over("row") == "system").cast(pl.Int64)
    turn = (pl.col("position") - lead) % 2
    wanted = (
        pl.when(pl.col("position") < lead)
        .then(pl.lit("system"))
        .otherwise(pl.when(turn == 0).then(pl.lit("user")).otherwise(pl.lit("assistant")))
    )
    wrong = spoken.with_columns(wanted=wanted).filter(pl.col("role") != pl.col("wanted"))
    role = pl.col("role").str.slice(0, 20).str.replace_all(r"[^\w .-]", "?")
    reason = pl.format("wrong roles: message {} is {}, it is the turn of {}", "position", role, "wanted")
    last = spoken.group_by("row", maintain_order=True).last().filter(pl.col("role") != "assistant")
    ending = pl.lit("wrong roles: the last message is not the assistant's")
    return pl.concat([_of_messages(wrong, reason), _of_messages(last, ending)])


def _find_empty(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    name = pl.col("role").replace_strict(_CLASSES, default="empty text: the text")
    blank = seen.messages.filter(pl.col("plain") == "")
    return _of_messages(blank, pl.format("{} is empty", name))


def _find_broken(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    broken = seen.messages.filter(pl.col("content").str.contains("[\\x00\ufffd]"))
    reason = "broken characters: message {} holds NUL or the replacement character U+FFFD"
    return _of_messages(broken, pl.format(reason, "position"))


def _find_misfits(seen: Rows, rules: Rules) -> "pl.DataFrame":
    """Messages that are too short or too long; a system message only has to say something."""
    import polars as pl

    found = []
    for role, length in (("user", rules.prompt), ("assistant", rules.answer), ("text", rules.answer)):
        mine = seen.messages.filter(pl.col("role") == role).with_columns(
            chars=pl.col("content").str.len_chars()
        )
        for unit, low, high in (
            ("chars", length.min_chars, length.max_chars),
            ("words", length.min_words, length.max_words),
        ):
            size, name = pl.col(unit), {"user": "prompt", "assistant": "answer", "text": "text"}[role]
            bounds = f"{{}} {unit}, allowed {low} to {high}"
            found += [
                _of_messages(mine.filter(size < low), pl.format(f"{name} too short: {bounds}", unit)),
                _of_messages(mine.filter(size > high), pl.format(f"{name} too long: {bounds}", unit)),
            ]
    return pl.concat(found)


def _find_echoes(seen: Rows, _: Rules) -> "pl.DataFrame":
    import polars as pl

    letters = normalise(seen.messages["content"], punctuation=False)
    before = pl.col("letters").shift(1).over("row")
    same = seen.messages.with_columns(letters=letters).filter(
        (pl.col("role") == "assistant") & (pl.col("letters") == before) & (pl.col("letters") != "")
    )
    return _of_messages(same, pl.lit("prompt echoed: the answer only repeats the message before it"))


def _find_repetition(seen: Rows, rules: Rules) -> "pl.DataFrame":
    import polars as pl

    long = seen.messages.filter(pl.col("words") >= _REPETITION_WORDS)
    total = hash_ngrams(hash_words(long["plain"]), 3).lengths
    again = 1 - shingle(long["plain"], 3).lengths / np.maximum(total, 1)
    looped = long.with_columns(share=pl.Series(again)).filter(pl.col("share") > rules.max_repeated_ngrams)
    lines = pl.col("content").str.extract_all(r"\S.*")
    many = seen.messages.with_columns(lines=lines).filter(pl.col("lines").list.len() >= _REPETITION_LINES)
    share = 1 - pl.col("lines").list.n_unique() / pl.col("lines").list.len()
    listed = many.with_columns(share=share).filter(pl.col("share") > rules.max_repeated_lines)
    percent = (pl.col("share") * 100).round(0).cast(pl.Int64)
    return pl.concat(
        [
            _of_messages(frame, pl.format(f"runaway repetition: {{}}% of the {unit} are repeats", percent))
            for frame, unit in ((looped, "word 3-grams"), (listed, "lines"))
        ]
    )


def _of_rows(frame: "pl.DataFrame", reason: "pl.Expr") -> "pl.DataFrame":
    import polars as pl

    return frame.select("row", reason=reason, position=pl.lit(None, pl.Int64))


def _of_messages(frame: "pl.DataFrame", reason: "pl.Expr") -> "pl.DataFrame":
    return frame.select("row", reason=reason, position="position")


_CLASSES = {
    "user": "empty prompt: the user message",
    "assistant": "empty answer: the assistant message",
    "system": "empty system message: it",
}

_CHECKS: tuple[Callable[[Rows, Rules], "pl.DataFrame"], ...] = (
    _find_unmade,
    _find_absent,
    _find_unreadable,
    _find_disorder,
    _find_empty,
    _find_broken,
    _find_misfits,
    _find_echoes,
    _find_repetition,
)
