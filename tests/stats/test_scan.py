import numpy as np
import pytest

from synth_stack.stats.scan import Vectors, scan_thinned


def draw(rows: int, seed: int) -> Vectors:
    points = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def test_two_samples_of_one_kind_seldom_lack_anything_for_sure() -> None:
    places = np.arange(50)
    lows = [
        [
            scan_thinned(draw(400, seed), draw(400, seed + 100), places, level, seed).effect.low
            for seed in range(60)
        ]
        for level in (0.8, 0.99)
    ]
    often, seldom = (sum(low > 0 for low in each) for each in lows)
    assert 4 <= often <= 22  # twelve are due
    assert seldom <= 2


@pytest.mark.parametrize("rows", [400, 2_000])
def test_a_tenth_that_is_left_out_is_found_where_it_was(rows: int) -> None:
    y, whole = draw(rows, 1), draw(rows, 2)
    centre = y[0]
    x = whole[np.argsort(-(whole @ centre))[rows // 10 :]]
    found = scan_thinned(x, y, np.arange(64), 0.99, 1)
    assert 0 < found.effect.low < found.effect.size <= found.effect.high
    assert float(y[found.place] @ centre) > 0.4
    assert found.share_of_y - found.share == pytest.approx(found.effect.size)


def test_more_places_and_a_higher_level_need_more_evidence() -> None:
    y, x = draw(400, 1), draw(400, 2)
    few, many = (scan_thinned(x, y, np.arange(n), 0.99, 1) for n in (1, 300))
    surer = scan_thinned(x, y, np.arange(300), 0.999, 1)
    width = [found.effect.high - max(found.effect.size, 0) for found in (few, many, surer)]
    assert width[0] < width[1] < width[2]


@pytest.mark.parametrize(("n", "m", "k"), [(30, 30, 5), (1, 2, 1), (1, 40, 40)])
def test_equal_and_few_points_give_numbers(n: int, m: int, k: int) -> None:
    same = np.ones((m, 8), dtype=np.float32) / np.float32(np.sqrt(8))
    found = scan_thinned(same[:n], same, np.arange(k), 0.95, 1)
    assert (found.effect.size, found.effect.low, found.effect.high) == (0.0, 0.0, 0.0)
    apart = scan_thinned(draw(n, 1), draw(m, 2), np.arange(k), 0.95, 1)
    assert np.isfinite([apart.effect.size, apart.effect.low, apart.effect.high]).all()


def test_the_same_points_give_the_same_region() -> None:
    y, x = draw(400, 1), draw(400, 2)
    assert scan_thinned(x, y, np.arange(50), 0.99, 7) == scan_thinned(x, y, np.arange(50), 0.99, 7)
