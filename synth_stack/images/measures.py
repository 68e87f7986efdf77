"""What can be measured of one image: how light, how varied, how sharp. Each in [0, 1], of its luminance.

Luminance is that of Rec. 601, as image formats have it. Sharpness is measured at the size that the image
has: an enlarged small image is blurred, and a large one that was made smaller is not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.images.decoding import Pixels

Luminance = NDArray[np.float32]

MAX_SIDE = 512
"""The middle of a larger image is measured: what is blurred there is blurred."""
_ROUNDING = np.float32(1 / 255)
"""What 8 bits add to a difference between neighbours: in a soft ramp it is all that there is, and no edge."""
_KERNEL = 9
"""Pixels that the comparison blurs over (Crete et al. 2007, section 3)."""
_TAIL = 0.02
"""Pixels that may be of any luminance: a few specks of light do not make a black image an image."""
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32) / 255


@dataclass(frozen=True, slots=True)
class ImageMeasures:
    """Of one image: `lightest` and `darkest`, the luminance that 98% and 2% of the pixels are at most;
    `contrast`, from the one to the other; and `blur`.
    """

    lightest: float
    darkest: float
    contrast: float
    blur: float


def measure_image(pixels: Pixels) -> ImageMeasures:
    """The measures of pixels (height, width, 3)."""
    luminance = _read_luminance(pixels)
    counts = np.bincount(np.rint(luminance * 255).astype(np.int64).ravel(), minlength=256)
    reached = np.cumsum(counts) / counts.sum()
    low, high = (float(np.searchsorted(reached, share)) / 255 for share in (_TAIL, 1 - _TAIL))
    return ImageMeasures(high, low, high - low, measure_blur(luminance))


def measure_blur(luminance: Luminance) -> float:
    """How blurred (height, width) is: from 0, sharp, to 1.

    The share of the differences between neighbours that is left when the image is blurred once more, in the
    direction in which more is left (Crete et al. 2007, "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric", section 3), one grey level of each left out as rounding. It hardly
    depends on contrast. 1 where nothing varies.
    Every second line is measured: a line is no less blurred than the next one.
    """
    return max(_measure_along(luminance[::2]), _measure_along(np.ascontiguousarray(luminance[:, ::2].T)))


def _measure_along(luminance: Luminance) -> float:
    """Along the second axis."""
    n = luminance.shape[1]
    if n <= _KERNEL + 1:
        return 1.0
    total = np.cumsum(np.pad(luminance, ((0, 0), (1, 0))), axis=1, dtype=np.float32)
    blurred = (total[:, _KERNEL:] - total[:, :-_KERNEL]) / _KERNEL
    half = _KERNEL // 2
    inner = luminance[:, half : n - half]
    sharp = np.maximum(np.abs(np.diff(inner, axis=1)) - _ROUNDING, 0)
    left = np.abs(np.diff(blurred, axis=1))
    whole = float(sharp.sum(dtype=np.float64))
    lost = float(np.maximum(sharp - left, 0).sum(dtype=np.float64))
    return 1.0 if whole < 1e-6 * sharp.size else (whole - lost) / whole


def _read_luminance(pixels: Pixels) -> Luminance:
    height, width = pixels.shape[:2]
    top, left = max(0, (height - MAX_SIDE) // 2), max(0, (width - MAX_SIDE) // 2)
    inside = pixels[top : top + MAX_SIDE, left : left + MAX_SIDE]
    return np.asarray(inside @ _WEIGHTS, np.float32)
