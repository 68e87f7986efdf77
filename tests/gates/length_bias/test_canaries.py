"""Planted pairs: whole rows, the same for every batch, and none where nothing could be told."""

import pytest

from synth_stack.gates.length_bias.canaries import MIN_PLANTED, plant_even, plant_longer
from synth_stack.gates.length_bias.pairs import read_pairs
from synth_stack.rows.schemas import CANDIDATE_SCHEMA

EMPTY = CANDIDATE_SCHEMA.empty_table()


@pytest.mark.parametrize("n", [MIN_PLANTED, 20, 1_000])
def test_every_canary_and_half_of_the_controls_have_the_longer_side_chosen(n: int) -> None:
    canaries, controls = plant_longer(EMPTY, n, 1), plant_even(EMPTY, n, 1)
    assert len(set(canaries["row_id"].to_pylist())) == len(canaries) == len(controls) == n
    assert (read_pairs(canaries)["step"] > 0).all()
    assert (read_pairs(controls)["step"] > 0).sum() == (n + 1) // 2


def test_too_few_are_none() -> None:
    assert len(plant_longer(EMPTY, MIN_PLANTED - 1, 1)) == len(plant_even(EMPTY, MIN_PLANTED - 1, 1)) == 0
