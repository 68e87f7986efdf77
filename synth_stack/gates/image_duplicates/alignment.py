"""Whether two images are the same when one is laid over the other: correlation tile by tile.

A hash says that two images may be alike; this measure looks at the pixels of their thumbnails. The window of
one image is moved until it lies best on the other, and both are then compared in each of 4 x 4 tiles by the
correlation of their luminance (zero-mean normalised cross-correlation; Lewis 1995, equation 2). Brightness,
contrast and a colour shift leave it alone. What counts is the median tile: a mark over a few tiles does not
make a copy another image, and a sky that two images share does not make them copies.

Soft gradients and horizons correlate with one another, be they of one sky or of two. So a second measure has
to agree: the correlation of texture, which is what is left of a tile without the means of its rows and
columns (the interaction of a two-way analysis of variance; Fisher 1925, section 42).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.image_duplicates.perceptual_hash import SIDE, Thumbnails

Likeness = NDArray[np.float32]

_POINTS = 32
_TILES = 4
_STEPS = (0.04, 0.02, 0.01)
"""How far each edge of a window is moved, coarse to fine: windows are a twentieth of a side apart."""
_ROUNDS = 2
_BATCH = 512
_FLAT = 1.5
"""Standard deviation in grey levels of a tile with nothing in it: rounding alone gives about 0.3, and the
grain that compression leaves about 1."""
_MIN_TEXTURE = 0.5
"""Standard deviation in grey levels of the texture of a tile that has any; rounding alone gives 0.15."""
_MIN_AGREEMENT = 0.5
"""Of the texture of copies; with the bar above chosen by `benchmarks/images.py --unseen FOLDER --tune`."""
_MIN_TILES = 4
"""Tiles with something in them, of 16: fewer do not tell images apart."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """p pairs to compare: pixels (p, SIDE, SIDE) of the first in the orientation in which they may match, of
    the second as they lie, and the window (p, 4) of the second, as shares: top, bottom, left, right.
    """

    first: Thumbnails
    second: Thumbnails
    windows: NDArray[np.float32]

    def take(self, some: slice) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.first[some], self.second[some], self.windows[some])


def measure_likeness(pairs: Pairs) -> Likeness:
    """How alike the images of each pair are, (p,): 1 for copies, about 0 for images that share nothing.

    Of images whose texture is not alike it is the likeness of the texture, below 0.5. -1 for a pair with too
    few tiles that anything can be told by.
    """
    parts = [
        _measure_batch(pairs.take(slice(begin, begin + _BATCH)))
        for begin in range(0, len(pairs.windows), _BATCH)
    ]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def has_detail(thumbnails: Thumbnails) -> NDArray[np.bool_]:
    """Whether enough tiles of each image have texture, (n,): others cannot be told apart."""
    told = [np.zeros(0, bool)]
    for begin in range(0, len(thumbnails), _BATCH):
        pixels = thumbnails[begin : begin + _BATCH].astype(np.float32)
        whole = np.tile(np.array([0, 1, 0, 1], np.float32), (len(pixels), 1))
        texture = _read_texture(_tile(_cut(pixels, whole)))
        told.append((texture.std(axis=2) > _MIN_TEXTURE).sum(axis=1) >= _MIN_TILES)
    return np.concatenate(told)


def _measure_batch(pairs: Pairs) -> Likeness:
    whole = np.tile(np.array([0, 1, 0, 1], np.float32), (len(pairs.windows), 1))
    first = _cut(pairs.first.astype(np.float32), whole)
    second = pairs.second.astype(np.float32)
    windows = pairs.windows.copy()
    best = _correlate(first, _cut(second, windows))
    for step in _STEPS:
        for _ in range(_ROUNDS):
            for edge in range(4):
                for move in (-step, step):
                    tried = windows.copy()
                    tried[:, edge] = np.clip(tried[:, edge] + move, 0, 1)
                    like = _correlate(first, _cut(second, tried))
                    better = like > best
                    best = np.where(better, like, best)
                    windows[better] = tried[better]
    return _compare_tiles(first, _cut(second, windows))


def _cut(pixels: NDArray[np.float32], windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The windows (p, 4) of images (p, SIDE, SIDE), averaged over (p, 32, 32) pieces."""
    down, across = _weigh(windows[:, :2]), _weigh(windows[:, 2:])
    cut: NDArray[np.float32] = np.matmul(np.matmul(down, pixels), across.swapaxes(1, 2))
    return cut


def _weigh(spans: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrices (p, 32, SIDE) that average spans (p, 2) of a side over 32 pieces."""
    share = np.linspace(0, 1, _POINTS + 1, dtype=np.float32)
    edges = (spans[:, :1] + (spans[:, 1:] - spans[:, :1]) * share) * SIDE
    pixel = np.arange(SIDE, dtype=np.float32)
    overlap = np.minimum(edges[:, 1:, None], pixel + 1) - np.maximum(edges[:, :-1, None], pixel)
    weights = np.maximum(overlap, 0, out=overlap)
    shares: NDArray[np.float32] = weights / np.maximum(weights.sum(axis=2, keepdims=True), np.float32(1e-6))
    return shares


def _correlate(x: NDArray[np.float32], y: NDArray[np.float32]) -> Likeness:
    """The correlation of whole images, (p,)."""
    a, b = (each.reshape(len(each), -1) for each in (x, y))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    spread = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    like: Likeness = (a * b).sum(axis=1) / np.maximum(spread, np.float32(1e-6))
    return like


def _compare_tiles(x: NDArray[np.float32], y: NDArray[np.float32]) -> Likeness:
    """The likeness of images that lie on one another as well as they can, (p,)."""
    a, b = _tile(x), _tile(y)
    told = np.maximum(a.std(axis=2), b.std(axis=2)) > _FLAT
    like = _take_median(_correlate_tiles(a, b), told)
    a, b = _read_texture(a), _read_texture(b)
    told = np.minimum(a.std(axis=2), b.std(axis=2)) > _MIN_TEXTURE
    agreement = _take_median(_correlate_tiles(a, b), told)
    return np.where(agreement < _MIN_AGREEMENT, np.minimum(like, agreement), like)


def _correlate_tiles(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The correlation of each tile, (p, 16), of tiles (p, 16, 64)."""
    a, b = a - a.mean(axis=2, keepdims=True), b - b.mean(axis=2, keepdims=True)
    spread = np.sqrt((a * a).mean(axis=2) * (b * b).mean(axis=2))
    like: NDArray[np.float32] = (a * b).mean(axis=2) / np.maximum(spread, np.float32(1e-6))
    return like


def _take_median(like: NDArray[np.float32], told: NDArray[np.bool_]) -> Likeness:
    """The median of the tiles that are told, (p,); -1 where they are too few."""
    counts = told.sum(axis=1)
    ordered = np.sort(np.where(told, like, np.inf), axis=1)
    middle = ordered[np.arange(len(ordered)), np.maximum(counts - 1, 0) // 2]
    return np.where(counts >= _MIN_TILES, middle, np.float32(-1)).astype(np.float32)


def _read_texture(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left of tiles (p, 16, 64) without the means of their rows and columns."""
    side = _POINTS // _TILES
    square = tiles.reshape(*tiles.shape[:2], side, side)
    square = square - square.mean(axis=2, keepdims=True)
    left: NDArray[np.float32] = square - square.mean(axis=3, keepdims=True)
    return left.reshape(tiles.shape)


def _tile(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tiles (p, 16, 64) of images (p, 32, 32)."""
    side = _POINTS // _TILES
    parted = pixels.reshape(len(pixels), _TILES, side, _TILES, side).swapaxes(2, 3)
    return parted.reshape(len(pixels), _TILES**2, side * side)
