import numpy as np
import pytest
from scipy.fft import dctn

from synth_stack.gates.image_duplicates.perceptual_hash import (
    ORIENTATIONS,
    SIDE,
    WINDOWS,
    Orientation,
    orient,
    orient_pixels,
    read_bits,
    resample,
    transform_windows,
)

NOISE = np.random.default_rng(1).integers(0, 256, (5, SIDE, SIDE), dtype=np.uint8)


def transform(thumbnails: np.ndarray) -> np.ndarray:
    return next(iter(transform_windows(thumbnails)))


def test_the_coefficients_are_those_of_a_cosine_transform() -> None:
    halved = NOISE.reshape(5, 32, 2, 32, 2).mean(axis=(2, 4))
    expected = dctn(halved, axes=(1, 2))[:, :8, :8] / 4
    assert np.allclose(transform(NOISE), expected, rtol=1e-3, atol=1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_hash_of_a_turned_image_follows_from_that_of_the_image(orientation: Orientation) -> None:
    turned = np.ascontiguousarray(orient_pixels(NOISE, orientation))
    assert (read_bits(transform(turned)) == read_bits(orient(transform(NOISE), orientation))).all()


def test_a_window_has_the_hash_of_the_image_cut_there() -> None:
    hashes = [read_bits(each) for each in transform_windows(NOISE)]
    for (down, across), bits in zip(WINDOWS, hashes, strict=True):
        cut = resample(down, SIDE) @ NOISE.astype(np.float32) @ resample(across, SIDE).T
        apart = (read_bits(transform(cut)) != bits).sum(axis=1)
        assert apart.max() <= 3


def test_windows_reach_every_edge() -> None:
    assert len(set(WINDOWS)) == len(WINDOWS) == 35
    edges = np.array([[*down, *across] for down, across in WINDOWS])
    assert edges.min() == 0
    assert np.isclose(edges.max(), 1)
    assert (edges[:, 1] - edges[:, 0]).min() > 0.79
