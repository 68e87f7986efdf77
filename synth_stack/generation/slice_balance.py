"""Slice balance: from the images that a real set has to a budget of rows per slice, and what came of it.

The arithmetic of floor, cap and deficits is that of the long tail (slice_budget.py), all of it exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from synth_stack.errors import InputError
from synth_stack.generation.slice_budget import (
    DEFICIT_DIGITS,
    SliceBudget,
    check_bounds,
    share_by_deficit,
)
from synth_stack.inputs.image_counts import SliceCounts
from synth_stack.inputs.recipe import BalanceUse

_KEY = "generate.balance"


@dataclass(frozen=True, slots=True)
class BalancedSlice:
    """The images of one slice: in the real set, to be made, accepted so far, and both together."""

    slice: str
    before: int
    planned: int
    accepted: int

    @property
    def after(self) -> int:
        return self.before + self.accepted

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        numbers = {"before": self.before, "planned": self.planned, "accepted": self.accepted}
        return {"slice": self.slice, **numbers, "after": self.after}


def plan_balance(
    counts: SliceCounts, slices: Sequence[str], total: int, use: BalanceUse
) -> tuple[SliceBudget, ...]:
    """`total` rows shared out over `slices`, those with seeds, the slice that lacks the most first.

    A set is a sample, so `prior_n` images spread evenly over all slices are added to it, and the sum is kept:
    a slice of n images of N in K slices counts (n + prior_n / K) * N / (N + prior_n) (a symmetric Dirichlet
    prior; Good 1965, The Estimation of Probabilities, chapter 4). Its deficit is what that lacks to the goal.
    Each slice with a deficit gets rows in proportion to it, at least `floor` and at most `cap`. `score` is
    the share of the goal that it has, at most 1.

    Raises InputError where no slice with seeds is below the goal, ConfigError for a floor or cap that cannot
    be kept.
    """
    by_slice = dict.fromkeys(slices, 0) | dict(counts.by_slice)
    goal = use.goal or max(by_slice.values())
    deficits = _measure_deficits(by_slice, goal, use.prior_n)
    order = sorted(slices, key=lambda name: (-deficits[name], name))
    short = [name for name in order if deficits[name] > 0]
    if not short:
        raise InputError(
            f"{_KEY}: every slice with seeds has its goal of {goal} images, so there is nothing to balance",
            mend=f"Raise {_KEY}.goal, or leave {_KEY} out.",
        )
    cap = check_bounds(use.floor, use.cap, len(short), total, key=_KEY)
    shares = share_by_deficit([deficits[name] for name in short], total, use.floor, cap)
    rows = dict(zip(short, shares, strict=True))
    return tuple(
        SliceBudget(
            name,
            by_slice[name],
            _round(Fraction(min(by_slice[name], goal), goal)),
            Decimal(deficits[name]).scaleb(-DEFICIT_DIGITS),
            rows.get(name, 0),
        )
        for name in order
    )


def record_balance(use: BalanceUse, counts: SliceCounts, budget: Sequence[SliceBudget]) -> dict[str, Any]:
    """What the lock of a run says of its balance: the digest of the set, never its place, and the budget.

    `unseeded` are the slices of the set that no seed is of: they get no rows.
    """
    planned = {share.slice for share in budget}
    return {
        "sha256": counts.sha256,
        "images": counts.total,
        "attributes": list(use.attributes),
        "goal": use.goal or max([*counts.by_slice.values(), 0]),
        "floor": use.floor,
        "cap": use.cap,
        "prior_n": use.prior_n,
        "slices": [
            {
                "slice": share.slice,
                "before": share.n,
                "deficit": str(share.deficit),
                "rows": share.rows,
            }
            for share in budget
        ],
        "unseeded": {name: n for name, n in counts.by_slice.items() if name not in planned},
    }


def compare_balance(budget: Sequence[SliceBudget], accepted: Mapping[str, int]) -> tuple[BalancedSlice, ...]:
    """Before and after of each slice of a budget, in its order; `accepted` rows by slice."""
    return tuple(
        BalancedSlice(share.slice, share.n, share.rows, accepted.get(share.slice, 0)) for share in budget
    )


def _measure_deficits(by_slice: Mapping[str, int], goal: int, prior_n: int) -> dict[str, int]:
    """What each slice lacks to the goal, in units of the last digit that is kept; 0 for one at its goal."""
    total, even = sum(by_slice.values()), Fraction(prior_n, len(by_slice))
    shrink = Fraction(total, total + prior_n) if total + prior_n else Fraction(1)
    return {
        name: max(0, round((goal - (n + even) * shrink) * 10**DEFICIT_DIGITS)) if n < goal else 0
        for name, n in by_slice.items()
    }


def _round(share: Fraction) -> Decimal:
    return Decimal(round(share * 10**DEFICIT_DIGITS)).scaleb(-DEFICIT_DIGITS)
