import numpy as np
import pytest

from synth_stack.stats.scan import BALL_SHARES, Vectors, scan_thinned


def draw(rows: int, seed: int) -> Vectors:
    points = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def test_two_samples_of_one_kind_lack_nothing_for_sure() -> None:
    lows = [
        scan_thinned(draw(400, seed), draw(400, seed + 100), draw(50, seed + 200), 0.95).effect.low
        for seed in range(40)
    ]
    assert sum(low > 0 for low in lows) <= 3


@pytest.mark.parametrize("rows", [400, 2_000])
def test_a_tenth_that_is_left_out_is_found_where_it_was(rows: int) -> None:
    y, whole = draw(rows, 1), draw(rows, 2)
    centre = y[0]
    x = whole[np.argsort(-(whole @ centre))[rows // 10 :]]
    found = scan_thinned(x, y, y[:64], 0.95)
    assert 0 < found.effect.low < found.effect.size <= found.effect.high
    assert float(y[found.place] @ centre) > 0.4
    assert found.share_of_y - found.share == pytest.approx(found.effect.size)
    assert any(abs(found.share_of_y - share) < 0.01 for share in BALL_SHARES)


def test_more_places_need_more_evidence() -> None:
    y, x = draw(400, 1), draw(400, 2)
    few, many = (scan_thinned(x, y, y[:n], 0.95) for n in (1, 300))
    width = [found.effect.high - found.effect.low for found in (few, many)]
    assert width[0] < width[1]


def test_equal_points_give_numbers() -> None:
    same = np.ones((30, 8), dtype=np.float32) / np.float32(np.sqrt(8))
    found = scan_thinned(same, same, same[:5], 0.95)
    assert (found.effect.size, found.effect.low) == (0.0, 0.0)
