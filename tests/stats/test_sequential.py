"""Plans of many looks: both risks kept, exactly, with fewer reviews than one look."""

import numpy as np
import pytest

from synth_stack.stats.acceptance import TIERS, Risks, expected_reviews, find_single, pass_probability
from synth_stack.stats.sequential import CUT_OFF, LARGE, MAX_LOOKS, find_sequential, follow_draws, keeps


@pytest.mark.parametrize("tier", TIERS)
def test_both_risks_are_kept_with_fewer_reviews_of_good_and_of_bad_lots(tier: str) -> None:
    risks = TIERS[tier]
    plan = find_sequential(risks)
    [single] = find_single([LARGE], risks)
    assert keeps(plan, risks)
    assert len(plan.looks) <= MAX_LOOKS + plan.c + 2
    assert plan.n <= CUT_OFF[-1] * single.n + 1
    _, read = follow_draws(plan, [risks.aql, risks.ltpd, 2 * risks.ltpd])
    assert read[0] < 0.85 * single.n
    assert read[2] < read[1] < single.n


def test_what_is_followed_for_a_large_lot_is_the_limit_of_the_exact_one() -> None:
    plan = find_sequential(TIERS["medium"])
    size = 2_000_000
    shares = [0.0, 0.0065, 0.05, 0.2]
    defects = [round(size * share) for share in shares]
    passed, read = follow_draws(plan, shares)
    assert np.abs(passed - pass_probability(plan, size, defects)).max() < 1e-4
    assert np.abs(read - expected_reviews(plan, size, defects)).max() < 0.02


def test_the_boundaries_never_cross_and_the_last_look_always_decides() -> None:
    for risks in (TIERS["high"], Risks(0.02, 0.08, 0.1, 0.1)):
        looks = find_sequential(risks).looks
        assert all(look.accept < look.reject for look in looks)
        assert looks[-1].reject == looks[-1].accept + 1
        assert [look.n for look in looks] == sorted({look.n for look in looks})


def test_without_an_aql_no_lot_can_pass_early() -> None:
    risks = Risks(0.0, 0.05)
    assert find_sequential(risks) == find_single([LARGE], risks)[0]
