"""What is read of an image to compare sets of images by: six plain figures, and a vector of its layout."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.images.decoding import Pixels
from synth_stack.images.measures import measure_image

Vector = NDArray[np.float32]

FIGURES: Mapping[str, str] = {
    "lightness": "how light they are",
    "contrast": "how far their darkest and lightest parts are apart",
    "colour": "how colourful they are",
    "warmth": "how much more red than blue there is",
    "blur": "how blurred they are",
    "detail": "how much changes from point to point",
}
"""Each figure in words."""

_SIDE = 64
_CELLS = 4
_BINS = 8
LAYOUT_WIDTH = _CELLS**2 * (3 + _BINS)


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Of one image: `figures` in the order of FIGURES, and a unit `vector`."""

    figures: Vector
    vector: Vector


Describe = Callable[[Pixels], Vector]


def read_features(pixels: Pixels, describe: Describe) -> ImageFeatures:
    """The features of an image, whose vector is as `describe` gives it."""
    from PIL import Image

    measured = measure_image(pixels)
    small = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
    red, green, blue = (small[..., k] for k in range(3))
    down, across = np.gradient(small.mean(axis=2))
    figures = (
        float(small.mean()) / 255,
        measured.contrast,
        _measure_colour(red, green, blue),
        float((red - blue).mean()) / 255,
        measured.blur,
        float(np.hypot(down, across).mean()) / 255,
    )
    return ImageFeatures(np.array(figures, np.float32), describe(pixels))


def describe_layout(pixels: Pixels) -> Vector:
    """A unit vector (176,) of where which colours and which directions are: the mean colour of 4 x 4 cells,
    and how much changes in each of 8 directions there (the histograms of Dalal and Triggs 2005, one cell to a
    block). Both parts weigh the same.
    """
    from PIL import Image

    small = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
    side = _SIDE // _CELLS
    colours = small.reshape(_CELLS, side, _CELLS, side, 3).mean(axis=(1, 3)).ravel() / 255 - 0.5
    down, across = np.gradient(small.mean(axis=2))
    strength = np.hypot(down, across)
    turn = np.mod(np.arctan2(down, across), np.pi) / np.pi * _BINS
    bins = np.minimum(turn.astype(np.int64), _BINS - 1)
    cell = np.arange(_SIDE) // side
    places = (cell[:, None] * _CELLS + cell[None, :]) * _BINS + bins
    directions = np.bincount(places.ravel(), strength.ravel(), minlength=_CELLS**2 * _BINS)
    parts = [each / max(float(np.linalg.norm(each)), 1e-6) for each in (colours, directions)]
    return np.asarray(np.concatenate(parts) / np.sqrt(2), np.float32)


def _measure_colour(red: Vector, green: Vector, blue: Vector) -> float:
    """Colourfulness (Hasler and Suesstrunk 2003, equation 12), 0 for grey and about 1 at most."""
    one, other = red - green, (red + green) / 2 - blue
    spread = np.sqrt(one.var() + other.var())
    mean = np.sqrt(one.mean() ** 2 + other.mean() ** 2)
    return float(spread + 0.3 * mean) / 255
