"""Sampling plans for readers who miss defects and blame good rows: the risks are those of the lot, not of
what they see.

Each row of a lot is marked by its reader with a probability that depends on the row alone. So the number of
marked rows of a lot is a sum of two binomial counts, and the number of marks in a sample is hypergeometric
given it: whatever the looks of a plan, the probability of passing is an exact mixture over the marked rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ConfigError
from synth_stack.stats.acceptance import MAX_C, Risks, SamplingPlan, count_defects, pass_probability, single

Reals = NDArray[np.float64]

_TAIL = 1e-10
"""Numbers of marked rows that are less probable than this on either side are left out of the mixture."""


@dataclass(frozen=True, slots=True)
class Readers:
    """What readers do with a bad row (reject it with probability `sensitivity`) and with a good one (release
    it with probability `specificity`).
    """

    sensitivity: float = 1.0
    specificity: float = 1.0

    def __post_init__(self) -> None:
        for name, share in (("sensitivity", self.sensitivity), ("specificity", self.specificity)):
            if not 0 < share <= 1:
                raise ConfigError(f"a {name} is a probability", seen=share, allowed="above 0, up to 1")
        if self.sensitivity + self.specificity <= 1:
            raise ConfigError(
                "readers who reject good rows as often as bad ones decide nothing",
                seen=f"sensitivity {self.sensitivity:g}, specificity {self.specificity:g}",
                allowed="a sum above 1",
            )

    @property
    def perfect(self) -> bool:
        """Whether they see every defect and invent none."""
        return self.sensitivity == self.specificity == 1

    def mark(self, share: float) -> float:
        """The share of rows that they reject where that share is bad."""
        return share * self.sensitivity + (1 - share) * (1 - self.specificity)


def pass_with_readers(plan: SamplingPlan, size: int, defects: int, readers: Readers) -> float:
    """The probability that a lot of `size` with so many `defects` passes, exactly but for 1e-10."""
    if readers.perfect:
        return float(pass_probability(plan, size, [defects])[0])
    marks, chance = _count_marked(size, defects, readers)
    return float((pass_probability(plan, size, marks) * chance).sum())


def find_single_with_readers(sizes: Sequence[int], risks: Risks, readers: Readers) -> list[SamplingPlan]:
    """For each lot size a plan of one look that keeps both risks although readers err.

    The plan with the fewest rows for a large lot; a smaller lot keeps the same risks with it, since fewer
    marks are left to chance (Hoeffding 1963, section 6). A lot that is no larger than that is read whole.

    Raises ConfigError where no sample tells the two shares apart through such readers.
    """
    n, c = _search_binomial(readers.mark(risks.aql), readers.mark(risks.ltpd), risks)
    whole = {size: single(size, _choose_whole(size, risks, readers)) for size in set(sizes) if size <= n}
    return [whole.get(size) or single(n, c) for size in sizes]


def _search_binomial(good: float, bad: float, risks: Risks) -> tuple[int, int]:
    """The fewest draws, and the most marks with which they pass, that keep both risks in a large lot."""
    from scipy.stats import binom

    for c in range(MAX_C):
        # the smallest n with P(X <= c) <= beta, from a guess on
        n = max(c + 1, int(c / max(bad, 1e-9)))
        while binom.cdf(c, n, bad) > risks.beta:
            n += max(1, int(0.02 * n))
        while n > c + 1 and binom.cdf(c, n - 1, bad) <= risks.beta:
            n -= 1
        if binom.sf(c, n, good) <= risks.alpha:
            return n, c
    raise ConfigError(
        f"readers like these do not tell such lots apart with {MAX_C} rejects or fewer",
        seen=f"{good:.2%} rejected of a good lot, {bad:.2%} of a bad one",
        mend="Choose an ltpd further above the aql, or better readers.",
    )


def _choose_whole(size: int, risks: Risks, readers: Readers) -> int:
    """The fewest marks allowed in a lot that is read whole so that a good one fails with at most alpha."""
    marks, chance = _count_marked(size, count_defects(size, risks.aql, up=False), readers)
    return int(marks[np.searchsorted(chance.cumsum(), 1 - risks.alpha)])


def _count_marked(size: int, defects: int, readers: Readers) -> tuple[NDArray[np.int64], Reals]:
    """The likely numbers of marked rows of a lot, and their probabilities."""
    from scipy.stats import binom

    caught, blamed = binom(defects, readers.sensitivity), binom(size - defects, 1 - readers.specificity)
    parts = []
    for part, most in ((caught, defects), (blamed, size - defects)):
        low, high = int(part.ppf(_TAIL)), int(part.isf(_TAIL))
        low, high = max(low, 0), min(max(high, 0), most)
        parts.append((low, part.pmf(np.arange(low, high + 1))))
    (first, a), (second, b) = parts
    chance: Reals = np.convolve(a, b)
    return np.arange(first + second, first + second + len(chance)), chance / chance.sum()
