"""Score histograms: what a gate measured, beside the threshold that it drew."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.rows.schemas import OUTCOMES

Scores = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

BINS = 40
"""About 8 pixels a bar in the smallest chart that is drawn."""
MAX_THRESHOLDS = 5
"""A gate has one threshold, or one per risk tier; more lines than this can't be told apart."""
MAX_SCORE = 1e300
"""Beyond it the width of a histogram overflows a float64; such a score is counted as not drawn."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """The scores of one gate in equal bins, split by outcome: `counts[outcome]` has len(edges) - 1 bins.

    `thresholds` are the most frequent ones, ascending. `unscored` verdicts carry no finite score.
    """

    gate: str
    edges: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]]
    thresholds: tuple[float, ...]
    scored: int
    unscored: int


def read_scores(part: pa.Table) -> tuple[Scores, Codes]:
    """The drawable scores (m,) of a verdict part, and the index of each one's outcome in OUTCOMES (m,)."""
    score = part["score"].to_numpy(zero_copy_only=False).astype(np.float64)
    code = pc.index_in(part["outcome"], value_set=pa.array(OUTCOMES)).to_numpy().astype(np.int8)
    drawable = np.abs(score) <= MAX_SCORE
    return score[drawable], code[drawable]


def build_histogram(
    gate: str, parts: Iterable[tuple[Scores, Codes]], thresholds: Counter[float], *, verdicts: int
) -> Histogram:
    """The histogram of one gate from what `read_scores` gave for each part of its `verdicts` verdicts."""
    pieces = list(parts)
    score = np.concatenate([np.empty(0), *(piece[0] for piece in pieces)])
    code = np.concatenate([np.empty(0, np.int8), *(piece[1] for piece in pieces)])
    common = [value for value, _ in thresholds.most_common(MAX_THRESHOLDS) if abs(value) <= MAX_SCORE]
    edges = np.linspace(*_range_of(score, common), BINS + 1)
    counts = {
        outcome: tuple(int(n) for n in np.histogram(score[code == i], bins=edges)[0])
        for i, outcome in enumerate(OUTCOMES)
    }
    plain = tuple(float(edge) for edge in edges)
    return Histogram(gate, plain, counts, tuple(sorted(common)), len(score), verdicts - len(score))


def _range_of(score: Scores, thresholds: list[float]) -> tuple[float, float]:
    """The ends of the axis: [0, 1] for a score that lives there, so that gates compare at a glance, and
    from 0 for one that is never negative.
    """
    ends = [*thresholds, *([float(score.min()), float(score.max())] if len(score) else [])]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if low >= 0:
        return 0.0, max(high, 1.0)
    return (low, high) if low < high else (low, 0.0)
