"""Planted rows with images: what the gates on images make their canaries and controls from."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from synth_stack.images.attached import list_attached, read_attached
from synth_stack.images.decoding import Pixels

SIDE = 256
"""Pixels of a planted image's side at most: enough for every check, and little to keep."""


def sample_images(sample: pa.Table, n: int, folder: Path | None) -> list[tuple[str, Pixels]]:
    """Up to `n` images of a sample of rows that can be decoded, made smaller to SIDE, and the slices of their
    rows; at most 3 n rows are tried.
    """
    from PIL import Image

    found: list[tuple[str, Pixels]] = []
    some = sample.slice(0, 3 * n)
    for attached, name in zip(list_attached(some), some["slice"].to_pylist(), strict=True):
        image = read_attached(folder, attached).image
        if image is not None and len(found) < n:
            picture = Image.fromarray(image.pixels)
            picture.thumbnail((SIDE, SIDE))
            found.append((name or "", np.asarray(picture)))
    return found


def draw_texture(seed: int, side: int = SIDE) -> Pixels:
    """An image of blocks and grain that is in no batch: sharp, of full contrast, the same for the same
    seed.
    """
    rng = np.random.default_rng((0x1A6E, seed))
    blocks = rng.integers(0, 256, (8, 8, 3))
    large = np.kron(blocks, np.ones((side // 8, side // 8, 1)))
    fine = np.kron(rng.integers(0, 256, (side // 8, side // 8, 1)), np.ones((8, 8, 1)))
    mixed = 0.6 * large + 0.3 * fine + rng.integers(0, 26, (side, side, 1))
    return mixed.astype(np.uint8)


def write_png(pixels: Pixels) -> bytes:
    """A PNG file of pixels (height, width, 3)."""
    from PIL import Image

    kept = io.BytesIO()
    Image.fromarray(pixels).save(kept, "PNG", compress_level=1)
    return kept.getvalue()


def pick_images(sample: pa.Table, n: int, folder: Path | None) -> Iterator[Pixels]:
    """`n` images: those of the sample in turn, or textures where none of it can be decoded."""
    found = [pixels for _, pixels in sample_images(sample, n, folder)]
    for number in range(n):
        yield found[number % len(found)] if found else draw_texture(number)
