"""How far people agree who judged the same things, beyond what chance would give."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from synth_stack.stats.intervals import upper_bound


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two raters: the `units` that both judged, the share on which they `agree` with its one-sided 95%
    Clopper-Pearson upper bound `agree_high`, and Cohen's `kappa`. `kappa_high` is what kappa would be with
    that bound, chance unchanged. Both kappas are None where both raters used one and the same value
    throughout: chance alone would explain it.
    """

    first: str
    second: str
    units: int
    agree: float
    agree_high: float
    kappa: float | None
    kappa_high: float | None


def krippendorff_alpha(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal values with missing data; `units` holds the values that each unit got.

    1 - observed / expected disagreement over all pairable values (Krippendorff 2011, "Computing
    Krippendorff's Alpha-Reliability", section C). Units with fewer than two values are left out. None where
    no unit is left, and where all values are one and the same: nothing varies, so nothing shows that raters
    can tell things apart.
    """
    pairable = [values for values in units if len(values) > 1]
    totals: Counter[Hashable] = Counter(value for values in pairable for value in values)
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    if expected == 0:
        return None
    observed = 0.0
    for values in pairable:
        counts = Counter(values)
        m = len(values)
        observed += (m * m - sum(count * count for count in counts.values())) / (m - 1)
    return 1 - (n - 1) * observed / expected


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen's kappa of two raters over the pairs of their values (Cohen 1960); None where chance alone gives
    full agreement, and without pairs.
    """
    return _beyond_chance(sum(a == b for a, b in pairs) / len(pairs), pairs) if pairs else None


def _beyond_chance(agreed: float, pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """The share beyond chance of what `agreed`, as a share of what there is beyond it."""
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(count * second[value] for value, count in first.items()) / len(pairs) ** 2
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def compare_raters(said: Mapping[str, Mapping[str, Hashable]]) -> tuple[PairAgreement, ...]:
    """Every two raters who judged a unit in common, in the order of their names; `said` maps a rater to unit
    to value.
    """
    found: list[PairAgreement] = []
    for first, second in combinations(sorted(said), 2):
        shared = sorted(said[first].keys() & said[second].keys())
        if shared:
            pairs = [(said[first][unit], said[second][unit]) for unit in shared]
            n, same = len(pairs), sum(a == b for a, b in pairs)
            high = upper_bound(same, n)
            kappas = cohen_kappa(pairs), _beyond_chance(high, pairs)
            found.append(PairAgreement(first, second, n, same / n, high, *kappas))
    return tuple(found)
