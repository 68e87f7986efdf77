"""How various a set of texts is: formulas over word n-grams, unit vectors and counts, each with its source.

A value depends on how many rows it is taken over, so compare only values of equally many rows. N-grams
come as Ragged: one row of hashes a text.
"""

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from synth_stack.text.ragged import Ragged, sort_rows

Vectors = NDArray[np.float32]
Numbers = NDArray[np.float64]

_EIGEN_FLOOR = 1e-10
"""Eigenvalues below it are rounding: they would add nothing to an entropy."""


def measure_distinct(grams: Ragged) -> float:
    """Distinct n-grams per n-gram, in [0, 1] (distinct-n; Li et al. 2016, section 5); NaN without any."""
    return len(np.unique(grams.values)) / len(grams.values) if len(grams.values) else np.nan


def estimate_new(grams: Ragged) -> float:
    """How probably the next n-gram is one not seen yet, in [0, 1]; NaN without any.

    Good-Turing: the n-grams seen once, per n-gram (Good 1953, equation 9). An n-gram that one text repeats
    counts once.
    """
    _, counts = np.unique(distinct_rows(grams).values, return_counts=True)
    return float((counts == 1).sum() / counts.sum()) if len(counts) else np.nan


def measure_self_bleu(grams: Sequence[Ragged]) -> float:
    """The mean BLEU of each text against all others, in [0, 1] (self-BLEU; Zhu et al. 2018, section 3).

    `grams` are the n-grams of the same texts for n = 1, 2, 3, ... Counts are clipped to one, precisions
    smoothed by 0.1 of an n-gram (Chen and Cherry 2014, smoothing 1), and texts too short for the longest n
    left out. There is no brevity penalty: among many references one is as short. NaN for fewer than two
    texts.
    """
    long_enough = np.flatnonzero(grams[-1].lengths > 0)
    if len(long_enough) < 2:
        return np.nan
    logs = np.zeros(len(long_enough))
    for each in grams:
        rows = distinct_rows(each.take(long_enough))
        shared = np.bincount(owner_of(rows), _count_rows(rows) > 1, minlength=len(long_enough))
        logs += np.log((shared + 0.1) / (rows.lengths + 0.1))
    return float(np.exp(logs / len(grams)).mean())


def measure_vendi(vectors: Vectors) -> float:
    """The effective number of different rows, from 1 to n: the Vendi score with the cosine as its kernel.

    exp of the Shannon entropy of the eigenvalues of K / n (Friedman and Dieng 2023, definition 3.1).
    `vectors` (n, d) of unit length; zero vectors are left out. NaN where nothing is left.
    """
    known = vectors[np.any(vectors, axis=1)].astype(np.float64)
    if not len(known):
        return np.nan
    n, width = known.shape
    small = known @ known.T if n <= width else known.T @ known  # both have the same eigenvalues but zeros
    values = np.linalg.eigvalsh(small / n)
    return measure_effective(values[values > _EIGEN_FLOOR])


def measure_compression(texts: Sequence[str]) -> float:
    """Bytes per compressed byte of the texts, joined by lines (Shaib et al. 2024a, section 3); NaN without
    any.

    DEFLATE at level 9; the higher, the more the texts repeat one another.
    """
    raw = "\n".join(texts).encode("utf-8", "replace")
    return len(raw) / len(zlib.compress(raw, 9)) if raw else np.nan


def measure_effective(weights: Numbers) -> float:
    """The effective number of classes: exp of the Shannon entropy of their shares (Hill 1973, order 1).

    `weights` are counts or shares; NaN without any above zero.
    """
    positive = weights[weights > 0]
    if not len(positive):
        return np.nan
    shares = positive / positive.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def measure_evenness(counts: Numbers, classes: int) -> float:
    """Shannon entropy over its greatest value, log `classes`, in [0, 1] (Pielou 1966); NaN for one class."""
    effective = measure_effective(counts)
    return float(np.log(effective) / np.log(classes)) if classes > 1 else np.nan


def measure_templates(grams: Ragged, min_share: float = 0.05) -> float:
    """The share of texts with an n-gram that at least `min_share` of them have, and two texts; NaN without
    any.

    Given n-grams over word classes in place of words, it is the template rate (Shaib et al. 2024b, section
    4).
    """
    n = len(grams.lengths)
    if not len(grams.values):
        return np.nan
    rows = distinct_rows(grams)
    common = _count_rows(rows) >= max(2, min_share * n)
    return len(np.unique(owner_of(rows)[common])) / n


def owner_of(grams: Ragged) -> NDArray[np.int64]:
    """The row that each n-gram stands in, (m,)."""
    return np.repeat(np.arange(len(grams.lengths)), grams.lengths)


def distinct_rows(grams: Ragged) -> Ragged:
    """Each row's n-grams once, sorted."""
    return sort_rows(grams.values, owner_of(grams), len(grams.lengths))


def _count_rows(distinct: Ragged) -> NDArray[np.int64]:
    """In how many rows each n-gram of each row stands, (m,)."""
    _, inverse, counts = np.unique(distinct.values, return_inverse=True, return_counts=True)
    return counts[inverse]


def subsample(
    measure: Callable[[NDArray[np.int64]], float], n: int, size: int, draws: int, seed: int
) -> tuple[float, float, float]:
    """The mean of a measure over draws of `size` of n rows, and where its lowest and highest tenth begin.

    Without replacement (Politis and Romano 1994): a copy of a row, as a bootstrap draws it, would count as
    lack of diversity. One draw of all rows where there are no more than `size`.
    """
    rng = np.random.default_rng(seed)
    if n <= size:
        value = measure(np.arange(n))
        return value, value, value
    values = [measure(np.sort(rng.choice(n, size, replace=False))) for _ in range(draws)]
    low, high = np.quantile(values, [0.1, 0.9])
    return float(np.mean(values)), float(low), float(high)
