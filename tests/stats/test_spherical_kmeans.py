import numpy as np

from synth_stack.stats.spherical_kmeans import find_nearest, fit_centres


def make_vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3, 16), 40, axis=0) + 0.05 * rng.normal(size=(120, 16))
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_three_bundles_of_vectors_get_three_centres() -> None:
    vectors = make_vectors()
    nearest, cosine = find_nearest(vectors, fit_centres(vectors, 6, seed=1))
    assert all(not set(nearest[:40]) & set(other) for other in (nearest[40:80], nearest[80:]))
    assert cosine.min() > 0.9


def test_the_same_rows_give_the_same_centres_and_few_rows_fewer() -> None:
    vectors = make_vectors()
    assert np.array_equal(fit_centres(vectors, 4, seed=1), fit_centres(vectors, 4, seed=1))
    assert fit_centres(vectors[:2], 9, seed=1).shape == (2, 16)
    assert find_nearest(vectors[:0], vectors[:3])[0].shape == (0,)
