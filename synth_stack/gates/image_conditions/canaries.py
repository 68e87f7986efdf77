"""What the gate plants: images beside the condition of another image, and beside their own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.image_conditions.agreement import find_edges
from synth_stack.images.attached import CONDITION, attach_inline
from synth_stack.images.conditions import describe_conditions
from synth_stack.images.decoding import Pixels
from synth_stack.images.planting import SIDE, write_png
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates

_NO_WORDS = [{"role": "text", "content": ""}]


def _draw_shapes(seed: int) -> Pixels:
    """Shapes at places of their own for each seed, on a ground with some grain."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng((0x5A9E, seed))
    picture = Image.new("RGB", (SIDE, SIDE), tuple(int(c) for c in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(picture)
    for shape in range(12):
        x, y = rng.uniform(-0.1, 0.8, 2) * SIDE
        w, h = rng.uniform(0.1, 0.5, 2) * SIDE
        draw = pen.ellipse if shape % 2 else pen.rectangle
        draw((x, y, x + w, y + h), fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
    grain = rng.normal(0, 4, (SIDE, SIDE, 1))
    return np.asarray(np.clip(np.asarray(picture) + grain, 0, 255), np.uint8)


def _blur(pixels: Pixels) -> Pixels:
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(12)))


_CONDITIONS: Mapping[str, Callable[[Pixels], Pixels]] = {"canny": find_edges, "blur": _blur}


def plant_others(_: pa.Table, n: int, seed: int) -> pa.Table:
    """`n` images for each kind of condition, each beside that of another image."""
    return build_candidates(_make_rows(build_canary, n, seed, 1))


def plant_own(_: pa.Table, n: int, seed: int) -> pa.Table:
    """`n` images for each kind of condition, each beside its own."""
    return build_candidates(_make_rows(build_control, n, seed, 0))


def _make_rows(
    build: Callable[..., dict[str, Any]], n: int, seed: int, apart: int
) -> Iterator[dict[str, Any]]:
    start = seed % 2**31
    for number, (place, kind) in enumerate((p, k) for p in range(n) for k in _CONDITIONS):
        image = _draw_shapes(start + place)
        condition = _CONDITIONS[kind](_draw_shapes(start + place + apart * n))
        row = build("image", _NO_WORDS, f"a condition of kind {kind}", number, kind=kind)
        files = [attach_inline(write_png(image)), attach_inline(write_png(condition)) | {"role": CONDITION}]
        extra = canonical_text(orjson.loads(row["extra"]) | describe_conditions([kind]))
        yield row | {
            "text": None,
            "attachments": files,
            "extra": extra,
        }
