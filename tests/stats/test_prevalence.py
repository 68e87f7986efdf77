"""The correction for reviewers who err, and the bound that holds although they do."""

import numpy as np
import pytest

from synth_stack.stats.intervals import upper_bound
from synth_stack.stats.prevalence import Detection, bound_share, correct_share


def test_the_share_is_that_of_rogan_and_gladen() -> None:
    # 5% seen, Se 0.90, Sp 0.99: (0.05 + 0.99 - 1) / (0.90 + 0.99 - 1) = 4.49% (epiR, epi.prev's example)
    found = correct_share(4, 80, Detection(bad=1_000, caught=900, good=1_000, spared=990))
    assert found is not None
    assert found.share == pytest.approx(0.0449, abs=5e-5)
    assert found.low < found.share < found.high


def test_the_interval_holds_the_true_share_as_often_as_it_says() -> None:
    rng = np.random.default_rng(20261130)
    true, se, sp, held, rounds = 0.1, 0.85, 0.95, 0, 2_000
    for _ in range(rounds):
        detection = Detection(60, int(rng.binomial(60, se)), 100, int(rng.binomial(100, sp)))
        found = correct_share(int(rng.binomial(300, true * se + (1 - true) * (1 - sp))), 300, detection)
        held += found is not None and found.low <= true <= found.high
    assert 0.935 <= held / rounds <= 0.985


def test_the_bound_holds_at_least_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    true, se, held, rounds = 0.02, 0.8, 0, 2_000
    for _ in range(rounds):
        detection = Detection(40, int(rng.binomial(40, se)), 0, 0)
        held += bound_share(int(rng.binomial(200, true * se)), 200, detection) >= true
    assert held / rounds >= 0.95


def test_what_the_rows_of_known_truth_do_not_show_is_not_corrected() -> None:
    assert correct_share(4, 80, Detection(0, 0, 10, 10)) is None
    assert correct_share(4, 80, Detection(10, 9, 0, 0)) is None
    assert correct_share(4, 80, Detection(10, 3, 10, 6)) is None
    assert correct_share(0, 0, Detection(10, 9, 10, 9)) is None


def test_the_bound_without_known_rows_is_clopper_and_pearsons_and_with_none_caught_it_is_all() -> None:
    assert bound_share(3, 200, None) == upper_bound(3, 200)
    assert bound_share(3, 200, Detection(0, 0, 9, 9)) == upper_bound(3, 200)
    assert bound_share(3, 200, Detection(10, 0, 9, 9)) == 1.0
    assert bound_share(3, 200, Detection(10, 10, 9, 9)) > upper_bound(3, 200)


def test_shares_that_are_known_in_part() -> None:
    assert Detection(0, 0, 0, 0).sensitivity is None
    assert Detection(0, 0, 0, 0).specificity is None
    assert Detection(4, 3, 2, 1).sensitivity == 0.75
    assert Detection(4, 3, 2, 1).specificity == 0.5
