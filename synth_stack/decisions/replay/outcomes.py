"""How many rows each threshold of a dial would let through, all other gates as they stand, as arrays.

The arithmetic is that of decisions/decide.py (a test holds the two together). One thing is added: a row that
an earlier gate turned away was not shown to the later ones. Where it is let through after all, nothing is
known of it, and it is called undecided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

UNSEEN, PASSED, HELD, REJECTED = range(4)
"""What a gate says of a row, the stronger the higher. An abstention lets a row pass."""

GRID_POINTS = 50
"""About a pixel column of a terminal each; more are not told apart, and a person types two digits anyway."""

_LEAST_RANGE = 1e-9
"""Scores that are closer together than any threshold that a person would write."""

Said = NDArray[np.int8]
Mask = NDArray[np.bool_]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """With the threshold here: rows accepted, rows of which it is not known, canaries rejected or held."""

    threshold: float
    accepted: int
    undecided: int
    caught: int


@dataclass(frozen=True, slots=True)
class BothSides:
    """What a gate says of n rows with `scores`, (n,) each: beyond the threshold of a dial, and within it."""

    scores: Scores
    beyond: Said
    within: Said


@dataclass(frozen=True, slots=True)
class Others:
    """What is said of n rows, (n,) each, but for one gate: which are rejected or broken, which a gate never
    saw, which a person released, and which are held.
    """

    rejected: Mask
    unseen: Mask
    released: Mask
    held: Mask

    def accepts(self, said: Said) -> Mask:
        """Which rows are accepted when the one gate says this of them, (n,)."""
        waits = self.held | (said == HELD)
        seen = (said != UNSEEN) & (said != REJECTED) & ~self.unseen & ~self.rejected
        accepted: Mask = seen & (self.released | ~waits)
        return accepted

    def leaves_open(self, said: Said) -> Mask:
        """Which rows are undecided then, (n,)."""
        undecided: Mask = ~self.rejected & (said != REJECTED) & (self.unseen | (said == UNSEEN))
        return undecided


def is_beyond(scores: Scores, threshold: float, rejects: str) -> Mask:
    """Where scores are on the side of a threshold that `rejects` names: >, >= or <. NaN is beyond nothing."""
    beyond: Mask = {">": np.greater, ">=": np.greater_equal, "<": np.less}[rejects](scores, threshold)
    return beyond


def choose_thresholds(scores: Scores, standing: float) -> Scores:
    """Some GRID_POINTS round numbers over the range of finite scores, and the `standing` one, sorted."""
    finite = scores[np.isfinite(scores)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    if not _LEAST_RANGE < high - low < np.inf:
        return np.array([standing])
    exponent = int(np.floor(np.log10((high - low) / GRID_POINTS)))
    steps = [digit * 10.0**exponent for digit in (1, 2, 5, 10)]
    step = next(s for s in steps if (high - low) / s <= GRID_POINTS + 1e-9)
    numbers = np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    return np.unique([*np.round(numbers * step, max(0, -exponent)), standing])


def draw_curve(
    rows: BothSides, others: Others, canaries: BothSides, thresholds: Sequence[float], rejects: str
) -> tuple[Point, ...]:
    """What each of `thresholds` of one dial would give. Exact: every count is a place among sorted scores."""
    side: Literal["left", "right"] = "right" if rejects == ">" else "left"

    def count(scores: Scores, beyond: Mask, within: Mask) -> list[int]:
        known = ~np.isnan(scores)
        low, high = (beyond, within) if rejects == "<" else (within, beyond)
        below, above = (np.searchsorted(np.sort(scores[m & known]), thresholds, side) for m in (low, high))
        rest = np.count_nonzero(high & known) + np.count_nonzero(within & ~known)
        counted: list[int] = (below - above + rest).tolist()
        return counted

    accepted = count(rows.scores, others.accepts(rows.beyond), others.accepts(rows.within))
    undecided = count(rows.scores, others.leaves_open(rows.beyond), others.leaves_open(rows.within))
    caught = count(canaries.scores, canaries.beyond >= HELD, canaries.within >= HELD)
    return tuple(Point(*values) for values in zip(thresholds, accepted, undecided, caught, strict=True))
