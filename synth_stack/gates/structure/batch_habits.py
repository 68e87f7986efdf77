"""How the answers of a batch end, and which words it has: what shows that one answer was cut off.

Learnt by one round. Of every sort of answer the round counts how many end with a full stop; the words are
those of the VOCABULARY_ROWS rows whose ids have the lowest hashes, so neither shards nor order show.
"""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.gates.gate import State
from synth_stack.gates.structure.reading import OWN, Rows
from synth_stack.text.fields import find_canaries, hash_ids, read_messages, read_texts

if TYPE_CHECKING:
    import polars as pl

FINAL = r"""[.!?…。！？؟।॥։።」』】][\"'”’»)\]*_`}]*$"""
"""The end of a text that was finished."""

_FORMS = ("line", "lines", "line of a chat", "lines of a chat")
"""Answers of one line or more, alone or as turns of a chat, which often drop their full stops."""

STIPULATED = "structure/stipulated"
"""The slice of canaries of whose fellows 999 in 1,000 are taken to end with a full stop."""

VOCABULARY_ROWS = 10_000
MIN_FELLOWS = 50
"""Answers of one sort: with fewer, a share of .98 and more is seen by chance too often."""

MIN_WORDS = 5_000
"""Words of a batch: a word that is missing among fewer may well be one."""

_MIN_STEM = 4
_TORN_RATIO = 300
"""Words of the batch that a torn one begins stand in so many times more of its rows than itself: "th" is
written now and then, and "the" everywhere."""
_MIN_WORDS = 8
_TAIL_CHARS = 600
_END_CHARS = 12
_CODELIKE = r"[{}<>=;\\|_\[\]#@]|\w\(|https?:|^[ \t>]*(?:[0-9]{1,3}[.)]|[-*•+])|:"
_WORDS = r"\b\p{L}{2,}(?:['’-]\p{L}+)*"
"""Whole ones: of "5th" there is no word "th"."""
_ENDINGS = frozenset(
    """s es ed ing ly er ers or ors ment ments ness less ful able al als y ist ists ism ity ation ations ian
    ic 's""".split()
)
"""What a whole word goes on with to another one: "cat" is no torn "cats"."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What the round learnt: by kind, slice and form, the share of `n` answers that end with a full stop;
    and the words of the batch, sorted, with in how many rows each stands.
    """

    forms: "pl.DataFrame"
    words: Sequence[str]
    rows: Sequence[int]

    def read_forms(self, seen: Rows) -> list[tuple[int, int, int, float]]:
        """Row, side, position of each answer without a full stop, and the share of its fellows that have
        one.
        """
        import polars as pl

        answers = seen.messages.filter(
            (pl.col("role") == "assistant") & (pl.col("side") == OWN) & (pl.col("calls") == 0)
        )
        answers = _mark_turns(answers)
        open_ = ~pl.col("content").str.strip_chars_end().str.tail(_END_CHARS).str.contains(FINAL)
        kinds = seen.rows.select("row", "kind", "slice")
        lacking = _sort_answers(
            answers.filter(open_).join(kinds, on="row", how="left", maintain_order="left")
        )
        told = lacking.join(
            self.forms.filter(pl.col("n") >= MIN_FELLOWS),
            on=["kind", "slice", "form"],
            how="inner",
            nulls_equal=True,
            maintain_order="left",
        )
        return list(told.select("row", "side", "position", "share").iter_rows())

    def is_torn(self, word: str) -> bool:
        """Whether a word in small letters begins words of the batch, and it and its own forms are
        none, or are next to none beside them.
        """
        first, last = (
            bisect.bisect_left(self.words, word),
            bisect.bisect_left(self.words, word + "\U0010ffff"),
        )
        if len(self.words) < MIN_WORDS or first == last:
            return False
        endings = {"", *(_ENDINGS if len(word) >= _MIN_STEM else {"s"})}
        own = longer = 0
        is_open = word.endswith("i")
        for other, rows in zip(self.words[first:last], self.rows[first:last], strict=True):
            is_own = other[len(word) :] in endings
            own, longer = own + rows * is_own, longer + rows * (not is_own)
            is_open = is_open or other == word + "e"
        if is_open and self.words[first] != word:
            return True
        return longer > own * _TORN_RATIO


def sketch_habits(table: pa.Table, _: State) -> pa.Table:
    """How the answers of a table end, and the words of its rows of lowest hash; canaries do not count."""
    import polars as pl

    rows = table.filter(pa.array(~find_canaries(table)))
    said = read_messages(rows)
    kinds = pl.DataFrame(
        {
            "row": np.arange(len(rows)),
            "kind": read_texts(rows.column("kind")),
            "slice": read_texts(rows.column("slice")),
            "hash": hash_ids(rows),
        }
    )
    answers = _mark_turns(said.filter((pl.col("role") == "assistant") & pl.col("content").is_not_null()))
    sorted_answers = _sort_answers(answers.join(kinds, on="row", how="left", maintain_order="left"))
    forms = sorted_answers.group_by("kind", "slice", "form").agg(
        n=pl.len().cast(pl.Int64), has=pl.col("has").sum().cast(pl.Int64)
    )
    forms = pl.concat([forms, _count_stipulated(table)], how="vertical_relaxed")
    lowest = kinds.select("row", "hash").unique("hash").sort("hash").head(VOCABULARY_ROWS)
    return pl.concat([forms, _list_words(said, lowest)], how="diagonal").to_arrow().cast(_SKETCH)


def merge_habits(sketches: Iterable[pa.Table], _: State) -> State:
    """The state: `forms` and `words`."""
    import polars as pl

    forms: list[pl.DataFrame] = []
    words = pl.DataFrame(schema={"hash": pl.UInt64, "word": pl.String})
    for sketch in sketches:
        frame = pl.DataFrame(sketch)
        forms.append(frame.filter(pl.col("n").is_not_null()).select("kind", "slice", "form", "n", "has"))
        words = pl.concat([words, frame.filter(pl.col("word").is_not_null()).select("hash", "word")])
        kept = words["hash"].unique().sort().head(VOCABULARY_ROWS)
        if len(kept):
            words = words.filter(pl.col("hash") <= kept[-1])
    known = words.group_by("word").agg(rows=pl.len().cast(pl.Int64)).sort("word").to_arrow()
    whole = pl.concat(
        [pl.DataFrame(_SKETCH.empty_table()).select("kind", "slice", "form", "n", "has"), *forms]
    )
    keys = ["kind", "slice", "form"]
    counted = whole.group_by(keys).agg(pl.col("n", "has").sum()).sort(keys, nulls_last=True)
    return {"forms": counted.to_arrow(), "words": known}


def read_habits(state: State) -> Habits:
    """What a state says; one that says nothing knows no fellows and no words."""
    import polars as pl

    if "forms" not in state:
        nothing = _SKETCH.empty_table()
        return Habits(pl.DataFrame(nothing).with_columns(share=pl.lit(None, pl.Float64)), (), ())
    forms = pl.DataFrame(state["forms"]).with_columns(share=pl.col("has") / pl.col("n"))
    words = pl.DataFrame(state["words"])
    return Habits(forms, words["word"].to_list(), words["rows"].to_list())


_SKETCH = pa.schema(
    [
        ("kind", pa.string()),
        ("slice", pa.string()),
        ("form", pa.string()),
        ("n", pa.int64()),
        ("has", pa.int64()),
        ("hash", pa.uint64()),
        ("word", pa.string()),
    ]
)


def _mark_turns(answers: "pl.DataFrame") -> "pl.DataFrame":
    """The answers, with `turns`: what completes the form of those that are not the only one of their row."""
    import polars as pl

    several = pl.len().over("row") > 1
    return answers.with_columns(turns=pl.when(several).then(pl.lit(" of a chat")).otherwise(pl.lit("")))


def _sort_answers(answers: "pl.DataFrame") -> "pl.DataFrame":
    """The answers whose last line is a sentence of _MIN_WORDS words, with their `form`, and whether a full
    stop ends them (`has`). What ends with a sign, a quotation or a hashtag is of no form, nor are titles.
    """
    import polars as pl

    whole = pl.col("content").str.tail(_TAIL_CHARS).str.strip_chars_end()
    tails = answers.with_columns(tail=whole).with_columns(
        has=pl.col("tail").str.tail(_END_CHARS).str.contains(FINAL)
    )
    ended = tails.filter(pl.col("has") | pl.col("tail").str.contains(r"\p{L}$"))
    last = pl.col("tail").str.split("\n").list.last()
    form = pl.when(pl.col("content").str.contains("\n", literal=True)).then(pl.lit("lines"))
    lines = ended.with_columns(tail=last, form=form.otherwise(pl.lit("line")) + pl.col("turns"))
    spaces = pl.col("tail").str.count_matches(" ", literal=True)
    low = pl.col("tail").str.count_matches(r" [a-zß-ÿа-яα-ω]")
    is_sentence = (
        (spaces >= _MIN_WORDS - 1) & (low * 10 >= spaces * 6) & ~pl.col("tail").str.contains(_CODELIKE)
    )
    return lines.filter(is_sentence)


def _count_stipulated(table: pa.Table) -> "pl.DataFrame":
    """Fellows that the canaries of STIPULATED are said to have: a batch may have none of the sort."""
    import polars as pl

    slices = table.column("slice").to_pylist() if "slice" in table.schema.names else []
    kinds = {
        kind
        for kind, of, is_planted in zip(
            table.column("kind").to_pylist(), slices, find_canaries(table).tolist(), strict=True
        )
        if is_planted and of == STIPULATED
    }
    rows = [(kind, STIPULATED, form, 1_000, 999) for kind in sorted(kinds) for form in _FORMS]
    schema = {"kind": pl.String, "slice": pl.String, "form": pl.String, "n": pl.Int64, "has": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _list_words(said: "pl.DataFrame", lowest: "pl.DataFrame") -> "pl.DataFrame":
    """The distinct words of these rows, each beside the hash of its row. The last of an answer that does
    not end with a full stop may be torn, and does not count.
    """
    import polars as pl

    text = pl.col("content").str.to_lowercase()
    torn = pl.when(pl.col("role") == "assistant").then(text.str.replace(r"\p{L}+\s*$", "")).otherwise(text)
    spoken = said.join(lowest, on="row", how="inner").filter(pl.col("content").is_not_null())
    return (
        spoken.select("hash", word=torn.str.head(20_000).str.extract_all(_WORDS))
        .explode("word")
        .filter(pl.col("word").is_not_null())
        .unique()
    )
