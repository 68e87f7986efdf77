import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from synth_stack.stats.divergence import (
    draw_weights,
    map_fourier,
    measure_auc,
    measure_bandwidth,
    measure_interval,
    measure_jensen_shannon,
    measure_ks,
    measure_lost,
    measure_mmd,
    measure_psi,
    measure_variation,
    measure_wasserstein,
    score_two_samples,
)

RNG = np.random.default_rng(5)
X, Y = np.round(RNG.normal(0.4, 1, 150), 1), np.round(RNG.normal(0, 1, 220), 1)
ONE = np.ones((1, 150), np.float32), np.ones((1, 220), np.float32)


def test_distances_of_numbers_are_those_of_scipy() -> None:
    assert measure_ks(X, Y, *ONE)[0] == pytest.approx(stats.ks_2samp(X, Y).statistic)
    wanted = stats.wasserstein_distance(X, Y) / Y.std()
    assert measure_wasserstein(X, Y, *ONE)[0] == pytest.approx(wanted)
    wins = stats.mannwhitneyu(X, Y).statistic / (len(X) * len(Y))
    assert measure_auc(X, Y, *ONE)[0] == pytest.approx(wins)


def test_weights_stand_for_repeated_rows() -> None:
    weights = draw_weights(150, 3, seed=1)
    again = np.repeat(X, weights[2].astype(int))
    other = np.ones((4, 220), np.float32)
    assert weights.sum(axis=1).tolist() == [150] * 4
    assert measure_ks(X, Y, weights, other)[2] == pytest.approx(stats.ks_2samp(again, Y).statistic)


def test_distances_of_classes() -> None:
    x, y = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2])
    ones = np.ones((1, 4), np.float32), np.ones((1, 4), np.float32)
    assert measure_variation(x, y, 3, *ones)[0] == 0.5
    assert measure_lost(x, y, np.ones(3, dtype=bool), *ones)[0] == 0.25
    assert measure_lost(x, y, np.array([True, True, False]), *ones)[0] == 0
    p, q = np.array([3.5, 1.5, 0.5]) / 5.5, np.array([1.5, 2.5, 1.5]) / 5.5
    assert measure_psi(x, y, 3, *ones)[0] == pytest.approx(((p - q) * np.log(p / q)).sum())


def test_the_divergence_of_words_is_that_of_scipy() -> None:
    p, q = np.array([[3.0, 1, 0]]), np.array([[1.0, 2, 1]])
    assert measure_jensen_shannon(p, q)[0] == pytest.approx(distance.jensenshannon(p[0], q[0], 2) ** 2)
    assert measure_jensen_shannon(np.zeros((1, 3)), np.zeros((1, 3)))[0] == 0


def test_mmd_by_fourier_features_is_near_that_of_the_kernel() -> None:
    x = RNG.normal(0.3, 1, (150, 8)).astype(np.float32)
    y = RNG.normal(0, 1, (220, 8)).astype(np.float32)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-distance.cdist(a, b, "sqeuclidean") / 2 / 9).mean())

    wanted = kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)
    features = [map_fourier(rows, 3.0, 1, 4096) for rows in (x, y)]
    assert measure_mmd(features[0], features[1], *ONE)[0] == pytest.approx(wanted, rel=0.1)
    assert measure_bandwidth(np.zeros((1, 4), np.float32)) > 0


def test_a_classifier_tells_what_differs_and_not_what_does_not() -> None:
    x, y, z = (RNG.normal(mean, 1, (300, 12)).astype(np.float32) for mean in (0.5, 0, 0))
    ones = np.ones((1, 300), np.float32)
    assert measure_auc(*score_two_samples(x, y, 5, 1), ones, ones)[0] > 0.85
    assert 0.4 < measure_auc(*score_two_samples(z, y, 5, 1), ones, ones)[0] < 0.6


def test_the_interval_of_no_difference_reaches_to_nothing_and_that_of_a_large_one_does_not() -> None:
    wx, wy = draw_weights(150, 300, 1), draw_weights(220, 300, 2)
    same = measure_interval(measure_ks(X, Y - Y.mean() + X.mean(), wx, wy))
    shifted = measure_interval(measure_ks(X + 2, Y, wx, wy))
    assert same.low < 0.03
    assert 0.5 < shifted.low < shifted.size < 1


def test_constant_columns_have_finite_or_infinite_distances_and_never_nan() -> None:
    same = np.ones(150)
    assert measure_wasserstein(same, np.ones(220), *ONE)[0] == 0
    assert measure_wasserstein(same + 1, np.ones(220), *ONE)[0] == np.inf
    assert measure_ks(same, np.ones(220), *ONE)[0] == 0
