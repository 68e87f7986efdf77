"""Where in a space of meanings one sample has fewer points than another: a scan over balls.

    region = scan_thinned(x, y, places, level=0.99, seed=42)

After Kulldorff 1997 (A spatial scan statistic): balls around many places, of many sizes; the ball that lacks
most is named, and how much any ball lacks by chance is learnt by dealing the same points to the two samples
again (Westfall and Young 1993, Resampling-Based Multiple Testing, section 2.6: the greatest of all).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.stats.divergence import EffectSize

BALL_SHARES = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of all points that the balls around a place hold: from a topic of two rows in a hundred to half of
all."""
DEALS = 200
"""Deals that the greatest chance value is learnt from; a Gumbel distribution through their mean and variance
gives the rare ones (Abrams, Kulldorff and Kleinman 2010, section 2: as good as 100 times as many deals)."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ThinnedRegion:
    """The ball that lacks most for sure: its place, by number, and the share of either sample in it.

    `effect` is by how much the share of y exceeds that of x, with its simultaneous interval.
    """

    effect: EffectSize
    place: int
    share: float
    share_of_y: float


def scan_thinned(x: Vectors, y: Vectors, places: NDArray[np.int64], level: float, seed: int) -> ThinnedRegion:
    """The ball around one of k points of y, those of the numbers `places` (k,), of which x (n, d) lacks most
    beside y (m, d); all unit vectors. x has a point or more, y two.

    A ball holds one of BALL_SHARES of the points of both, without the point that it lies around: that one is
    of y, and would count against x. What a ball lacks is the difference of two shares, in standard
    errors; its interval is as wide as the greatest of all balls is in `level` of the deals.
    """
    inside = _fill_balls(x, y, places)
    n, others = len(x), len(y) - 1  # of y without the place itself
    held = inside.sum(axis=0, dtype=np.float64)
    tells = np.flatnonzero((held > 0) & (held < n + others))  # a ball of all points tells nothing
    if not len(tells):
        return ThinnedRegion(EffectSize(0.0, 0.0, 0.0), 0, 0.0, 0.0)
    inside, held = inside[:, tells], held[tells]
    both = held / (n + others)
    error = np.sqrt(both * (1 - both) * (1 / n + 1 / others))
    of_x = inside[:n].sum(axis=0, dtype=np.float64)
    lacking = (held - of_x) / others - of_x / n

    dealt = np.zeros((n + len(y), DEALS), dtype=np.float32)
    rng = np.random.default_rng(seed)
    for deal in range(DEALS):
        dealt[rng.permutation(n + len(y))[:n], deal] = 1
    counts = dealt.T @ inside
    greatest = (((held - counts) / others - counts / n) / error).max(axis=1)
    width = max(0.0, _find_rare(greatest, level)) * error

    at = int((lacking - width).argmax())
    size, spread = float(lacking[at]), float(width[at])
    effect = EffectSize(max(size, 0.0), max(size - spread, 0.0), max(size + spread, 0.0))
    place = int(tells[at]) // len(BALL_SHARES)
    return ThinnedRegion(effect, place, float(of_x[at] / n), float((held - of_x)[at] / others))


def _fill_balls(x: Vectors, y: Vectors, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Which points (n + m) are in which balls, 1 or 0; those around a place stand side by side."""
    points = np.concatenate([x, y])
    near = points @ y[places].T
    near[len(x) + places, np.arange(len(places))] = -np.inf
    inside = np.zeros((len(points), len(places), len(BALL_SHARES)), dtype=np.float32)
    for k, share in enumerate(BALL_SHARES):
        outside = len(points) - max(1, round(share * (len(points) - 1)))
        inside[:, :, k] = near >= np.partition(near, outside, axis=0)[outside]
    return inside.reshape(len(points), -1)


def _find_rare(greatest: NDArray[np.float64], level: float) -> float:
    """What a share of `level` of the values stays below, by the Gumbel distribution of their moments."""
    scale = float(greatest.std()) * np.sqrt(6) / np.pi
    return float(greatest.mean() - np.euler_gamma * scale - scale * np.log(-np.log(level)))
