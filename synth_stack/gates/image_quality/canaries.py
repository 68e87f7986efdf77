"""What the image_quality gate plants: images of the batch spoilt in the ways that it has to see, and sharp
ones.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.images.attached import attach_inline
from synth_stack.images.decoding import Pixels
from synth_stack.images.planting import draw_texture, pick_images, write_png
from synth_stack.rows.schemas import build_candidates

_NO_WORDS = [{"role": "text", "content": ""}]


def _cut_short(pixels: Pixels) -> bytes:
    data = write_png(pixels)
    return data[: len(data) * 2 // 3]


def _append(pixels: Pixels) -> bytes:
    return write_png(pixels) + b"PK\x03\x04<script>alert(1)</script>"


def _blur(pixels: Pixels) -> bytes:
    from PIL import Image, ImageFilter

    return write_png(np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(6))))


def _darken(pixels: Pixels) -> bytes:
    return write_png((pixels.astype(np.float32) * 0.08).astype(np.uint8))


def _lighten(pixels: Pixels) -> bytes:
    return write_png((255 - (255 - pixels.astype(np.float32)) * 0.06).astype(np.uint8))


def _flatten(pixels: Pixels) -> bytes:
    return write_png((128 + (pixels.astype(np.float32) - 128) * 0.01).astype(np.uint8))


def _deepen(pixels: Pixels) -> bytes:
    from PIL import Image

    kept = io.BytesIO()
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(kept, "PNG")
    return kept.getvalue()


def _write_svg(_: Pixels) -> bytes:
    return b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


_DEFECTS: dict[str, Callable[[Pixels], bytes]] = {
    "corrupt": _cut_short,
    "no_image": _write_svg,
    "trailing_data": _append,
    "mode": _deepen,
    "small": lambda pixels: write_png(pixels[:3, :3]),
    "narrow": lambda pixels: write_png(np.tile(pixels[:64, :64], (1, 64, 1))),
    "flat": _flatten,
    "dark": _darken,
    "bright": _lighten,
    "blurred": _blur,
}


def plant_faults(sample: pa.Table, n: int, seed: int, *, folder: Path | None, trailing: bool) -> pa.Table:
    """`n` images of the sample in turn for each kind of fault, spoilt by it."""
    kinds = {kind: spoil for kind, spoil in _DEFECTS.items() if trailing or kind != "trailing_data"}
    images = list(pick_images(sample, n, folder))

    def make() -> Iterator[dict[str, object]]:
        for number, (pixels, (kind, spoil)) in enumerate((p, d) for p in images for d in kinds.items()):
            row = build_canary("image", _NO_WORDS, f"an image made {kind}", number, kind=kind)
            yield row | {"text": None, "attachments": [attach_inline(spoil(pixels))]}

    return build_candidates(make())


def plant_good(_: pa.Table, n: int, seed: int) -> pa.Table:
    """`n` images that are sharp, of full contrast, and in no batch."""
    rows = [
        build_control("image", _NO_WORDS, "a sharp image", number, kind="sharp")
        | {"text": None, "attachments": [attach_inline(write_png(draw_texture(seed % 2**31 + number)))]}
        for number in range(n)
    ]
    return build_candidates(rows)
