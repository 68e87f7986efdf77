"""Where in a space of meanings one sample has fewer points than another: a scan over balls.

    region = scan_thinned(x, y, places, level=0.95)

After Kulldorff 1997 (A spatial scan statistic): balls around many places, of many sizes; the ball that lacks
most is named, and the interval of what it lacks is as wide as so many looks demand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.stats.divergence import EffectSize

BALL_SHARES = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of y that the balls around a place hold: from a topic of two rows in a hundred to half of all."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ThinnedRegion:
    """The ball that lacks most for sure: around which place it lies, and the share of either sample in it.

    `effect` is by how much the share of y exceeds that of x, with its simultaneous interval.
    """

    effect: EffectSize
    place: int
    share: float
    share_of_y: float


def scan_thinned(x: Vectors, y: Vectors, places: Vectors, level: float) -> ThinnedRegion:
    """The ball around one of k `places` (k, d) of which x (n, d) lacks most beside y (m, d); all unit
    vectors, and none of the three empty.

    Each ball holds one of BALL_SHARES of y. Its interval is that of a difference of two shares (normal, with
    one variance for both), widened by Bonferroni to hold for all balls together at `level`.
    """
    from scipy.special import ndtri  # scipy.stats gives the same, and takes a second to import

    near_x, near_y = (points @ places.T for points in (x, y))
    balls = len(places) * len(BALL_SHARES)
    z = -float(ndtri((1 - level) / 2 / balls))
    best: tuple[float, ThinnedRegion] | None = None
    for share in BALL_SHARES:
        held = max(1, round(share * len(y)))
        radius = np.partition(near_y, len(y) - held, axis=0)[len(y) - held]
        of_x, of_y = ((near >= radius).mean(axis=0) for near in (near_x, near_y))
        both = (of_x * len(x) + of_y * len(y)) / (len(x) + len(y))
        width = z * np.sqrt(both * (1 - both) * (1 / len(x) + 1 / len(y)))
        lacking = of_y - of_x
        at = int((lacking - width).argmax())
        low = float(lacking[at] - width[at])
        if best is None or low > best[0]:
            size, high = float(lacking[at]), float(lacking[at] + width[at])
            effect = EffectSize(max(size, 0.0), max(low, 0.0), max(high, 0.0))
            best = low, ThinnedRegion(effect, at, float(of_x[at]), float(of_y[at]))
    assert best is not None
    return best[1]
