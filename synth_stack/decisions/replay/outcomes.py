"""What becomes of every row, as arrays: also of rows that some gates never saw, and under every threshold.

The arithmetic is that of gates/decide.py (a test holds the two together). One thing is added: a row that an
earlier gate turned away was not shown to the later ones. Where it is let through after all, its fate is
unknown, and is called so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synth_stack.rows.schemas import DECISIONS

UNSEEN, PASSED, HELD, REJECTED = range(4)
"""What a gate says of a row, the stronger the higher. An abstention lets a row pass."""

FATES = (*DECISIONS, "undecided")
"""`Fates.decision` holds places in this."""

GRID_POINTS = 50
"""About a pixel column of a terminal each; more are not told apart, and a person types two digits anyway."""

_LEAST_RANGE = 1e-9
"""Scores that are closer together than any threshold that a person would write."""

Said = NDArray[np.int8]
Mask = NDArray[np.bool_]
Scores = NDArray[np.float64]
Counts = NDArray[np.int64]

_ACCEPTED, _REJECTED, _HELD, _UNDECIDED = range(4)


@dataclass(frozen=True, slots=True)
class Fates:
    """Of n rows: the place of the decision in FATES, (n,), and the number of the gate that it rests on, (n,).

    That gate is the one that rejects or holds the row, or the first that never saw an undecided one; -1 for
    an accepted row and for one that was broken from the start.
    """

    decision: NDArray[np.int8]
    gate: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """With the threshold here: rows accepted, rows whose fate is unknown, canaries rejected or held."""

    threshold: float
    accepted: int
    undecided: int
    caught: int


@dataclass(frozen=True, slots=True)
class Graded:
    """What one gate says of n rows, (n,), their scores, (n,), and where a score moves it, (n,).

    Where `follows`, a score that its threshold turns away turns the row away, and one that passes leaves it
    with `let` (n,): accepted as a rule, but not a row that is held or rejected for something else too.
    """

    said: Said
    let: Said
    scores: Scores
    follows: Mask


def settle(said: Said, failed: Mask) -> Fates:
    """The fate of n rows from what k gates say of each, (k, n) in the order of work.

    A row is rejected by the first gate that rejects it; else because it `failed` (n,); else undecided when
    a gate did not see it; else held by the first gate that holds it; else accepted.
    """
    decision = np.full(said.shape[1], _ACCEPTED, dtype=np.int8)
    gate = np.full(said.shape[1], -1, dtype=np.int64)

    def rest(fate: int, where: NDArray[np.bool_]) -> None:
        rows = where.any(axis=0)
        decision[rows], gate[rows] = fate, where.argmax(axis=0)[rows]

    rest(_HELD, said == HELD)
    rest(_UNDECIDED, said == UNSEEN)
    decision[failed], gate[failed] = _REJECTED, -1
    rest(_REJECTED, said == REJECTED)
    return Fates(decision, gate)


def hold_accepted(fates: Fates, gate: int) -> Fates:
    """The same fates, with every accepted row held by one gate: a batch that fails as a whole."""
    waits = fates.decision == _ACCEPTED
    return Fates(np.where(waits, np.int8(_HELD), fates.decision), np.where(waits, gate, fates.gate))


def count_caught(canaries: Said) -> int:
    """How many of m canaries, (m,), a gate rejects or holds."""
    return int((canaries >= HELD).sum())


def is_turned_away(scores: Scores, threshold: float, *, strict: bool) -> Mask:
    """Where a score is beyond the threshold, or at it unless `strict`. No score is beyond anything."""
    return scores > threshold if strict else scores >= threshold


def choose_thresholds(scores: Scores, standing: Sequence[float]) -> Scores:
    """Some GRID_POINTS round numbers over the range of finite scores, and the `standing` ones, sorted."""
    finite = scores[np.isfinite(scores)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    if not _LEAST_RANGE < high - low < np.inf:
        return np.unique(np.array([*standing], dtype=np.float64))
    exponent = int(np.floor(np.log10((high - low) / GRID_POINTS)))
    steps = [digit * 10.0**exponent for digit in (1, 2, 5, 10)]
    step = next(s for s in steps if (high - low) / s <= GRID_POINTS + 1e-9)
    numbers = np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    grid = np.round(numbers * step, max(0, -exponent))
    return np.unique(np.concatenate([grid, np.array([*standing], dtype=np.float64)]))


def draw_curve(
    said: Said, failed: Mask, gate: int, rows: Graded, canaries: Graded, *, thresholds: Scores, strict: bool
) -> tuple[Point, ...]:
    """How many rows would be accepted at each of `thresholds` of one gate, all other gates as they stand.

    `said` (k, n) and `failed` (n,) as for `settle`; `gate` is the number of `rows` in it. Exact: every
    count is a place among the sorted scores.
    """
    through = said.copy()
    through[gate] = rows.let
    decision = settle(through, failed).decision
    side: Literal["left", "right"] = "right" if strict else "left"

    def count(mine: Mask, graded: Graded) -> Counts:
        passing = np.searchsorted(np.sort(graded.scores[mine & graded.follows]), thresholds, side)
        return np.asarray(passing + np.count_nonzero(mine & ~graded.follows), dtype=np.int64)

    columns = (
        thresholds,
        count(decision == _ACCEPTED, rows),
        count(decision == _UNDECIDED, rows),
        len(canaries.let) - count(canaries.let < HELD, canaries),
    )
    return tuple(Point(*values) for values in zip(*(c.tolist() for c in columns), strict=True))
