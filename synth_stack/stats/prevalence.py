"""The share of defects behind what imperfect reviewers saw, corrected for what they miss and what they
invent.
"""

from dataclasses import dataclass
from math import sqrt

from synth_stack.stats.intervals import Z_95, lower_bound, upper_bound


@dataclass(frozen=True, slots=True)
class Detection:
    """What reviewers did with rows of known truth: of `bad` rows they rejected `caught`, of `good` rows they
    released `spared`.
    """

    bad: int
    caught: int
    good: int
    spared: int

    @property
    def sensitivity(self) -> float | None:
        """The share of bad rows that were rejected; None where there was none."""
        return self.caught / self.bad if self.bad else None

    @property
    def specificity(self) -> float | None:
        """The share of good rows that were released; None where there was none."""
        return self.spared / self.good if self.good else None


@dataclass(frozen=True, slots=True)
class CorrectedShare:
    """A share of defects corrected for the reviewers' error, with a two-sided interval."""

    share: float
    low: float
    high: float


def correct_share(seen: int, n: int, detection: Detection) -> CorrectedShare | None:
    """The true share where `seen` of `n` rows were rejected (Rogan and Gladen 1978), with the 95% interval of
    Lang and Reiczigel (2014), which counts that sensitivity and specificity are estimates too.

    None where the rows of known truth do not show both, or show reviewers no better than chance (Se + Sp <=
    1). Both ends and the share are cut to [0, 1].
    """
    if n == 0 or detection.bad == 0 or detection.good == 0:
        return None
    # Their equations: one pseudo row of each outcome for Se and Sp, z**2 / 2 of each for the seen share.
    se = (detection.caught + 1) / (detection.bad + 2)
    sp = (detection.spared + 1) / (detection.good + 2)
    n_adjusted = n + Z_95**2
    seen_share = (seen + Z_95**2 / 2) / n_adjusted
    power = se + sp - 1
    plain = (detection.caught / detection.bad) + (detection.spared / detection.good) - 1
    if power <= 0 or plain <= 0:
        return None
    share = (seen / n + detection.spared / detection.good - 1) / plain
    middle = (seen_share + sp - 1) / power
    shift = (
        2
        * Z_95**2
        * (middle * se * (1 - se) / (detection.bad + 2) - (1 - middle) * sp * (1 - sp) / (detection.good + 2))
    )
    variance = (
        seen_share * (1 - seen_share) / n_adjusted
        + middle**2 * se * (1 - se) / (detection.bad + 2)
        + (1 - middle) ** 2 * sp * (1 - sp) / (detection.good + 2)
    ) / power**2
    spread = Z_95 * sqrt(variance)
    low, high = middle + shift - spread, middle + shift + spread
    return CorrectedShare(_cut(share), _cut(low), _cut(high))


def bound_share(seen: int, n: int, detection: Detection | None, level: float = 0.95) -> float:
    """The share that the true one is at most, with confidence `level`, whatever reviewers invented.

    Without `detection` reviewers are taken to see every defect: Clopper and Pearson's one-sided bound. With
    it the bound of the seen share is divided by that of the sensitivity, each at (1 + level) / 2
    (Bonferroni): of the defects that are there, reviewers catch at least so many. What they invent only makes
    it larger.
    """
    if detection is None or detection.bad == 0:
        return upper_bound(seen, n, level)
    half = (1 + level) / 2
    caught = lower_bound(detection.caught, detection.bad, half)
    return 1.0 if caught == 0 else _cut(upper_bound(seen, n, half) / caught)


def _cut(share: float) -> float:
    return min(max(share, 0.0), 1.0)
