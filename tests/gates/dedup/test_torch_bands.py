"""Band keys by torch are those of the gate, bit by bit."""

import numpy as np
import pytest

from synth_stack.gates.dedup import torch_bands
from synth_stack.gates.dedup.lsh import choose_bands, sign_bands
from synth_stack.gates.dedup.torch_bands import sign_bands_torch
from synth_stack.text.ragged import Ragged

EXTREME = np.array([0, 2**64 - 1, 1 << 63, (1 << 63) - 1, 1 << 32, 0xFFFFFFFF], dtype=np.uint64)


@pytest.mark.parametrize("block", [1, 1 << 10, 1 << 22])
@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1])
def test_keys_have_the_same_bits(block: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(torch_bands, "_BLOCK_VALUES", block)
    draws = np.random.default_rng(3)
    lengths = draws.integers(1, 90, 60)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    random = Ragged(draws.integers(0, 2**64, offsets[-1], dtype=np.uint64), offsets)
    extreme = Ragged(EXTREME, np.array([0, 1, 2, 3, 4, 6], dtype=np.int64))
    for sets in (random, extreme):
        for threshold in (0.5, 0.85, 0.95):
            bands, rows = choose_bands(threshold)
            found = sign_bands_torch(sets, bands, rows, seed, "cpu")
            assert found.dtype == np.uint32
            assert np.array_equal(found, sign_bands(sets, bands, rows, seed))


def test_no_sets_have_no_keys() -> None:
    pytest.importorskip("torch")
    nothing = Ragged(np.zeros(0, dtype=np.uint64), np.zeros(1, dtype=np.int64))
    assert sign_bands_torch(nothing, 3, 2, 1, "cpu").shape == (0, 3)
