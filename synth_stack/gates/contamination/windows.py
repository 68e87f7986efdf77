"""Pieces of a long text that may each say an eval item: its paragraphs, windows of sentences, and its end.

A question that stands after a passage is a small part of its message, and an embedder averages over all that
it reads: a rephrased question is found where it is compared by itself. Every pattern runs in polars, in time
linear in the text.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

LONG_CHARS = 1_000
"""A longer text is compared window by window: MiniLM stops at 256 tokens, 1,200 characters of English."""

_WINDOW_CHARS = 500
_LAST_SENTENCES = (1, 2, 3, 4, 6)
"""A question of GSM8K has three or four, of 240 characters in all; one of MMLU has one or two."""

_MIN_END_CHARS = 300  # the end of a shorter text is most of it
_MIN_PARAGRAPH_CHARS = 40
_FIRST, _LAST = 6, 2  # paragraphs of a message that are compared
_FIRST_WINDOWS, _LAST_WINDOWS = 12, 4
_SENTENCE = r"(?s).+?(?:[.!?][\"')\]]*(?:\s|$)|[。！？\n]|$)"
_KEYS = ["row", "message", "side"]


def split_paragraphs(prose: "pl.DataFrame") -> "pl.DataFrame":
    """The first and last paragraphs of each text that has several: one of many questions, or the last one."""
    import polars as pl

    every = prose.select(*_KEYS, pl.col("text").str.strip_chars().str.split("\n\n"))
    every = every.filter(pl.col("text").list.len() > 1).with_columns(many=pl.col("text").list.len())
    parts = every.with_columns(at=pl.int_ranges("many")).explode("text", "at")
    left = pl.col("many") - pl.col("at")
    kept = ((pl.col("at") < _FIRST) & (pl.col("text").str.len_chars() >= _MIN_PARAGRAPH_CHARS)) | (
        left <= _LAST
    )
    return parts.filter(kept).select(*_KEYS, "text")


def split_ends(prose: "pl.DataFrame", *, shortest: int = _MIN_END_CHARS) -> "pl.DataFrame":
    """The last line of each text, and its last one, two, three, four and six sentences, of 500 characters at
    most: how long the question after a passage is cannot be seen.
    """
    import polars as pl

    long = prose.filter(pl.col("text").str.len_chars() >= shortest)
    sentences = _split_sentences(long)
    left = pl.len().over(_KEYS) - pl.int_range(pl.len()).over(_KEYS)
    after = pl.col("size").cum_sum(reverse=True).over(_KEYS)
    sentences = sentences.with_columns(left=left, after=after).filter(pl.col("after") <= _WINDOW_CHARS)
    ends = [
        sentences.filter(pl.col("left") <= few)
        .group_by(_KEYS, maintain_order=True)
        .agg(pl.col("text").str.join(""))
        for few in _LAST_SENTENCES
    ]
    lines = long.select(*_KEYS, pl.col("text").str.strip_chars().str.extract(r"\n([^\n]+)$"))
    return pl.concat([*ends, lines.filter(pl.col("text").is_not_null())])


def split_windows(prose: "pl.DataFrame") -> "pl.DataFrame":
    """The first and last windows of whole sentences, about 500 characters, of texts of more than 1,000."""
    import polars as pl

    sentences = _split_sentences(prose.filter(pl.col("text").str.len_chars() > LONG_CHARS))
    before = pl.col("size").cum_sum().over(_KEYS) - pl.col("size")
    windows = (
        sentences.with_columns(window=before // _WINDOW_CHARS)
        .group_by([*_KEYS, "window"], maintain_order=True)
        .agg(pl.col("text").str.join(""))
    )
    left = pl.col("window").max().over(_KEYS) - pl.col("window")
    kept = windows.filter((pl.col("window") < _FIRST_WINDOWS) | (left < _LAST_WINDOWS))
    return kept.select(*_KEYS, "text")


def _split_sentences(prose: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    parts = prose.select(*_KEYS, pl.col("text").str.strip_chars().str.extract_all(_SENTENCE)).explode("text")
    parts = parts.filter(pl.col("text").str.strip_chars() != "")
    return parts.with_columns(size=pl.col("text").str.len_chars().cast(pl.Int64))
