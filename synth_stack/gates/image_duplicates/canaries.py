"""What the image_duplicates gate plants: images of the batch changed as copies are, and images of none."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.image_duplicates.alignment import has_detail
from synth_stack.gates.image_duplicates.perceptual_hash import SIDE
from synth_stack.images.attached import attach_inline
from synth_stack.images.decoding import Pixels
from synth_stack.images.planting import draw_texture, sample_images, write_png
from synth_stack.rows.schemas import build_candidates

_NO_WORDS = [{"role": "text", "content": ""}]
_CROP = 0.08
"""Cut from the sides: between two of the windows that are hashed, where a copy is hardest to see."""


def _recompress(pixels: Pixels) -> Pixels:
    from PIL import Image

    kept = BytesIO()
    Image.fromarray(pixels).save(kept, "JPEG", quality=30)
    with Image.open(kept) as opened:
        return np.asarray(opened.convert("RGB"))


def _crop(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return pixels[round(height * _CROP) :, : round(width * (1 - _CROP))]


def _shift_colours(pixels: Pixels) -> Pixels:
    moved = pixels * np.array([0.85, 1.0, 1.15]) + np.array([8, 0, -8])
    return np.asarray(np.clip(moved, 0, 255), np.uint8)


def _mark(pixels: Pixels) -> Pixels:
    marked = pixels.copy()
    height, width = marked.shape[:2]
    band = marked[round(height * 0.7) : round(height * 0.82), round(width * 0.3) :]
    band[:, ::3] = band[:, ::3] // 2 + 127
    return marked


_CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "recompressed": _recompress,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "turned": lambda pixels: pixels.swapaxes(0, 1)[::-1],
    "cropped": _crop,
    "shifted_colours": _shift_colours,
    "watermarked": _mark,
}


def plant_copies(sample: pa.Table, n: int, seed: int, *, folder: Path | None) -> pa.Table:
    """Up to `n` images of the sample in each of the ways in which copies are changed; flat ones are left
    out.
    """
    from PIL import Image

    found = [pixels for _, pixels in sample_images(sample, 2 * n, folder)]
    small = [np.asarray(Image.fromarray(each).convert("L").resize((SIDE, SIDE))) for each in found]
    told = has_detail(np.stack([np.zeros((SIDE, SIDE), np.uint8), *small]))[1:]
    sources = [pixels for pixels, known in zip(found, told, strict=True) if known][:n]

    def make() -> Iterator[dict[str, Any]]:
        for number, (pixels, (kind, change)) in enumerate((p, c) for p in sources for c in _CHANGES.items()):
            row = build_canary("image", _NO_WORDS, f"a copy, {kind.replace('_', ' ')}", number, kind=kind)
            data = write_png(np.ascontiguousarray(change(pixels)))
            yield row | {"text": None, "attachments": [attach_inline(data)]}

    return build_candidates(make())


def plant_new(_: pa.Table, n: int, seed: int) -> pa.Table:
    """`n` images that are in no batch."""
    rows = [
        build_control("image", _NO_WORDS, "an image of its own", number, kind="new")
        | {"text": None, "attachments": [attach_inline(write_png(draw_texture(seed % 2**31 + number)))]}
        for number in range(n)
    ]
    return build_candidates(rows)
