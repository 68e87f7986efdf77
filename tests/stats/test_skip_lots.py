"""Skip-lot sampling: the risk of a lot in a bad chain, and what a good chain saves, against a simulation."""

import numpy as np
import pytest

from synth_stack.stats.acceptance import TIERS
from synth_stack.stats.skip_lots import CLEARANCE, FRACTION, chain_risk, read_share, tighten


def simulate(passes: float, lots: int, rounds: int) -> tuple[float, float]:
    """The share of lots read, and the largest share of passes at one place of the chain."""
    rng = np.random.default_rng(3)
    read, passed = 0, np.zeros(lots)
    for _ in range(rounds):
        clear = 0
        for place in range(lots):
            if clear >= CLEARANCE and rng.random() >= FRACTION:
                passed[place] += 1
                continue
            read += 1
            good = rng.random() < passes
            passed[place] += good
            clear = clear + 1 if good else 0
    return read / rounds / lots, float(passed.max()) / rounds


@pytest.mark.parametrize(("passes", "lots"), [(0.97, 8), (0.5, 5), (0.05, 6)])
def test_what_is_read_and_what_passes_are_those_of_a_simulation(passes: float, lots: int) -> None:
    read, most = simulate(passes, lots, 20_000)
    assert read == pytest.approx(read_share(passes, lots), abs=0.01)
    assert most <= chain_risk(passes) + 0.012


@pytest.mark.parametrize("tier", TIERS)
def test_the_risk_of_a_lot_in_a_bad_chain_is_the_asked_one(tier: str) -> None:
    tight = tighten(TIERS[tier])
    assert tight.beta < TIERS[tier].beta
    assert chain_risk(tight.beta) == pytest.approx(TIERS[tier].beta, abs=1e-9)


def test_a_good_chain_saves_and_a_short_one_nothing() -> None:
    assert read_share(1.0, 10) == pytest.approx((2 + 8 * FRACTION) / 10)
    assert read_share(1.0, CLEARANCE) == 1.0
    assert read_share(0.0, 10) == 1.0
    assert read_share(0.5, 0) == 1.0
