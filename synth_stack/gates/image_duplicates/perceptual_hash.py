"""Perceptual hashes of images: the signs of the lowest frequencies, of the whole image and of windows in it.

A hash is 63 bits: bit 8 u + v - 1 is the sign of the cosine coefficient of vertical frequency u and
horizontal frequency v, both below 8 and not both zero (pHash; Zauner 2010, section 3.2.1, with zero in the
place of the median). A mirrored or turned image has the same coefficients with other signs or transposed, so
its hash follows from those of the image without another transform, and exactly.

Rotations are by quarter turns. A crop is a window of the image that it was cut from, so an image also has the
hashes of WINDOWS, each cut out of its thumbnail.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from synth_stack.images.looks import THUMBNAIL_SIDE

Thumbnails = NDArray[np.uint8]
"""Luminance of n images, each squeezed into a square, (n, SIDE, SIDE)."""
Hashes64 = NDArray[np.uint64]
Coefficients = NDArray[np.float32]

SIDE = THUMBNAIL_SIDE
FREQUENCIES = 8
BITS = FREQUENCIES**2 - 1
_SAMPLES = 32
"""Points along the side of a window that its frequencies are measured over."""

Span = tuple[float, float]
"""Where a window begins and ends along one side of the image, as shares of it."""

_SHARES = (0.9, 0.8)
_STEP = 0.05
"""Windows of 9 and 8 tenths of a side, every twentieth of it: what lies between two of them is 2.5% from
one."""

_EITHER = (False, True)
Orientation = tuple[bool, bool, bool]
ORIENTATIONS: tuple[Orientation, ...] = tuple(
    (transposed, upside_down, mirrored)
    for transposed in _EITHER
    for upside_down in _EITHER
    for mirrored in _EITHER
)
"""Whether an image is transposed, and then turned upside down, and then left to right: all eight ways in
which a square can lie. The first is the image as it is."""


def _list_spans(share: float) -> Iterator[Span]:
    for step in range(round((1 - share) / _STEP) + 1):
        yield (step * _STEP, step * _STEP + share)


WINDOWS: tuple[tuple[Span, Span], ...] = (
    ((0.0, 1.0), (0.0, 1.0)),
    *((down, across) for share in _SHARES for down in _list_spans(share) for across in _list_spans(share)),
)
"""Vertical and horizontal span of each window; the first is the whole image."""


def transform_windows(thumbnails: Thumbnails) -> Iterator[Coefficients]:
    """The coefficients (n, 8, 8) of each of WINDOWS in turn, of thumbnails (n, SIDE, SIDE)."""
    pixels = thumbnails.astype(np.float32)
    last: tuple[Span, Coefficients] | None = None
    for down, across in WINDOWS:
        if last is None or last[0] != down:
            last = (down, np.matmul(_frequencies(down), pixels))
        yield np.matmul(last[1], _frequencies(across).T)


def orient(coefficients: Coefficients, orientation: Orientation) -> Coefficients:
    """The coefficients (n, 8, 8) that the same images would have if they lay in that orientation."""
    transposed, upside_down, mirrored = orientation
    turned = coefficients.swapaxes(1, 2) if transposed else coefficients
    signs = np.where(np.arange(FREQUENCIES) % 2, -1, 1).astype(np.float32)
    if upside_down:
        turned = turned * signs[:, None]
    return turned * signs if mirrored else turned


def orient_pixels(pixels: Thumbnails, orientation: Orientation) -> Thumbnails:
    """Images (n, side, side) laid in that orientation."""
    transposed, upside_down, mirrored = orientation
    turned = pixels.swapaxes(1, 2) if transposed else pixels
    turned = turned[:, ::-1] if upside_down else turned
    return turned[:, :, ::-1] if mirrored else turned


def read_bits(coefficients: Coefficients) -> NDArray[np.bool_]:
    """The bits (n, 63) of coefficients (n, 8, 8)."""
    signs: NDArray[np.bool_] = coefficients.reshape(-1, FREQUENCIES**2)[:, 1:] > 0
    return signs


def resample(span: Span, points: int, side: int = SIDE) -> NDArray[np.float32]:
    """The matrix (points, side) that averages a span of `side` pixels over `points` equal pieces of it."""
    edges = np.linspace(span[0] * side, span[1] * side, points + 1)
    pixel = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights = np.maximum(overlap, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


@cache
def _frequencies(span: Span) -> NDArray[np.float32]:
    """The matrix (8, SIDE) from a side's pixels to the lowest frequencies of a span of it (DCT-II)."""
    place = (np.arange(_SAMPLES) + 0.5) * np.pi / _SAMPLES
    cosines = np.cos(np.outer(np.arange(FREQUENCIES), place))
    return np.asarray(cosines @ resample(span, _SAMPLES), np.float32)
