"""The share of defects in what ships: estimated from rows that decided nothing, and bounded.

The sample that decides a lot says too little about lots that passed: they passed because few defects happened
to be in it. So rows are drawn besides (purpose "estimate"), which are read whatever the lot's sample says and
count where the lot ships. Given that it ships they are a simple random sample of what nobody read of it.

They are drawn from the lots in proportion to what each has beside its sample, so the number of defects among
them is a sum of independent hypergeometric counts. Below its mean such a sum is less spread than a binomial
count of the same mean (Hoeffding 1956, "On the distribution of the number of successes in independent
trials", theorem 4; Hoeffding 1963, section 6, for drawing without replacement), so Clopper and Pearson's
one-sided bound of the pooled share holds at least as often as it says, although lots differ.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from synth_stack.stats.acceptance import SamplingPlan, bound_defects
from synth_stack.stats.intervals import lower_bound, upper_bound
from synth_stack.stats.prevalence import CorrectedShare, Detection, correct_share

LEVEL = 0.95
"""Confidence of the bounds: the habit of the field, and 1 - beta of the stricter tiers."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What ships of a slice (None: of rows without one), or of all (`slice` is ""): `rows` ship, of which a
    person read `read`. Of the `sampled` rows that were drawn to measure the `unread` rest, `defects` were
    rejected.

    `share` estimates the share of defects among all that ships, `high` is its one-sided 95% upper bound; None
    where nothing was drawn to measure it. Where the samples of the lots bound it further, the estimate ends
    there too. `corrected` is the share in the unread rest corrected for what
    reviewers miss and invent, with its two-sided interval. Rows that a person read count as free of defects,
    unless gold rows show what reviewers miss (`missed`: how many of theirs are expected to ship).
    """

    slice: str | None
    rows: int
    read: int
    sampled: int
    defects: int
    share: float | None
    high: float | None
    missed: float
    corrected: CorrectedShare | None


@dataclass(frozen=True, slots=True)
class ShippedRows:
    """Counts of one slice: what ships, what of it was read, what was drawn from it to measure it, with how
    many defects, and how many rows people read and rejected in lots that ship or were read whole.
    """

    rows: int
    read: int
    sampled: int
    defects: int
    rejected: int


@dataclass(frozen=True, slots=True)
class DecidedSample:
    """A lot of `size` rows, at which look its sample decided it, and with how many defects at most (`seen`,
    None where it did not), and whether its unread rows ship.
    """

    plan: SamplingPlan
    size: int
    look: int
    seen: int | None
    ships: bool


def estimate_outgoing(
    name: str | None,
    counts: ShippedRows,
    gold: Detection | None,
    *,
    level: float = LEVEL,
    by_lots: float | None = None,
) -> Outgoing:
    """The figures of what ships, from its counts; `by_lots` is another bound, and the smaller one counts.
    With `gold` rows every bound allows for what reviewers miss.

    The level is shared out (Bonferroni): without gold rows all of it goes to the share among unread rows;
    with them a third each to that, to the sensitivity, and to the defects that reviewers released.
    """
    unread = counts.rows - counts.read
    gold = gold if gold is not None and gold.bad else None
    share = high = None
    missed = 0.0
    corrected = None if gold is None else correct_share(counts.defects, counts.sampled, gold)
    if counts.rows and (counts.sampled or not unread):
        seen = counts.defects / counts.sampled if counts.sampled else 0.0
        if gold is None:
            above = upper_bound(counts.defects, counts.sampled, level) if unread else 0.0
            share, high = seen * unread / counts.rows, above * unread / counts.rows
        else:
            level = 1 - (1 - level) / 3
            caught = lower_bound(gold.caught, gold.bad, level)
            above = upper_bound(counts.defects, counts.sampled, level) if unread else 0.0
            missed = _expect_missed(counts.rejected, gold)
            most = _bound_missed(counts.rejected, counts.read, caught, level)
            expected = min(_expect_share(seen, gold, corrected), 1.0) * unread + missed
            share = min(expected / counts.rows, 1.0)
            high = 1.0 if caught == 0 else min((min(above / caught, 1.0) * unread + most) / counts.rows, 1.0)
    if by_lots is not None:
        high = by_lots if high is None else min(high, by_lots)
        share = None if share is None else min(share, high)  # one defect in three rows is no estimate
    return Outgoing(
        name, counts.rows, counts.read, counts.sampled, counts.defects, share, high, missed, corrected
    )


def _expect_share(seen: float, gold: Detection, corrected: CorrectedShare | None) -> float:
    """The share of defects among unread rows, where reviewers rejected a share of `seen`."""
    if corrected is not None:
        return corrected.share
    return seen * gold.bad / gold.caught if gold.caught else 1.0


def _expect_missed(rejected: int, gold: Detection) -> float:
    """How many defects reviewers are expected to have released, where they rejected so many."""
    return rejected * (gold.bad - gold.caught) / gold.caught if gold.caught else float(rejected)


def _bound_missed(rejected: int, read: int, caught: float, level: float) -> float:
    """The most defects that people released, with confidence `level`, where each was caught with probability
    `caught` at least: of D defects so few would be rejected with probability 1 - level.
    """
    from scipy.stats import binom

    if caught == 0:
        return float(read)
    low, high = rejected, rejected + read
    while low < high:
        middle = (low + high + 1) // 2
        if binom.cdf(rejected, middle, caught) > 1 - level:
            low = middle
        else:
            high = middle - 1
    return float(min(low - rejected, read))


def bound_by_lots(lots: Iterable[DecidedSample], rows: int, gold: Detection | None) -> float | None:
    """The upper bound of the share of defects in `rows` rows that ship, from the samples that decided their
    lots.

    Each lot that might have shipped gets the exact bound of its defects at a share of the level (Bonferroni
    over all lots, failed ones too, so that which of them ship does not matter); those that ship are added up.
    For a slice of few lots it says more than its part of the rows that were drawn to measure what ships. None
    where nothing ships, or a lot that ships was not decided by its sample.
    """
    lots = list(lots)
    if not rows or any(lot.ships and lot.seen is None for lot in lots) or not any(lot.ships for lot in lots):
        return None
    parts = len(lots) if gold is None or not gold.bad else len(lots) + 1
    level = 1 - (1 - LEVEL) / 2 / parts
    caught = 1.0 if gold is None or not gold.bad else lower_bound(gold.caught, gold.bad, level)
    most = 0.0
    for lot in lots:
        if lot.ships and lot.seen is not None:
            most += bound_defects(lot.plan, lot.size, lot.look, lot.seen, level)
    return min(most / caught / rows, 1.0) if caught else 1.0
