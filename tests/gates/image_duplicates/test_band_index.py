import numpy as np
import pytest

from synth_stack.gates.image_duplicates import band_index
from synth_stack.gates.image_duplicates.band_index import RADIUS, index_hashes, pack_bits


def find(queries: np.ndarray, hashes: np.ndarray) -> set[tuple[int, int, int]]:
    found = index_hashes(hashes).find_near(queries)
    return {(int(q), int(h), int(d)) for each in found for q, h, d in zip(*each, strict=True)}


@pytest.mark.parametrize("chunk", [0, 50, 1 << 21])
def test_every_pair_within_the_radius_is_found_and_no_other(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (60, 63)).astype(bool)
    near = []
    for flips in range(RADIUS + 4):
        changed = bits.copy()
        for row in changed:
            row[rng.choice(63, flips, replace=False)] ^= True
        near.append(changed)
    queries, hashes = pack_bits(np.concatenate(near)), pack_bits(bits)
    apart = np.bitwise_count(queries[:, None] ^ hashes)
    expected = {(int(q), int(h), int(apart[q, h])) for q, h in np.argwhere(apart <= RADIUS)}
    assert len(expected) == 60 * (RADIUS + 1)

    monkeypatch.setattr(band_index, "_CHUNK", chunk)
    assert find(queries, hashes) == expected


def test_the_first_bit_is_the_lowest() -> None:
    assert pack_bits(np.eye(3, 63, dtype=bool)).tolist() == [1, 2, 4]
