"""What a row asks and what it answers, apart: near-duplicates have to agree in both.

    parts = read_parts(table, "text")
    parts.asked       what the users say; without users everything but the answer; the text of a row without
                      messages
    parts.answered    what the assistant says and calls, in the messages and in every alternative

A row without messages, and every row where one field alone is compared, is `whole`: its answer cannot be told
from the rest.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.text.fields import Members, open_lists, read_field
from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged, sort_rows
from synth_stack.text.words import UNSPACED, hash_words, mix, normalise

if TYPE_CHECKING:
    import polars as pl

Field = Literal["text", "prompt", "answer"]

PARTS_SCHEME = "synth_stack/row-parts/v1"
"""Changes whenever the same row would give other parts, or words of them."""

_SHORT_BYTES = 1_000
"""An answer with more bytes is none of a few words; as long as one word may be, hardly any is."""
_FIRST_CHARS = 64
"""Ten words of English: hardly a longer answer begins with no more different ones than a short one has."""
_SHOWN_CHARS = 200
_ENDING = r"([\p{L}\p{N}])\p{P}+(\s|$)"
_OPENING = r"(^|\s)[\p{Ps}\p{Pi}\"'¿¡*_]+([\p{L}\p{N}])"


@dataclass(frozen=True, slots=True)
class RowParts:
    """The parts of n rows as texts, null where there is nothing; `whole` (n,): the row is not parted."""

    asked: "pl.Series"
    answered: "pl.Series"
    whole: Mask


@dataclass(frozen=True, slots=True)
class PartedWords:
    """The words of n rows as numbers of 32 bits: `asked` in order, `answered` distinct and sorted."""

    asked: Ragged
    answered: Ragged
    whole: Mask

    def take(self, rows: Counts) -> "PartedWords":
        """The named rows, in the order named."""
        return PartedWords(self.asked.take(rows), self.answered.take(rows), self.whole[rows])


def find_parted(table: pa.Table, field: Field) -> Mask:
    """Which rows of a table may be parted, (n,): those with messages or alternatives, where whole rows are
    compared.
    """
    if field != "text" or "messages" not in table.schema.names:
        return np.zeros(len(table), dtype=bool)
    parted = np.zeros(len(table), dtype=bool)
    for column in {"messages", "alternatives"} & set(table.schema.names):
        parted |= pc.fill_null(pc.list_value_length(table[column]), 0).to_numpy() > 0
    return parted


def read_parts(table: pa.Table, field: Field) -> RowParts:
    """The parts of the rows of a table."""
    import polars as pl

    n = len(table)
    if not find_parted(table, field).any():
        nothing = pl.repeat(None, n, dtype=pl.String, eager=True)
        return RowParts(read_field(table, field), nothing, np.ones(n, dtype=bool))
    spoken = _read_spoken(table)
    roles = spoken.select(
        "row",
        "said",
        answers=pl.col("role") == "assistant",
        asks=(pl.col("role") == "user") | ~(pl.col("role") == "user").any().over("row"),
    )
    whole = _find_whole(spoken, n)
    asked = _join_said(roles.filter(pl.col("asks") & ~pl.col("answers")), n)
    if whole.any():
        places = pl.Series(np.flatnonzero(whole))
        asked = asked.scatter(places, read_field(table, "text").gather(places))
    return RowParts(asked, _join_said(roles.filter("answers"), n), whole)


def _find_whole(spoken: "pl.DataFrame", n: int) -> Mask:
    """Which of n rows say nothing in messages or alternatives, (n,)."""
    whole = np.ones(n, dtype=bool)
    whole[spoken["row"].unique().to_numpy()] = False
    return whole


def _join_said(spoken: "pl.DataFrame", n: int) -> "pl.Series":
    """What is said in each of n rows, line after line; null where nothing is."""
    import polars as pl

    joined = spoken.group_by("row", maintain_order=True).agg(pl.col("said").str.join("\n"))
    every = pl.DataFrame({"row": np.arange(n)})
    return every.join(joined, on="row", how="left", maintain_order="left")["said"]


def hash_part(texts: "pl.Series") -> Ragged:
    """The words of each text in order: of the normalised text, less the punctuation around a word.

    So "Yes." and "yes" are one word, and "c++", "-5" and a sign that stands alone are left as they are.
    """
    return hash_words(_bare(texts))


def show_words(texts: "pl.Series", first: Counts, end: Counts) -> "pl.Series":
    """The words of hash_part from `first` to before `end` (n,) of each text, at most 200 characters of
    them.
    """
    import polars as pl

    frame = pl.DataFrame({"text": _bare(texts).fill_null(""), "first": first, "words": end - first})
    apart = pl.col("text").str.replace_all(rf"([{UNSPACED}]\p{{M}}*)", " $1 ")
    words = apart.str.extract_all("[^ ]+").list.slice("first", "words").list.join(" ")
    shown = words.str.replace_all(rf"([{UNSPACED}]\p{{M}}*) ", "$1").str.slice(0, _SHOWN_CHARS)
    return frame.select(shown).to_series()


def _bare(texts: "pl.Series") -> "pl.Series":
    return normalise(texts).str.replace_all(_ENDING, "$1$2").str.replace_all(_OPENING, "$1$2")


def split_words(table: pa.Table, field: Field) -> PartedWords:
    """The words of the parts of the rows of a table."""
    parts = read_parts(table, field)
    return PartedWords(
        asked=narrow_words(hash_part(parts.asked)),
        answered=narrow_words(list_distinct(hash_part(parts.answered))),
        whole=parts.whole,
    )


def narrow_words(words: Ragged) -> Ragged:
    """The upper half of each hash, (m,) uint32: enough to tell the words of two rows apart."""
    return Ragged((words.values >> np.uint64(32)).astype(np.uint32), words.offsets)


def list_distinct(words: Ragged) -> Ragged:
    """The distinct words of each row, sorted."""
    return sort_rows(
        words.values, np.repeat(np.arange(len(words.lengths)), words.lengths), len(words.lengths)
    )


def mark_short_answers(table: pa.Table, field: Field, most_words: int) -> Hashes:
    """One number a row, (n,): the same for rows with the same answer of at most so many words.

    0 for rows with longer ones, and for rows that are whole.
    """
    import polars as pl

    marks = np.zeros(len(table), dtype=np.uint64)
    if not find_parted(table, field).any():
        return marks
    spoken = _read_spoken(table)
    answers = _join_said(spoken.filter(pl.col("role") == "assistant"), len(table)).fill_null("")
    short = ~_find_whole(spoken, len(table)) & (answers.str.len_bytes() <= _SHORT_BYTES).to_numpy()
    rows = np.flatnonzero(short)
    rows = rows[_may_have_few(answers.gather(rows), most_words)]
    words = list_distinct(hash_part(answers.gather(rows)))
    few = words.lengths <= most_words
    sums = np.append(np.uint64(0), np.cumsum(mix(words.values), dtype=np.uint64))
    marks[rows[few]] = mix(sums[words.offsets[1:]] - sums[words.offsets[:-1]])[few] | np.uint64(1)
    return marks


def _may_have_few(texts: "pl.Series", most_words: int) -> Mask:
    """False where a text has more than `most_words` different words for sure, (n,): it begins with more."""
    begun = texts.str.slice(0, _FIRST_CHARS).str.replace(r"\S*$", "")
    few: Mask = list_distinct(hash_part(begun)).lengths <= most_words
    return few


def _read_spoken(table: pa.Table) -> "pl.DataFrame":
    """Every message that says or calls something, those of the alternatives after the others: `row`, `role`,
    `said`.
    """
    import polars as pl

    messages = open_lists(table.column("messages"))
    found = [_tell(messages, messages.owner)]
    if "alternatives" in table.schema.names:
        sides = open_lists(table.column("alternatives"))
        said = sides.open("messages")
        found.append(_tell(said, sides.owner[said.owner]).with_columns(role=pl.lit("assistant")))
    return pl.concat(found)


def _tell(messages: Members, rows: Counts) -> "pl.DataFrame":
    import polars as pl

    frame = pl.DataFrame({"row": rows, "role": messages.read("role"), "said": messages.read("content")})
    calls = messages.open("tool_calls")
    if len(calls.owner):
        called = pl.DataFrame(
            {
                "row": rows[calls.owner],
                "role": frame["role"].gather(calls.owner),
                "said": calls.read("name").fill_null("") + " " + calls.read("arguments").fill_null(""),
            }
        )
        frame = pl.concat([frame, called])
    return frame.filter(pl.col("said").is_not_null() & (pl.col("said") != ""))
