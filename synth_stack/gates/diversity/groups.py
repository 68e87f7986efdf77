"""Groups of a batch, how various each is, and how various the seeds are over equally many rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.diversity.wording import (
    MIN_ROWS,
    WORDING_ROWS,
    hash_grams,
    measure_known,
    strip_shared,
)
from synth_stack.stats.diversity import (
    Vectors,
    measure_compression,
    measure_distinct,
    measure_effective,
    measure_self_bleu,
    measure_templates,
    measure_vendi,
    subsample,
)
from synth_stack.text.ragged import Ragged
from synth_stack.text.words import hash_words

MEASURED_ROWS = 200
"""Rows of a group that its measures are taken over; the subsamples of a group of 400 give their interval."""
_DRAWS = 8
_TEMPLATE_NGRAM = 6
_FUNCTION_WORDS = 100
"""The words that a template keeps: the hundred most frequent of the texts, about half of running English."""


@dataclass(frozen=True, slots=True)
class TextGroup:
    """Rows of one group: normalised texts without what they share, and their vectors (n, d)."""

    texts: Sequence[str]
    vectors: Vectors

    def take(self, rows: NDArray[np.int64]) -> "TextGroup":
        """The named rows."""
        return TextGroup([self.texts[k] for k in rows], self.vectors[rows])


@dataclass(frozen=True, slots=True)
class GroupMeasures:
    """What was measured of a group, None for what could not be: why not is in `lacks`.

    `known` is the share of its wording that it repeats, `narrow` by how much its effective number of rows
    falls short of the seeds', each the end of its interval that is kindest to the group.
    """

    known: float | None = None
    narrow: float | None = None
    uneven: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)


def measure_wording(group: TextGroup, seed: int, least: int) -> GroupMeasures:
    """How much of its wording a group repeats."""
    mean, low, high = (
        (np.nan,) * 3 if len(group.texts) < least else measure_known(hash_grams(group.texts), seed)
    )
    if np.isnan(mean):
        return GroupMeasures(lacks={"wording": f"fewer than {max(least, MIN_ROWS)} rows with three words"})
    figures = {"known": _round(mean), "known_low": _round(low), "known_high": _round(high)}
    return GroupMeasures(known=_round(low), figures=figures)


def measure_narrowing(group: TextGroup, seeds: TextGroup | None, seed: int, least: int) -> GroupMeasures:
    """By how much the meanings of a group are fewer than the seeds', over equally many rows of both."""
    if seeds is None:
        return GroupMeasures(lacks={"meaning": "there are no seeds to compare with"})
    size = min(MEASURED_ROWS, len(group.texts), len(seeds.texts))
    if size < least:
        return GroupMeasures(lacks={"meaning": f"fewer than {least} rows, or seeds, to compare"})
    own = subsample(lambda rows: measure_vendi(group.vectors[rows]), len(group.texts), size, _DRAWS, seed)
    theirs = subsample(lambda rows: measure_vendi(seeds.vectors[rows]), len(seeds.texts), size, _DRAWS, seed)
    if np.isnan(own[0]) or np.isnan(theirs[0]):
        return GroupMeasures(lacks={"meaning": "no word that the model knows"})
    figures = {"vendi": _round(own[0], 2), "vendi_seeds": _round(theirs[0], 2), "rows_compared": size}
    return GroupMeasures(narrow=_round(max(0.0, 1 - own[2] / theirs[1])), figures=figures)


def measure_spread(vendi_bar: float, group: TextGroup, seed: int, least: int) -> GroupMeasures:
    """As measure_narrowing, against a fixed effective number of rows among MEASURED_ROWS, where there are
    no seeds.

    For smaller groups the number shrinks with the root of the rows, as that of whole corpora does.
    """
    size = min(MEASURED_ROWS, len(group.texts))
    if size < least:
        return GroupMeasures(lacks={"meaning": f"fewer than {least} rows"})
    own = subsample(lambda rows: measure_vendi(group.vectors[rows]), len(group.texts), size, _DRAWS, seed)
    if np.isnan(own[0]):
        return GroupMeasures(lacks={"meaning": "no word that the model knows"})
    bar = vendi_bar * (size / MEASURED_ROWS) ** 0.5
    figures = {"vendi": _round(own[0], 2), "vendi_bar": _round(bar, 2), "rows_compared": size}
    return GroupMeasures(narrow=_round(max(0.0, 1 - own[2] / (2 * bar))), figures=figures)


def measure_seeds(counts: NDArray[np.float64], least: int) -> GroupMeasures:
    """How unevenly rows go back to seeds: one minus the effective number of seeds over that of an even
    use.
    """
    rows, known = float(counts.sum()), int((counts > 0).sum())
    if rows < least or known == 0:
        return GroupMeasures(lacks={"seeds": f"fewer than {least} rows that name a seed"})
    even = min(rows, float(len(counts)))
    if even < 2:
        return GroupMeasures(lacks={"seeds": "there is but one seed"})
    effective = measure_effective(counts)
    figures = {
        "effective_seeds": _round(effective, 2),
        "seeds": len(counts),
        "top_seed_share": _round(float(counts.max() / rows)),
    }
    return GroupMeasures(uneven=_round(max(0.0, 1 - effective / even)), figures=figures)


def describe_texts(group: TextGroup) -> dict[str, float | None]:
    """Every other measure of a group, over its first MEASURED_ROWS rows in order of their hash."""
    texts = [text for text in group.texts[:MEASURED_ROWS] if text]
    if len(texts) < MIN_ROWS:
        return {}
    grams = [hash_grams(texts, n) for n in (1, 2, 3, 4)]
    found = {f"distinct_{n}": measure_distinct(each) for n, each in enumerate(grams[:3], start=1)}
    found["self_bleu"] = measure_self_bleu(grams)
    found["compression"] = measure_compression(texts)
    found["templates"] = measure_templates(_hash_templates(texts))
    return {name: None if np.isnan(value) else _round(value) for name, value in found.items()}


def make_group(texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> TextGroup:
    """A group of normalised texts; what most of them share is set apart."""
    stripped = strip_shared(texts)
    return TextGroup(stripped, embed(stripped))


def least_rows(*, planted: bool) -> int:
    """How many rows a group must have to be measured: as many as its wording is measured over.

    The planted groups are small, and made so that they show what they are.
    """
    return MIN_ROWS if planted else WORDING_ROWS


def _hash_templates(texts: Sequence[str]) -> Ragged:
    """Runs of six words in which every word that is not among the most frequent is one and the same."""
    import polars as pl

    words = hash_words(pl.Series(texts, dtype=pl.String))
    values, counts = np.unique(words.values, return_counts=True)
    kept = values[np.argsort(-counts, kind="stable")[:_FUNCTION_WORDS]]
    plain = np.where(np.isin(words.values, kept), words.values, np.uint64(0))
    owner = np.repeat(np.arange(len(texts)), words.lengths)
    runs = len(plain) - _TEMPLATE_NGRAM + 1
    if runs < 1:
        return Ragged(np.zeros(0, np.uint64), np.zeros(len(texts) + 1, np.int64))
    windows = np.lib.stride_tricks.sliding_window_view(plain, _TEMPLATE_NGRAM)
    inside = owner[:runs] == owner[_TEMPLATE_NGRAM - 1 :]
    powers = np.uint64(0x100000001B3) ** np.arange(_TEMPLATE_NGRAM, dtype=np.uint64)
    hashes = (windows[inside] * powers).sum(axis=1, dtype=np.uint64)
    lengths = np.bincount(owner[:runs][inside], minlength=len(texts))
    return Ragged(hashes, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _round(value: float, digits: int = 4) -> float:
    return round(float(value), digits)
