"""Canaries: small groups of real images that were changed in one way each. Controls: unchanged ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.image_drift.outcome import CONTROL, MIN_PLANTED, PLANTED
from synth_stack.images.attached import attach_inline
from synth_stack.images.decoding import Pixels
from synth_stack.images.planting import write_png
from synth_stack.rows.schemas import build_candidates

_NO_WORDS = [{"role": "text", "content": ""}]


def _scale(pixels: Pixels, gains: Sequence[float], about: float = 0.0) -> Pixels:
    moved = about + (pixels.astype(np.float32) - about) * np.array(gains, np.float32)
    return np.asarray(np.clip(moved, 0, 255), np.uint8)


def _blur(pixels: Pixels, _: int) -> Pixels:
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(6)))


def _grey(pixels: Pixels, _: int) -> Pixels:
    return np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


def _roughen(pixels: Pixels, number: int) -> Pixels:
    height, width = pixels.shape[:2]
    blocks = np.random.default_rng(number).normal(0, 60, (-(-height // 8), -(-width // 8), 1))
    grain = np.kron(blocks, np.ones((8, 8, 1)))[:height, :width]
    return np.asarray(np.clip(pixels + grain, 0, 255), np.uint8)


def _frame(pixels: Pixels, _: int) -> Pixels:
    """The same lines over each: a mark that all images of a bad model may share."""
    framed = pixels.copy()
    height, width = framed.shape[:2]
    framed[: height // 4], framed[:, : width // 4] = (250, 20, 20), (20, 20, 250)
    return framed


CHANGES: Mapping[str, Callable[[Pixels, int], Pixels]] = {
    "lightness": lambda pixels, _: _scale(pixels, (0.3, 0.3, 0.3)),
    "contrast": lambda pixels, _: _scale(pixels, (0.2, 0.2, 0.2), 128),
    "colour": _grey,
    "warmth": lambda pixels, _: _scale(pixels, (1.5, 1.0, 0.4)),
    "blur": _blur,
    "detail": _roughen,
    "apparent": _frame,
}
"""By statistic; `narrow` is one image again and again."""
NARROW = "narrow"


def plant_shifts(
    _: pa.Table, n: int, seed: int, *, statistics: Sequence[str], real: Sequence[Pixels]
) -> pa.Table:
    """A group of `n` for each of the statistics, of real images that were changed so that it has to see it;
    none where there are too few real images.
    """

    def make() -> Iterator[dict[str, Any]]:
        for statistic in statistics:
            for number, pixels in enumerate(real[:n]):
                row = build_canary("image", _NO_WORDS, f"other {statistic}", number, kind=statistic)
                yield _attach(row, statistic, _change(statistic, pixels, number, real))

    return build_candidates(make() if min(n, len(real)) >= MIN_PLANTED else ())


def plant_real(_: pa.Table, n: int, seed: int, *, real: Sequence[Pixels]) -> pa.Table:
    """`n` of the real images, of which nothing may be said."""

    def make() -> Iterator[dict[str, Any]]:
        for number, pixels in enumerate(real[:n]):
            row = build_control("image", _NO_WORDS, "real images", number, kind="real")
            yield _attach(row, CONTROL.removeprefix(PLANTED), pixels)

    return build_candidates(make() if min(n, len(real)) >= MIN_PLANTED else ())


def _change(statistic: str, pixels: Pixels, number: int, real: Sequence[Pixels]) -> Pixels:
    if statistic == NARROW:
        return np.roll(real[0], number % 4, axis=1)
    return CHANGES[statistic](pixels, number)


def _attach(row: dict[str, Any], name: str, pixels: Pixels) -> dict[str, Any]:
    data = write_png(np.ascontiguousarray(pixels))
    return row | {"text": None, "slice": f"{PLANTED}{name}", "attachments": [attach_inline(data)]}
