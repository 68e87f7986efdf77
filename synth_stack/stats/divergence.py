"""How far apart two samples are: effect sizes with bootstrap intervals, and no p-values.

Every measure takes both samples with `wx` (b, n) and `wy` (b, m), the weights of their rows in each of b
draws, and gives (b,) values. The first draw of `draw_weights` is the sample itself, so one call gives an
effect and its bootstrap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synth_stack.stats.linear import solve_positive

Numbers = NDArray[np.float64]
Weights = NDArray[np.float32]
Codes = NDArray[np.int64]

_PSI_PRIOR = 0.5
"""Rows added to every class, so that an empty one has a logarithm (Jeffreys' prior)."""

LOST_BELOW = 0.25
"""A class with a quarter of its rows is as good as gone; of ten rows that are due, chance leaves two or
fewer once in 400 times."""


@dataclass(frozen=True, slots=True)
class EffectSize:
    """A distance as it was measured, and an interval for what it is."""

    size: float
    low: float
    high: float


def draw_weights(rows: int, draws: int, seed: int) -> Weights:
    """How often each row is in each draw, (draws + 1, rows): once in the first, by the bootstrap in the
    others.
    """
    drawn = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=draws)
    return np.concatenate([np.ones((1, rows)), drawn]).astype(np.float32)


def measure_interval(values: Numbers, level: float = 0.95, floor: float = 0.0) -> EffectSize:
    """The first value, with the basic bootstrap interval of the others (Davison and Hinkley 1997, section
    5.2).

    2 * size - q: a distance between samples is larger than that between what they were drawn from, resampling
    makes it larger again by about as much, and so the interval corrects it. Not below `floor`.
    """
    size = float(values[0])
    tail = (1 - level) / 2
    lower, upper = np.quantile(values[1:], [tail, 1 - tail])
    low, high = max(floor, 2 * size - float(upper)), max(floor, 2 * size - float(lower))
    return EffectSize(size, min(low, high), high)


def measure_ks(x: ArrayLike, y: ArrayLike, wx: Weights, wy: Weights) -> Numbers:
    """The greatest difference of the two distribution functions, in [0, 1] (Kolmogorov-Smirnov's D)."""
    _, left, right = _cumulate(np.asarray(x, np.float64), np.asarray(y, np.float64), wx, wy)
    gap: Numbers = np.abs(left - right).max(axis=1)
    return gap


def measure_wasserstein(x: ArrayLike, y: ArrayLike, wx: Weights, wy: Weights) -> Numbers:
    """The Wasserstein-1 distance (Vallender 1974: the area between the distribution functions) per
    standard deviation of `y`; 0 where neither varies, infinite where `y` alone is constant.
    """
    points, left, right = _cumulate(np.asarray(x, np.float64), np.asarray(y, np.float64), wx, wy)
    area: Numbers = (np.abs(left - right)[:, :-1] * np.diff(points)).sum(axis=1)
    scale = float(np.std(np.asarray(y, np.float64)))
    if scale > 0:
        scaled: Numbers = area / scale
        return scaled
    return np.where(area > 0, np.inf, 0.0)


def measure_psi(x: Codes, y: Codes, classes: int, wx: Weights, wy: Weights) -> Numbers:
    """The population stability index, sum of (p - q) ln(p / q) over classes (Siddiqi 2006, chapter 8)."""
    p, q = (_share(codes, classes, weights, _PSI_PRIOR) for codes, weights in ((x, wx), (y, wy)))
    index: Numbers = ((p - q) * np.log(p / q)).sum(axis=1)
    return index


def measure_variation(x: Codes, y: Codes, classes: int, wx: Weights, wy: Weights) -> Numbers:
    """Half the sum of |p - q|, in [0, 1]: the total variation distance."""
    p, q = (_share(codes, classes, weights) for codes, weights in ((x, wx), (y, wy)))
    distance: Numbers = np.abs(p - q).sum(axis=1) / 2
    return distance


def measure_lost(x: Codes, y: Codes, due: NDArray[np.bool_], wx: Weights, wy: Weights) -> Numbers:
    """The share of `y` in classes of which `x` has under LOST_BELOW of what `y` has, in [0, 1].

    `due` (classes,) says which classes count: one of which few rows are to be expected may be missing by
    chance.
    """
    p, q = (_share(codes, len(due), weights) for codes, weights in ((x, wx), (y, wy)))
    lost: Numbers = np.where(due & (p < LOST_BELOW * q), q, 0.0).sum(axis=1)
    return lost


def measure_jensen_shannon(p: Numbers, q: Numbers) -> Numbers:
    """The Jensen-Shannon divergence in bits of count vectors (b, v), in [0, 1] (Lin 1991)."""
    left = p / np.maximum(p.sum(axis=1, keepdims=True), 1)
    right = q / np.maximum(q.sum(axis=1, keepdims=True), 1)
    middle = (left + right) / 2

    def diverge(one: Numbers) -> Numbers:
        ratio = np.divide(one, middle, out=np.ones_like(one), where=(one > 0) & (middle > 0))
        bits: Numbers = (one * np.log2(ratio)).sum(axis=1)
        return bits

    return (diverge(left) + diverge(right)) / 2


def measure_auc(x: ArrayLike, y: ArrayLike, wx: Weights, wy: Weights) -> Numbers:
    """How often a score of `x` is above one of `y`, ties half: the area under the ROC curve (Hanley and
    McNeil 1982).

    With held-out scores of a classifier that tells x from y it is a two-sample measure (Lopez-Paz and
    Oquab 2017).
    """
    _, left, right = _cumulate(np.asarray(x, np.float64), np.asarray(y, np.float64), wx, wy)
    mass = np.diff(left, axis=1, prepend=0)
    below = np.concatenate([np.zeros((len(right), 1)), right[:, :-1]], axis=1)
    area: Numbers = (mass * (below + right) / 2).sum(axis=1)
    return area


def measure_mmd(x: NDArray[np.float32], y: NDArray[np.float32], wx: Weights, wy: Weights) -> Numbers:
    """The squared maximum mean discrepancy (Gretton et al. 2012, definition 2) of features (n, d) and (m, d).

    The features are those of the kernel, such as `map_fourier` gives. The biased estimate: `measure_interval`
    corrects it.
    """
    left = wx @ x / wx.sum(axis=1, keepdims=True)
    right = wy @ y / wy.sum(axis=1, keepdims=True)
    squared: Numbers = ((left - right).astype(np.float64) ** 2).sum(axis=1)
    return squared


def map_fourier(
    vectors: NDArray[np.float32], bandwidth: float, seed: int, width: int = 256
) -> NDArray[np.float32]:
    """Features (n, width) whose products are about the Gaussian kernel exp(-|x - y|^2 / (2 bandwidth^2)).

    Random Fourier features (Rahimi and Recht 2007, algorithm 1).
    """
    rng = np.random.default_rng(seed)
    directions = rng.normal(0, 1 / bandwidth, (vectors.shape[1], width)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, width).astype(np.float32)
    features: NDArray[np.float32] = np.sqrt(np.float32(2 / width)) * np.cos(vectors @ directions + phases)
    return features


def measure_bandwidth(vectors: NDArray[np.float32]) -> float:
    """The median distance between rows, of the first 500: the median heuristic (Gretton et al. 2012,
    section 8).
    """
    some = vectors[:500].astype(np.float64)
    squared = np.maximum(2 - 2 * some @ some.T, 0) if len(some) > 1 else np.ones((2, 2))
    median = float(np.sqrt(np.median(squared[np.triu_indices(len(squared), 1)])))
    return median or 1.0


def score_two_samples(
    x: NDArray[np.float32], y: NDArray[np.float32], folds: int, seed: int
) -> tuple[Numbers, Numbers]:
    """How much each row of x (n, d) and y (m, d) looks like x, by a classifier that has not seen it, (n,)
    and (m,).

    Linear discriminants with a shrunk common covariance (Friedman 1989, with the identity at a tenth), the
    rows dealt into `folds`.
    """
    rng = np.random.default_rng(seed)
    homes = [rng.permutation(len(rows)) % folds for rows in (x, y)]
    scores = [np.zeros(len(x)), np.zeros(len(y))]
    held = [
        [_sum_moments(rows[home == fold]) for rows, home in zip((x, y), homes, strict=True)]
        for fold in range(folds)
    ]
    for fold in range(folds):
        seen = [_add_moments([each[k] for j, each in enumerate(held) if j != fold]) for k in (0, 1)]
        if not all(count for count, _, _ in seen):
            continue
        direction, middle = _fit_discriminant(seen)
        for k, (rows, home) in enumerate(zip((x, y), homes, strict=True)):
            scores[k][home == fold] = rows[home == fold] @ direction - middle
    return scores[0], scores[1]


_Moments = tuple[int, Numbers, Numbers]
"""Of rows: how many, their sum (d,), and the sum of their outer products (d, d)."""


def _sum_moments(rows: NDArray[np.float32]) -> _Moments:
    wide = rows.astype(np.float64)
    return len(wide), wide.sum(axis=0), wide.T @ wide


def _add_moments(parts: Sequence[_Moments]) -> _Moments:
    counts, sums, products = zip(*parts, strict=True)
    return sum(counts), np.sum(sums, axis=0), np.sum(products, axis=0)


def _fit_discriminant(seen: Sequence[_Moments]) -> tuple[Numbers, float]:
    """The direction from the second class to the first, and where the middle lies on it."""
    means = [total / count for count, total, _ in seen]
    within = sum(
        products - count * np.outer(mean, mean)
        for (count, _, products), mean in zip(seen, means, strict=True)
    )
    covariance = np.asarray(within) / sum(count for count, _, _ in seen)
    level = float(np.trace(covariance)) / len(covariance)
    covariance = 0.9 * covariance + (0.1 * level + 1e-12) * np.eye(len(covariance))
    direction = solve_positive(covariance, (means[0] - means[1])[:, None])[:, 0]
    return direction, float(direction @ (means[0] + means[1]) / 2)


def _cumulate(x: Numbers, y: Numbers, wx: Weights, wy: Weights) -> tuple[Numbers, Numbers, Numbers]:
    """The distinct values of both samples in order, and the two distribution functions there, (b, values)."""
    points, places = np.unique(np.concatenate([x, y]), return_inverse=True)
    left, right = (
        np.cumsum(_count(codes, len(points), weights), axis=1)
        for codes, weights in ((places[: len(x)], wx), (places[len(x) :], wy))
    )
    return points, left / left[:, -1:], right / right[:, -1:]


def _share(codes: Codes, classes: int, weights: Weights, prior: float = 0.0) -> Numbers:
    counts = _count(codes, classes, weights) + prior
    shares: Numbers = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    return shares


def _count(codes: Codes, classes: int, weights: Weights) -> Numbers:
    """The weight of each class in each draw, (b, classes)."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(classes))
    sums = np.concatenate(
        [np.zeros((len(weights), 1)), np.cumsum(weights[:, order], axis=1, dtype=np.float64)], axis=1
    )
    ends = np.append(starts[1:], len(codes))
    counts: Numbers = sums[:, ends] - sums[:, starts]
    return counts
