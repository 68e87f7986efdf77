"""Sampling plans: exact risks, the fewest rows that keep them, and what a flat share keeps."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from synth_stack.errors import ConfigError
from synth_stack.stats.acceptance import (
    TIERS,
    Look,
    Risks,
    SamplingPlan,
    count_defects,
    expected_reviews,
    find_single,
    operating_curve,
    pass_probability,
    sample_share,
    single,
)
from tests.examples import examples


def exact_pass(size: int, bad: int, n: int, c: int) -> Fraction:
    """The probability of at most c of `bad` defects in n of `size` rows, in whole numbers."""
    ways = sum(math.comb(bad, k) * math.comb(size - bad, n - k) for k in range(min(c, n) + 1))
    return Fraction(ways, math.comb(size, n))


@pytest.mark.parametrize(
    ("size", "bad", "n", "c"), [(100, 5, 20, 0), (50, 10, 13, 2), (7, 7, 3, 1), (9, 0, 9, 0)]
)
def test_the_probability_of_passing_is_exact(size: int, bad: int, n: int, c: int) -> None:
    passed = pass_probability(single(n, c), size, [bad])[0]
    assert passed == pytest.approx(float(exact_pass(size, bad, n, c)), abs=1e-12)


@settings(max_examples=examples(25), deadline=None)
@given(
    size=st.integers(1, 3_000),
    aql=st.sampled_from([0.0, 0.001, 0.0065, 0.015]),
    ltpd=st.sampled_from([0.02, 0.05, 0.125, 0.3]),
    beta=st.sampled_from([0.01, 0.05, 0.1]),
)
def test_a_plan_keeps_both_risks_and_one_row_less_does_not(
    size: int, aql: float, ltpd: float, beta: float
) -> None:
    risks = Risks(aql, ltpd, 0.05, beta)
    [plan] = find_single([size], risks)
    few, many = count_defects(size, aql, up=False), max(1, count_defects(size, ltpd, up=True))
    if plan.n < size:
        assert hypergeom.cdf(plan.c, size, many, plan.n) <= beta
        assert hypergeom.sf(plan.c, size, few, plan.n) <= 0.05
        assert hypergeom.cdf(plan.c, size, many, plan.n - 1) > beta
        for c in range(plan.c):  # no smaller acceptance number keeps both with any sample
            low = next(n for n in range(1, size + 1) if hypergeom.cdf(c, size, many, n) <= beta)
            assert low == size or hypergeom.sf(c, size, few, low) > 0.05
    else:
        assert plan.c == few


def test_the_known_sample_without_a_defect_is_found() -> None:
    # 0.95**59 = 4.85%: the "59 of an infinite lot" of MIL-HDBK and of acceptance sampling textbooks
    [plan] = find_single([10_000_000], Risks(aql=0.0, ltpd=0.05, alpha=0.05, beta=0.05))
    assert plan == single(59, 0)
    assert find_single([10_000_000], Risks(0.0, 0.10, 0.05, 0.10)) == [single(22, 0)]


@pytest.mark.parametrize(
    ("aql", "ltpd", "beta", "n", "c"),
    # Pairs of np from the chi-square factors of Cameron (1952): c by the ratio of LTPD and AQL, n = np(beta) / LTPD.
    [(0.01, 0.08, 0.10, 65, 2), (0.02, 0.08, 0.10, 98, 4), (0.01, 0.05, 0.10, 132, 3)],
)
def test_plans_are_those_of_textbooks_up_to_the_poisson_approximation(
    aql: float, ltpd: float, beta: float, n: int, c: int
) -> None:
    [plan] = find_single([1_000_000], Risks(aql, ltpd, 0.05, beta))
    assert plan.c == c
    assert abs(plan.n - n) <= 2


def test_a_lot_that_is_too_small_for_a_sample_is_read_whole() -> None:
    for size in (1, 2, 5):
        [plan] = find_single([size], TIERS["high"])
        assert plan.n == size
        assert plan.c == 0
    assert find_single([], TIERS["high"]) == []


def test_several_looks_follow_the_defects_exactly() -> None:
    plan = SamplingPlan((Look(5, 0, 2), Look(9, 1, 3), Look(12, 2, 3)))
    size, bad = 20, 4
    expected, reviews = Fraction(0), Fraction(0)
    for first in range(bad + 1):
        p1 = Fraction(math.comb(bad, first) * math.comb(size - bad, 5 - first), math.comb(size, 5))
        reviews += p1 * 5
        if first <= 0:
            expected += p1
            continue
        if first >= 2:
            continue
        for second in range(bad - first + 1):
            left = bad - first
            p2 = Fraction(math.comb(left, second) * math.comb(15 - left, 4 - second), math.comb(15, 4))
            reviews += p1 * p2 * 4
            seen = first + second
            if seen <= 1:
                expected += p1 * p2
                continue
            if seen >= 3:
                continue
            for third in range(bad - seen + 1):
                rest = bad - seen
                p3 = Fraction(math.comb(rest, third) * math.comb(11 - rest, 3 - third), math.comb(11, 3))
                reviews += p1 * p2 * p3 * 3
                if seen + third <= 2:
                    expected += p1 * p2 * p3
    assert pass_probability(plan, size, [bad])[0] == pytest.approx(float(expected), abs=1e-12)
    assert expected_reviews(plan, size, [bad])[0] == pytest.approx(float(reviews), abs=1e-12)


def test_an_operating_curve_falls_from_one_to_nothing() -> None:
    [plan] = find_single([2_000], TIERS["medium"])
    curve = operating_curve(plan, 2_000, np.linspace(0, 1, 101).tolist())
    assert curve[0] == 1.0
    assert curve[-1] == 0.0
    assert (np.diff(curve) <= 1e-12).all()


def test_a_flat_share_reads_too_little_of_small_lots_and_too_much_of_large_ones() -> None:
    small, large = sample_share([100, 100_000], 0.05, TIERS["medium"])
    assert small == single(5, 0)
    assert pass_probability(small, 100, [5])[0] == pytest.approx(0.77, abs=0.005)
    assert large.n == 5_000
    assert large.c > 100
    assert pass_probability(large, 100_000, [5_000])[0] <= 0.05


def test_a_share_of_a_lot_is_not_rounded_up_for_a_rounding_error() -> None:
    assert count_defects(100, 0.07, up=True) == 7
    assert count_defects(100, 0.29, up=False) == 29
    assert count_defects(101, 0.07, up=True) == 8


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ((0.05, 0.05), "0 <= aql < ltpd <= 1"),
        ((-0.1, 0.05), "0 <= aql"),
        ((0.0, 1.1), "ltpd <= 1"),
        ((0.01, 0.05, 0.0), "alpha is a probability"),
        ((0.01, 0.05, 0.05, 1.0), "beta is a probability"),
        ((float("nan"), 0.05), "0 <= aql"),
    ],
)
def test_risks_that_are_none_are_refused(values: tuple[float, ...], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Risks(*values)


def test_more_defects_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="has no 11 defects"):
        pass_probability(single(3, 0), 10, [11])
