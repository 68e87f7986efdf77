"""How a set of texts is worded: what nearly all share set apart, and how much of the rest is new."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth_stack.stats.diversity import estimate_new, subsample
from synth_stack.text.ragged import Ragged
from synth_stack.text.words import hash_ngrams, hash_words, normalise

if TYPE_CHECKING:
    import polars as pl

WORDING_NGRAM = 3
"""Words in a run: single words say little of wording, and runs of five are new in any rewording."""

WORDING_ROWS = 80
"""Rows that the novelty of a wording is taken over: what is likely to be new falls with the rows before
it."""

MIN_ROWS = 8
"""Fewer rows say nothing of their wording."""

_SHARED_NGRAM = 4
_SHARED_BY = 0.5
_DRAWS = 8
_GROWTH = 0.27
"""Between 20 and 160 rows the new share of real rows of one intent falls as rows ** -0.27 (banking77)."""


def normalise_texts(texts: "pl.Series") -> list[str]:
    """The texts as words in lower case with single spaces, without punctuation."""
    return [str(text) for text in normalise(texts, punctuation=False).to_list()]


def strip_shared(texts: Sequence[str]) -> list[str]:
    """The texts without the runs of four words that stand in more than half of them: a template, a passage.

    As they are where that leaves nothing of most: they are copies of one another.
    """
    rows = [text.split() for text in texts]
    counts: Counter[tuple[str, ...]] = Counter()
    for words in rows:
        counts.update(set(_list_runs(words)))
    shared = {run for run, seen in counts.items() if seen > max(1, _SHARED_BY * len(rows))}
    if not shared:
        return list(texts)
    left = [" ".join(_drop_runs(words, shared)) for words in rows]
    return left if sum(map(bool, left)) > len(texts) / 2 else list(texts)


def hash_grams(texts: Sequence[str], n: int = WORDING_NGRAM) -> Ragged:
    """The word n-grams of normalised texts, one row of hashes each."""
    import polars as pl

    return hash_ngrams(hash_words(pl.Series(texts, dtype=pl.String)), n)


def measure_known(grams: Ragged, seed: int) -> tuple[float, float, float]:
    """How much of their wording texts repeat of one another, in [0, 1], and an 80% interval by subsamples.

    One minus the Good-Turing share of new n-grams, over 80 rows; over fewer it is brought to 80 rows. NaN for
    fewer than MIN_ROWS texts that are long enough.
    """
    worded = np.flatnonzero(grams.lengths > 0)
    if len(worded) < MIN_ROWS:
        return np.nan, np.nan, np.nan
    scale: float = min(1.0, len(worded) / WORDING_ROWS) ** _GROWTH  # a share of 1 at 80 rows

    def measure(rows: NDArray[np.int64]) -> float:
        return estimate_new(grams.take(worded[rows])) * scale

    new, low, high = subsample(measure, len(worded), WORDING_ROWS, _DRAWS, seed)
    return 1 - new, 1 - high, 1 - low


def _list_runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[k : k + _SHARED_NGRAM]) for k in range(len(words) - _SHARED_NGRAM + 1)]


def _drop_runs(words: Sequence[str], shared: set[tuple[str, ...]]) -> list[str]:
    keep = [True] * len(words)
    for k, run in enumerate(_list_runs(words)):
        if run in shared:
            keep[k : k + _SHARED_NGRAM] = [False] * _SHARED_NGRAM
    return [word for word, kept in zip(words, keep, strict=True) if kept]
