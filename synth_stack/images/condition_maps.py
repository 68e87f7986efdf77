"""What steers the making of an image, drawn from another image or from boxes: edges, blur, layout.

OpenCV does the drawing, and its version is recorded with the teacher's. The same pixels give the same map.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth_stack.errors import MissingExtra
from synth_stack.images.decoding import Pixels

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box in an image: shares of its width and height from the left and top, and what is in it."""

    label: str
    left: float
    top: float
    width: float
    height: float


def fit(pixels: Pixels, width: int, height: int, *, labels: bool = False) -> Pixels:
    """The middle of an image in that size: the largest part of this shape, made larger or smaller.

    With `labels` no colour is mixed of two: for masks, whose colours are names.
    """
    cv2 = need_opencv()
    old_height, old_width = pixels.shape[:2]
    if (old_width, old_height) == (width, height):
        return pixels
    scale = min(old_width / width, old_height / height)
    cut_width, cut_height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (old_width - cut_width) // 2, (old_height - cut_height) // 2
    cut = np.ascontiguousarray(pixels[top : top + cut_height, left : left + cut_width])
    # area averages where an image gets smaller: edges of single pixels would come and go (OpenCV, resize)
    smooth = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    method = cv2.INTER_NEAREST if labels else smooth
    return np.asarray(cv2.resize(cut, (width, height), interpolation=method), np.uint8)


def draw_edges(pixels: Pixels, low: int, high: int) -> Pixels:
    """White edges on black (Canny 1986), with the thresholds `low` and `high` of the gradient."""
    cv2 = need_opencv()
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return np.repeat(np.asarray(cv2.Canny(grey, low, high), np.uint8)[:, :, None], 3, axis=2)


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """The image under a Gaussian of `sigma` pixels."""
    cv2 = need_opencv()
    return np.asarray(cv2.GaussianBlur(np.ascontiguousarray(pixels), (0, 0), sigma), np.uint8)


def draw_boxes(
    boxes: Sequence[LabelledBox], width: int, height: int, colours: Mapping[str, Colour]
) -> Pixels:
    """Boxes filled with the colours of their labels on black, larger ones below smaller ones.

    A label without a colour gets the first three bytes of its SHA-256: the same in every image.
    """
    cv2 = need_opencv()
    canvas = np.zeros((height, width, 3), np.uint8)
    for box in sorted(boxes, key=lambda each: -each.width * each.height):
        first = round(box.left * width), round(box.top * height)
        last = round((box.left + box.width) * width) - 1, round((box.top + box.height) * height) - 1
        if last[0] >= first[0] and last[1] >= first[1]:
            cv2.rectangle(canvas, first, last, colours.get(box.label) or colour_of(box.label), thickness=-1)
    return canvas


def colour_of(label: str) -> Colour:
    """The colour that a label has where nobody gave it one."""
    red, green, blue = hashlib.sha256(label.encode("utf-8", "replace")).digest()[:3]
    return red, green, blue


def need_opencv() -> Any:
    """OpenCV. Raises MissingExtra without it."""
    try:
        import cv2
    except ImportError as exc:
        raise MissingExtra(
            "conditions are drawn by OpenCV",
            seen="not installed",
            mend="Run: pip install 'synth-stack[diffusion]'",
        ) from exc
    return cv2
