"""Plans for readers who err: exact by simulation, perfect readers as before, and what cannot be told apart."""

import numpy as np
import pytest

from synth_stack.errors import ConfigError
from synth_stack.stats.acceptance import (
    TIERS,
    Look,
    Risks,
    SamplingPlan,
    count_defects,
    find_single,
    pass_probability,
    single,
)
from synth_stack.stats.imperfect_readers import Readers, find_single_with_readers, pass_with_readers

READERS = Readers(0.85, 0.98)


def test_perfect_readers_give_the_exact_probability() -> None:
    assert pass_with_readers(single(40, 1), 200, 9, Readers()) == pass_probability(single(40, 1), 200, [9])[0]


@pytest.mark.parametrize("plan", [single(60, 3), SamplingPlan((Look(30, 0, 4), Look(60, 3, 4)))])
def test_the_probability_of_passing_is_that_of_a_simulation(plan: SamplingPlan) -> None:
    rng = np.random.default_rng(20261130)
    size, defects, rounds = 300, 15, 20_000
    passed = 0
    for _ in range(rounds):
        marked = np.where(
            rng.permutation(size) < defects,
            rng.random(size) < READERS.sensitivity,
            rng.random(size) >= READERS.specificity,
        )
        for look in plan.looks:
            seen = int(marked[: look.n].sum())
            if seen >= look.reject:
                break
            if seen <= look.accept:
                passed += 1
                break
    expected = pass_with_readers(plan, size, defects, READERS)
    assert abs(passed / rounds - expected) < 4 * np.sqrt(expected * (1 - expected) / rounds)


@pytest.mark.parametrize("tier", ["low", "medium"])
def test_a_plan_keeps_both_risks_through_its_readers(tier: str) -> None:
    risks = TIERS[tier]
    for size in (150, 400, 2_000, 20_000):
        [plan] = find_single_with_readers([size], risks, READERS)
        good = pass_with_readers(plan, size, count_defects(size, risks.aql, up=False), READERS)
        assert 1 - good <= risks.alpha + 1e-9
        if plan.n < size:
            bad = pass_with_readers(plan, size, count_defects(size, risks.ltpd, up=True), READERS)
            assert bad <= risks.beta + 1e-9


def test_readers_who_err_cost_reviews() -> None:
    [perfect], [erring] = (
        find_single([10_000], TIERS["low"]),
        find_single_with_readers([10_000], TIERS["low"], READERS),
    )
    assert erring.n > perfect.n
    [same] = find_single_with_readers([100_000_000], TIERS["low"], Readers())
    assert same == find_single([100_000_000], TIERS["low"])[0]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ((0.0, 1.0), "a sensitivity is a probability"),
        ((1.0, 1.1), "a specificity is a probability"),
        ((0.4, 0.6), "decide nothing"),
    ],
)
def test_readers_who_are_none_are_refused(values: tuple[float, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Readers(*values)


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ConfigError, match="do not tell such lots apart"):
        find_single_with_readers([1_000], Risks(0.0499, 0.05), Readers(0.9, 0.9))
