"""How well an image follows a condition: measures in [0, 1], 0.5 where the two have nothing in common.

Both are brought to a grid of SIDE points along the longer side of the condition.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from synth_stack.images.decoding import Pixels

Grid = NDArray[np.float32]

SIDE = 256
_COARSE = 12
"""Points along a side that a blurred condition is compared over: it says nothing of what is finer."""
_DEEP = 64
"""Points along a side that depths are compared over."""
_COLOURLESS = 2.0
"""Grey levels by which the channels of an image without colours differ: rounding, and what JPEG adds."""
_GRAIN = 1.0
"""Points that an image is softened over before its slopes are measured: no net draws grain along an edge."""
_EDGE = 32
"""Of 255: a line of one pixel in an image of 1,024 is a fourth of a point of the grid."""
_MIN_EDGES, _MAX_EDGES = 0.002, 0.5
"""Shares of the grid: fewer or more edges say nothing of where edges have to be."""
_NEAR = 2
"""Points from an edge that count as neither on it nor beside it: nets draw a line a little off."""


def measure_edges(result: Pixels, condition: Pixels) -> float | None:
    """How probably the image changes more at a point on an edge of the condition than at one off all edges.

    The area under the curve of the greatest gradient around each point (Mann and Whitney 1947), which no
    texture lowers: nothing is said of how many edges the image has. None for a condition with as good as no
    edges, or with edges everywhere.
    """
    edges = _shrink(condition, *_fit(condition)) >= _EDGE
    if not _MIN_EDGES <= edges.mean() <= _MAX_EDGES:
        return None
    from scipy.ndimage import gaussian_filter

    luminance = gaussian_filter(_shrink(result, edges.shape[1], edges.shape[0]), _GRAIN)
    strength = _spread(_slope(luminance), 1)
    beside = _spread(edges.astype(np.float32), _NEAR) > 0
    return rank_above(strength[edges], strength[~beside])


def measure_blurred(result: Pixels, condition: Pixels) -> float | None:
    """How alike both are where all that is fine is left out: (1 + r) / 2, of the correlation of their colours
    over 12 x 12 points, each channel about its mean: a tint that both have is no likeness. Their luminance
    where one has no colours. None for a condition of one colour.
    """
    both = [_read_coarse(each) for each in (result, condition)]
    if any(float(np.ptp(each, axis=2).mean()) < _COLOURLESS for each in both):
        both = [each.mean(axis=2, keepdims=True) for each in both]
    first, second = (each - each.mean(axis=(0, 1)) for each in both)
    return _correlate(first, second)


def measure_depth(depth: Grid, condition: Pixels) -> float | None:
    """How alike the order of depths is: (1 + rho) / 2, of the rank correlation of the estimated depth of the
    image and the condition, both nearer where lighter (Spearman 1904). None for a condition of one depth.
    """
    from scipy.stats import rankdata

    wanted = _shrink(condition, _DEEP, _DEEP).ravel()
    found = _shrink_values(depth, _DEEP, _DEEP).ravel()
    return _correlate(*(np.asarray(rankdata(each), np.float64) for each in (found, wanted)))


PixelMeasure = Callable[[Pixels, Pixels], float | None]
MEASURES: Mapping[str, PixelMeasure] = {"canny": measure_edges, "blur": measure_blurred}
"""By the kind of the condition: those that need no model."""


def rank_above(x: NDArray[np.float32], y: NDArray[np.float32]) -> float | None:
    """How probably a value of x is above one of y, ties counting half; None where either has none."""
    if not len(x) or not len(y):
        return None
    ordered = np.sort(y)
    below, at_most = (np.searchsorted(ordered, x, side) for side in ("left", "right"))
    return float((below + at_most).mean() / (2 * len(y)))


def find_edges(pixels: Pixels) -> Pixels:
    """A condition drawn from an image: white where it changes most, a twentieth of its points, else black."""
    slope = _slope(pixels.astype(np.float32).mean(axis=2))
    top = np.quantile(slope, 0.95)
    edges = np.where((slope > top) & (slope > 0), 255, 0).astype(np.uint8)
    return np.repeat(edges[:, :, None], 3, axis=2)


def _correlate(x: NDArray[np.generic], y: NDArray[np.generic]) -> float | None:
    a, b = (each.astype(np.float64) - each.mean() for each in (x, y))
    if b.std() < 1e-6:
        return None
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return 0.5 if spread < 1e-9 else float((1 + (a * b).sum() / spread) / 2)


def _fit(pixels: Pixels) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    share = min(1.0, SIDE / max(height, width))
    return max(8, round(width * share)), max(8, round(height * share))


def _shrink(pixels: Pixels, width: int, height: int) -> Grid:
    """Luminance over (height, width) points."""
    from PIL import Image

    small = Image.fromarray(pixels).convert("L").resize((width, height), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def _shrink_values(values: Grid, width: int, height: int) -> Grid:
    from PIL import Image

    small = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(small.resize((width, height), Image.Resampling.BOX), np.float32)


def _read_coarse(pixels: Pixels) -> Grid:
    from PIL import Image

    small = Image.fromarray(pixels).resize((_COARSE, _COARSE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def _slope(luminance: Grid) -> Grid:
    """How much it changes at each point: the length of the gradient by central differences."""
    down, across = np.gradient(luminance)
    return np.asarray(np.hypot(down, across), np.float32)


def _spread(values: Grid, points: int) -> Grid:
    """The greatest value within so many points."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(values, size=2 * points + 1), np.float32)
