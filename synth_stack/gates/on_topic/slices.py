"""Which slice a question belongs to: discriminants over its embedding, fitted and calibrated on labelled
seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.stats.divergence import Numbers
from synth_stack.stats.linear import measure_cosines, solve_positive

Codes = NDArray[np.int64]
Vectors = NDArray[np.float32]

FOLDS = 5
SHRINKAGE = 0.1
"""Of the covariance towards a sphere (Friedman 1989); .05 to .3 give the same AUC to .002 on banking77."""

TWIN_COSINE = 0.75
"""A seed so near to an earlier one of its slice is left out with it. Seeds are often one sentence in several
wordings, and where a twin stays in, its like outside the seeds is held to be more frequent than it is: on
clinc150 2.6% of 4,500 rows were moved wrongly at a bar of 2%, with twins left out 1.8% (banking77 1.3% and
1.1%).
"""
GROUPED_SEEDS = 20
"""Fewer seeds of a slice are dealt out one by one: whole groups of them cannot be spared."""

KIN_SHARE = 0.15
KIN_SEEDS = 3
"""A slice is kin of another when left-out seeds are taken for the other's so often: their rows are not
told apart, and a row of one is none that has left it for the other."""

_NO_OTHER = -1e9
"""The margin of a row whose slice is kin of every other."""

POOL_ROWS = 50
"""The seeds of all slices weigh on a slice's calibration like so many of its own: 2 in 100 cannot be read
off 30.
"""


@dataclass(frozen=True, slots=True)
class SliceModel:
    """k slices: `weights` (d, k) and `offsets` (k,) score them; `kin` (k, k) says which are not told apart.

    `margins` are those of left-out seeds, sorted: of all slices, and of each. `nearness` are the cosines of
    left-out seeds to the nearest slice's `centres` (k, d), sorted.
    """

    weights: Numbers
    offsets: Numbers
    kin: NDArray[np.bool_]
    margins: Numbers
    own_margins: tuple[Numbers, ...]
    centres: Vectors
    nearness: Numbers

    def score(self, vectors: Vectors) -> Numbers:
        """How well each row fits each slice, (n, k)."""
        scores: Numbers = vectors.astype(np.float64) @ self.weights + self.offsets
        return scores

    def measure_margin(self, scores: Numbers, slices: Codes) -> tuple[Numbers, Codes]:
        """How much better the best slice that is no kin fits than a row's own, (n,), and which that is."""
        return measure_margins(scores, slices, self.kin)

    def measure_chance(self, margins: Numbers, slices: Codes) -> Numbers:
        """How often a left-out seed of the slice has such a margin or more, (n,), above 0.

        Conformal p-values (Vovk et al. 2005, section 2.2) of all seeds, weighed with the share of the
        slice's own: none of thirty is no one in thirty.
        """
        pooled = (1 + _count_above(self.margins, margins)) / (1 + len(self.margins))
        chance = np.empty(len(margins))
        for code in np.unique(slices):
            rows, own = slices == code, self.own_margins[code]
            above = _count_above(own, margins[rows])
            chance[rows] = (above + POOL_ROWS * pooled[rows]) / (len(own) + POOL_ROWS)
        return chance

    def measure_nearness(self, vectors: Vectors) -> tuple[Numbers, Numbers]:
        """The cosine to the nearest centre, and how often a left-out seed lies as far or further, (n,)
        both.
        """
        cosines = measure_cosines(vectors, self.centres).max(axis=1)
        further = (1 + np.searchsorted(self.nearness, cosines, side="right")) / (1 + len(self.nearness))
        return cosines, further


def fit_slices(
    vectors: Vectors, slices: Codes, count: int, shared: Sequence[tuple[int, int]] = ()
) -> SliceModel:
    """A model of `count` slices from seeds (n, d) and their slices (n,), calibrated on seeds left out in
    folds, each with its twins.

    `shared` are pairs of slices that one text stands in. The folds are dealt in the order of the seeds.
    """
    weights, offsets, centres = _fit(vectors, slices, count)
    fold = _deal(vectors, slices, FOLDS)
    scores, near = np.zeros((len(vectors), count)), np.zeros(len(vectors))
    for k in range(FOLDS):
        out = fold == k
        if not out.any() or out.all():
            continue
        w, b, near_centres = _fit(vectors[~out], slices[~out], count)
        scores[out] = vectors[out].astype(np.float64) @ w + b
        near[out] = measure_cosines(vectors[out], near_centres).max(axis=1)
    kin = _find_kin(scores, slices, count, shared)
    margins, _ = measure_margins(scores, slices, kin)
    own = tuple(np.sort(margins[slices == code]) for code in range(count))
    return SliceModel(weights, offsets, kin, np.sort(margins), own, centres, np.sort(near))


def measure_margins(scores: Numbers, slices: Codes, kin: NDArray[np.bool_]) -> tuple[Numbers, Codes]:
    """The best score of a slice that is no kin of a row's own, less that of its own; and that slice."""
    others = np.where(kin[slices], -np.inf, scores)
    best = others.argmax(axis=1)
    rows = np.arange(len(slices))
    margins = others[rows, best] - scores[rows, slices]
    return np.where(np.isfinite(margins), margins, _NO_OTHER), best


def _fit(vectors: Vectors, slices: Codes, count: int) -> tuple[Numbers, Numbers, Vectors]:
    wide = vectors.astype(np.float64)
    sizes = np.maximum(np.bincount(slices, minlength=count), 1)
    means = np.stack([wide[slices == code].sum(axis=0) for code in range(count)]) / sizes[:, None]
    within = wide - means[slices]
    covariance = within.T @ within / max(1, len(wide))
    level = np.trace(covariance) / len(covariance) + 1e-9
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(len(covariance))
    weights = solve_positive(covariance, means.T)
    offsets = -0.5 * (means * weights.T).sum(axis=1)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return weights, offsets, (means / np.maximum(lengths, 1e-9)).astype(np.float32)


def _deal(vectors: Vectors, slices: Codes, folds: int) -> Codes:
    """The fold of each seed: those of a slice are dealt out in turn, or where there are many of them group by
    group, the largest first, to the fold that has the fewest.
    """
    fold = np.zeros(len(slices), dtype=np.int64)
    for code in np.unique(slices):
        mine = np.flatnonzero(slices == code)
        if len(mine) < GROUPED_SEEDS:
            fold[mine] = np.arange(len(mine)) % folds
            continue
        group = _group_twins(vectors[mine], most=len(mine) // 2)
        sizes = np.bincount(group)
        dealt = np.zeros(folds, dtype=np.int64)
        for each in np.argsort(-sizes, kind="stable"):
            emptiest = dealt.argmin()
            fold[mine[group == each]] = emptiest
            dealt[emptiest] += sizes[each]
    return fold


def _group_twins(vectors: Vectors, most: int) -> Codes:
    """The group of each seed, (n,): that of the first seed that it is a twin of; at most `most` in one."""
    twins = vectors @ vectors.T >= TWIN_COSINE
    group = np.full(len(vectors), -1)
    count = 0
    for k in range(len(vectors)):
        if group[k] < 0:
            group[np.flatnonzero(twins[k] & (group < 0))[:most]] = count
            group[k] = count
            count += 1
    return group


def _find_kin(
    scores: Numbers, slices: Codes, count: int, shared: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    taken = np.zeros((count, count))
    np.add.at(taken, (slices, scores.argmax(axis=1)), 1)
    sizes = np.maximum(np.bincount(slices, minlength=count), 1)[:, None]
    kin = (taken >= KIN_SEEDS) & (taken / sizes >= KIN_SHARE)
    kin |= kin.T
    for one, other in shared:
        kin[one, other] = kin[other, one] = True
    np.fill_diagonal(kin, val=True)
    return kin


def _count_above(ordered: Numbers, values: Numbers) -> Codes:
    """How many of the ordered numbers are as great as each value, or greater."""
    above: Codes = len(ordered) - np.searchsorted(ordered, values, side="left")
    return above
