"""How far a set of images is from real ones, and how much less various it is: effect sizes with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.image_drift.features import FIGURES
from synth_stack.stats.divergence import (
    EffectSize,
    draw_weights,
    measure_auc,
    measure_interval,
    measure_ks,
    score_two_samples,
)
from synth_stack.stats.diversity import measure_vendi

Matrix = NDArray[np.float32]

APPARENT, NARROW = "apparent", "narrow"
STATISTICS: Mapping[str, str] = {
    **FIGURES,
    APPARENT: "how well a classifier tells them from real ones by colours and directions",
    NARROW: "how much fewer different images there are than among equally many real ones",
}
_DRAWS = 200
_FOLDS = 5
_VENDI_ROWS = 100
"""Images of either side that diversity is compared over; a smaller side is the size for both."""
_VENDI_DRAWS = 20


@dataclass(frozen=True, slots=True)
class ImageSample:
    """n images: figures (n, 6) and unit vectors (n, d)."""

    figures: Matrix
    vectors: Matrix

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> "ImageSample":
        """Some of the images."""
        return ImageSample(self.figures[rows], self.vectors[rows])


def measure_effects(
    mine: ImageSample, real: ImageSample, statistics: Mapping[str, float], seed: int
) -> dict[str, EffectSize]:
    """Each of the statistics with a 95% interval: of figures the greatest difference of their distribution
    functions (Kolmogorov-Smirnov), of `apparent` 2 AUC - 1 of held-out scores (Lopez-Paz and Oquab 2017), of
    `narrow` 1 less the ratio of Vendi scores.
    """
    wx, wy = draw_weights(len(mine), _DRAWS, seed), draw_weights(len(real), _DRAWS, seed + 1)
    found: dict[str, EffectSize] = {}
    for column, name in enumerate(FIGURES):
        if name in statistics:
            values = measure_ks(mine.figures[:, column], real.figures[:, column], wx, wy)
            found[name] = measure_interval(values)
    if APPARENT in statistics:
        x, y = score_two_samples(mine.vectors, real.vectors, _FOLDS, seed)
        found[APPARENT] = measure_interval(2 * measure_auc(x, y, wx, wy) - 1)
    if NARROW in statistics:
        found[NARROW] = _measure_narrowing(mine.vectors, real.vectors, seed)
    return found


def _measure_narrowing(mine: Matrix, real: Matrix, seed: int) -> EffectSize:
    """Over draws without replacement of equally many of each (Politis and Romano 1994): a copy, as a
    bootstrap draws it, would count as lack of diversity. The interval is that of the middle 90% of the draws.
    """
    rng = np.random.default_rng(seed)
    size = min(_VENDI_ROWS, len(mine) * 3 // 4, len(real) * 3 // 4)
    lost = [
        1 - measure_vendi(_draw(mine, size, rng)) / measure_vendi(_draw(real, size, rng))
        for _ in range(_VENDI_DRAWS)
    ]
    low, high = np.quantile(lost, [0.05, 0.95])
    return EffectSize(float(np.mean(lost)), max(0.0, float(low)), max(0.0, float(high)))


def _draw(vectors: Matrix, size: int, rng: np.random.Generator) -> Matrix:
    return vectors[rng.choice(len(vectors), size, replace=False)]
