"""Sampling plans for lots: how many rows of a lot are read, and with how many defects it still passes.

A lot of N rows with D defects is sampled without replacement, so the number of defects that are seen is
hypergeometric, and every risk here is exact: no normal, binomial or Poisson approximation. Terms are those of
ISO 2859-1:1999 and ANSI/ASQ Z1.4-2003: acceptable quality limit (AQL), producer's risk alpha at it; lot
tolerance percent defective (LTPD, limiting quality), consumer's risk beta at it; sample size n, acceptance
number c (Ac).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ConfigError

Reals = NDArray[np.float64]
Counts = NDArray[np.int64]

MAX_C = 500
"""The largest acceptance number that is looked for: an ltpd of 1.2 times the aql needs about 300."""

_ROUNDING = 1e-9
"""0.07 * 100 is 7.000000000000001: a share of a lot is not rounded up for that."""


@dataclass(frozen=True, slots=True)
class Risks:
    """What a plan has to keep: a lot with a share of `aql` defects fails with at most `alpha`, and one with a
    share of `ltpd` passes with at most `beta`.
    """

    aql: float
    ltpd: float
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.aql < self.ltpd <= 1:
            raise ConfigError(
                "the share of defects that is acceptable has to be below the one that is not",
                seen=f"aql {self.aql:g}, ltpd {self.ltpd:g}",
                allowed="0 <= aql < ltpd <= 1",
            )
        for name, risk in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 < risk < 1:
                raise ConfigError(f"{name} is a probability", seen=risk, allowed="above 0 and below 1")


TIERS = {
    "low": Risks(aql=0.015, ltpd=0.125, alpha=0.05, beta=0.10),
    "medium": Risks(aql=0.0065, ltpd=0.05, alpha=0.05, beta=0.05),
    "high": Risks(aql=0.0025, ltpd=0.02, alpha=0.05, beta=0.05),
}
"""Risks by the harm that a defect does. The AQLs (1.5%, 0.65%, 0.25%) are preferred ones of ISO 2859-1 and
the LTPDs (12.5%, 5%, 2%) preferred limiting qualities of ISO 2859-2. Each LTPD is 8 times its AQL, which an
acceptance number of 2 or 3 can tell apart (ISO 2859-1, table of discrimination ratios): a smaller ratio costs
several times the reviews, a larger one fails good lots for a single defect. A beta of 10% is that of ISO
2859-2; 5% is the 95% confidence that people ask for by habit, and the two stricter tiers keep it."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a lot: when `n` rows in all are read, it passes with at most `accept` defects (-1: never) and
    fails with at least `reject`.
    """

    n: int
    accept: int
    reject: int


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """The looks at a lot in order; at the last one `reject` is `accept` + 1, so it always ends there."""

    looks: tuple[Look, ...]

    @property
    def n(self) -> int:
        """The most rows that are read."""
        return self.looks[-1].n

    @property
    def c(self) -> int:
        """The most defects with which the lot passes."""
        return self.looks[-1].accept


def single(n: int, c: int) -> SamplingPlan:
    """The plan of one look: `n` rows, and the lot passes with at most `c` defects."""
    return SamplingPlan((Look(n, c, c + 1),))


def count_defects(size: int, share: float, *, up: bool) -> int:
    """The whole number of defects in a lot of `size` at that share: at least (`up`) or at most so many."""
    exact = size * share
    return math.ceil(exact - _ROUNDING) if up else math.floor(exact + _ROUNDING)


def find_single(sizes: Sequence[int], risks: Risks) -> list[SamplingPlan]:
    """For each lot size the plan of one look with the fewest rows that keeps both risks.

    Where not even n = N - 1 keeps them, the lot is read whole: n is N, and c the defects of the AQL.
    """
    unique = np.unique(np.asarray(sizes, dtype=np.int64))
    found = dict(zip(unique.tolist(), _search_single(unique, risks), strict=True))
    return [found[size] for size in sizes]


def sample_share(sizes: Sequence[int], share: float, risks: Risks) -> list[SamplingPlan]:
    """For each lot size the plan that reads a flat `share` of it (at least one row), and keeps beta if it
    can.

    The acceptance number is the largest with which a lot at the LTPD passes with at most `beta`; where there
    is none, it is 0 and the plan does not keep what was asked: 5% of 100 rows are 5, and a lot with 5% of
    defects passes them three times in four. A flat share promises nothing of one lot, and reads more than is
    needed of large ones.
    """
    from scipy.stats import hypergeom

    found: dict[int, SamplingPlan] = {}
    for size in set(sizes):
        n = min(size, max(1, count_defects(size, share, up=True)))
        bad = max(1, count_defects(size, risks.ltpd, up=True))
        chance = hypergeom.cdf(np.arange(n), size, bad, n)
        found[size] = single(n, max(int((chance <= risks.beta).sum()) - 1, 0))
    return [found[size] for size in sizes]


def pass_probability(plan: SamplingPlan, size: int, defects: Sequence[int] | Counts) -> Reals:
    """The probability that a lot of `size` with each number of `defects` passes, exactly, (k,).

    One look: the hypergeometric distribution function. Several: the number of defects seen is followed from
    look to look (its conditional distribution is hypergeometric in what is left of the lot).
    """
    return _follow(plan, size, defects)[0]


def expected_reviews(plan: SamplingPlan, size: int, defects: Sequence[int] | Counts) -> Reals:
    """The average number of rows that are read of a lot of `size` with each number of `defects`, (k,).

    A lot is read up to the look that decides it (no curtailment within a look).
    """
    return _follow(plan, size, defects)[1]


def bound_defects(plan: SamplingPlan, size: int, look: int, seen: int, level: float) -> int:
    """The most defects in a lot of `size` that passed at a look (from 1) with at most `seen`, with confidence
    `level`: with more, such an early and clean pass has a probability of at most 1 - level.

    Clopper and Pearson's argument for a finite lot; of several looks, an earlier one counts as the cleaner
    outcome (stagewise ordering, Jennison and Turnbull 2000, section 8.4).
    """
    ended = plan.looks[look - 1]
    outcome = SamplingPlan((*plan.looks[: look - 1], Look(ended.n, seen, seen + 1)))
    low, high = seen, size
    while low < high:
        middle = (low + high + 1) // 2
        if pass_probability(outcome, size, [middle])[0] > 1 - level:
            low = middle
        else:
            high = middle - 1
    return low


def operating_curve(plan: SamplingPlan, size: int, shares: Sequence[float]) -> Reals:
    """The probability that a lot of `size` passes, at each share of defects (rounded to whole rows), (k,)."""
    return pass_probability(plan, size, [round(size * share) for share in shares])


def _search_single(sizes: Counts, risks: Risks) -> list[SamplingPlan]:
    """The plans, found by raising c from 0: for each the smallest n that keeps beta, until that n keeps alpha
    too.
    """
    from scipy.stats import hypergeom

    many = np.array([count_defects(int(n), risks.ltpd, up=True) for n in sizes], dtype=np.int64)
    few = np.array([count_defects(int(n), risks.aql, up=False) for n in sizes], dtype=np.int64)
    many = np.maximum(many, 1)
    best_n, best_c = sizes.copy(), few.copy()
    open_ = np.arange(len(sizes))[sizes > 1]
    c = 0
    while len(open_):
        if c > MAX_C:
            raise ConfigError(
                f"the aql and the ltpd are too near to be told apart with {MAX_C} defects or fewer",
                seen=f"aql {risks.aql:g}, ltpd {risks.ltpd:g}",
                mend="Choose an ltpd further above the aql.",
            )
        size, bad = sizes[open_], many[open_]
        low, high = np.full(len(open_), c), size.copy()  # at n = c every lot passes
        while (wide := high - low > 1).any():
            middle = np.where(wide, (low + high) // 2, high)
            keeps = hypergeom.cdf(c, size, bad, middle) <= risks.beta
            high, low = np.where(wide & keeps, middle, high), np.where(wide & ~keeps, middle, low)
        keeps_alpha = hypergeom.sf(c, size, few[open_], high) <= risks.alpha
        keeps_beta = hypergeom.cdf(c, size, bad, high) <= risks.beta
        done = keeps_alpha & keeps_beta & (high < size)
        best_n[open_[done]], best_c[open_[done]] = high[done], c
        open_ = open_[~done & (high < size)]
        c += 1
    return [single(int(n), int(k)) for n, k in zip(best_n, best_c, strict=True)]


def _follow(plan: SamplingPlan, size: int, defects: Sequence[int] | Counts) -> tuple[Reals, Reals]:
    """The probability of passing and the average rows read, (k,) both."""
    bad = np.asarray(defects, dtype=np.int64)
    if len(bad) and not (bad.min() >= 0 and bad.max() <= size):
        raise ValueError(f"a lot of {size} rows has no {int(bad.max())} defects")
    most = plan.looks[-1].reject
    alive = np.zeros((len(bad), most))  # the probability of each number of defects seen, still undecided
    alive[:, 0] = 1.0
    passed, reviews, before = np.zeros(len(bad)), np.zeros(len(bad)), 0
    for look in plan.looks:
        reviews += alive.sum(axis=1) * (look.n - before)
        alive = _draw_more(alive, size, bad, before, look.n - before)
        accepted = look.accept + 1
        passed += alive[:, :accepted].sum(axis=1)
        alive[:, :accepted] = 0.0
        alive[:, look.reject :] = 0.0
        before = look.n
    return np.clip(passed, 0.0, 1.0), reviews


def _draw_more(alive: Reals, size: int, bad: Counts, drawn: int, more: int) -> Reals:
    """The distribution of the defects seen after `more` further rows; what is beyond the last column
    fails.
    """
    from scipy.stats import hypergeom

    seen = np.arange(alive.shape[1])
    after = np.zeros_like(alive)
    for before in np.flatnonzero(alive.any(axis=0)):
        left = bad - before
        possible = (left >= 0) & (left <= size - drawn)
        if not possible.any():
            continue
        steps = seen[before:] - before
        chance = hypergeom.pmf(steps[None, :], size - drawn, left[possible, None], more)
        after[np.ix_(possible, seen[before:])] += alive[possible, before, None] * np.nan_to_num(chance)
    return after
