"""Where words and shared runs of words stand in a text as it came: what evidence shows to a reader."""

import string
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth_stack.text.ragged import Counts, Ragged
from synth_stack.text.words import UNSPACED, hash_words, is_ascii, normalise, read_bytes

if TYPE_CHECKING:
    import polars as pl

_SPAN_CHARS = 500


def find_longest_spans(
    texts: "pl.Series",
    shared: NDArray[np.bool_],
    grams: Ragged,
    n: int | Counts,
    *,
    punctuation: bool = True,
) -> "pl.DataFrame":
    """The longest run of shared n-grams of each text: `span` (at most 500 characters), `start`, `end`.

    `grams` are the texts' n-grams in order, of n words, or each of as many as `n` says, and `shared` says
    which of them count; `start` and `end` are
    character offsets into the text as it came. A text without a shared n-gram is shown from its
    beginning to its end: it was matched as a whole.
    """
    import polars as pl

    bounds = locate_words(texts, punctuation=punctuation)
    total = texts.str.len_chars().fill_null(0).to_numpy()
    start, end = np.zeros(len(texts), dtype=np.int64), total.astype(np.int64)
    rows, firsts, lengths = _longest_runs(shared, grams)
    word_offsets = np.searchsorted(bounds["row"].to_numpy(), np.arange(len(texts) + 1))
    first_word = word_offsets[rows] + firsts
    start[rows] = bounds["start"].to_numpy()[first_word]
    sizes = n if isinstance(n, int) else n[grams.offsets[rows] + firsts + lengths - 1]
    end[rows] = bounds["end"].to_numpy()[first_word + lengths + sizes - 2]
    frame = pl.DataFrame({"text": texts, "start": start, "end": end})
    size = pl.min_horizontal(pl.col("end") - pl.col("start"), pl.lit(_SPAN_CHARS))
    return frame.select(pl.col("text").str.slice(pl.col("start"), size).alias("span"), "start", "end")


def locate_words(texts: "pl.Series", *, punctuation: bool = True) -> "pl.DataFrame":
    """Where each word of `hash_words(normalise(texts))` stands: `row`, `start`, `end`, word by word.

    Offsets are characters of the text as it came. White space never joins what it parts, so its tokens
    normalise one by one; a token that yields several words is parted further at unspaced scripts, and
    where that does not give the same words again (a Thai vowel that NFKC takes apart, say) each of them
    gets the whole token.
    """
    import polars as pl

    plain = is_ascii(texts).to_numpy()
    found = _locate_ascii(texts.fill_null(""), np.flatnonzero(plain), punctuation=punctuation)
    if not plain.all():
        others = _locate_any(texts, np.flatnonzero(~plain), punctuation=punctuation)
        found = pl.concat([found, others]).sort("row", "start", maintain_order=True)
    return found


def _longest_runs(shared: NDArray[np.bool_], grams: Ragged) -> tuple[Counts, Counts, Counts]:
    """Row, first position and length of the longest run in each row that has one; the first of equals."""
    edges = np.zeros(len(shared) + 1, dtype=bool)
    edges[grams.offsets] = True
    before = np.concatenate([[False], shared[:-1]]) & ~edges[:-1]
    after = np.concatenate([shared[1:], [False]]) & ~edges[1:]
    starts, stops = np.flatnonzero(shared & ~before), np.flatnonzero(shared & ~after)
    rows = np.searchsorted(grams.offsets, starts, side="right") - 1
    lengths = stops - starts + 1
    order = np.lexsort((starts, -lengths, rows))
    _, first = np.unique(rows[order], return_index=True)
    best = order[first]
    return rows[best], starts[best] - grams.offsets[rows[best]], lengths[best]


def _locate_ascii(texts: "pl.Series", rows: Counts, *, punctuation: bool) -> "pl.DataFrame":
    """`locate_words` of the ASCII texts in `rows`: there a byte is a character, and a token is a word."""
    import polars as pl

    data, bounds = read_bytes(texts.gather(rows) + " ")
    ends = np.flatnonzero(_ASCII_SPACES[data])
    starts = np.concatenate([[0], ends + 1])[: len(ends)]
    solid = starts < ends
    if not punctuation:
        letters = np.concatenate([[0], np.cumsum(~_ASCII_PUNCTUATION[data] & ~_ASCII_SPACES[data])])
        solid = letters[ends] > letters[starts]
    starts, ends = starts[solid], ends[solid]
    text = np.searchsorted(bounds, starts, side="right") - 1
    return pl.DataFrame({"row": rows[text], "start": starts - bounds[text], "end": ends - bounds[text]})


def _locate_any(texts: "pl.Series", rows: Counts, *, punctuation: bool) -> "pl.DataFrame":
    import polars as pl

    frame = pl.DataFrame({"row": rows, "text": texts.gather(rows)}).with_columns(pl.lit(0).alias("start"))
    tokens = _split(frame, r"\s+|\S+")
    tokens = _count_words(tokens, punctuation=punctuation)
    several = tokens.with_row_index("token").filter(pl.col("words") > 1)
    parts = _split(several.drop("words"), rf"[{UNSPACED}]\p{{M}}*|[^{UNSPACED}]+", keep=["row", "token"])
    parts = _count_words(parts, punctuation=punctuation)
    agreed = (
        parts.group_by("token").agg(pl.col("words").sum()).join(several, on=["token", "words"], how="semi")
    )
    parts = parts.join(agreed, on="token", how="semi")
    rest = tokens.with_row_index("token").join(agreed, on="token", how="anti")
    columns = ["row", "start", "end", "words"]
    found = pl.concat([rest.select(columns), parts.select(columns)]).sort("row", "start")
    return found.select(pl.col("row", "start", "end").repeat_by("words").explode(empty_as_null=False))


def _split(frame: "pl.DataFrame", pattern: str, keep: list[str] | None = None) -> "pl.DataFrame":
    """Each text parted into the matches of a pattern that covers it, with their character offsets."""
    import polars as pl

    keep = keep or ["row"]
    pieces = (
        frame.with_columns(pl.col("text").str.extract_all(pattern))
        .explode("text", empty_as_null=False, keep_nulls=False)
        .with_columns(pl.col("text").str.len_chars().cast(pl.Int64).alias("size"))
    )
    after = pl.col("size").cum_sum().over(keep) + pl.col("start")
    return pieces.select(*keep, "text", (after - pl.col("size")).alias("start"), after.alias("end"))


def _count_words(pieces: "pl.DataFrame", *, punctuation: bool) -> "pl.DataFrame":
    words = hash_words(normalise(pieces["text"], punctuation=punctuation))
    return pieces.with_columns(words=words.lengths)


_ASCII_SPACES = np.array([chr(c).isspace() and c not in range(0x1C, 0x20) for c in range(256)])
_ASCII_PUNCTUATION = np.array([chr(c) in string.punctuation for c in range(256)])
