"""What steers the making of an image, drawn from another image, from boxes, or from what a model saw: edges,
blur, depths, layouts, labels.

OpenCV draws edges and blurs and changes sizes; its version is recorded with the teacher's. The same pixels
give the same map.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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


class PixelBox(Protocol):
    """A box in pixels of an image, by whomever it was found or asked for, and what is in it."""

    @property
    def label(self) -> str: ...
    @property
    def left(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def width(self) -> float: ...
    @property
    def height(self) -> float: ...


def share_boxes(boxes: Iterable[PixelBox], width: int, height: int) -> list[LabelledBox]:
    """Boxes in pixels of an image of that size, as shares of its sides."""
    return [
        LabelledBox(b.label, b.left / width, b.top / height, b.width / width, b.height / height)
        for b in boxes
    ]


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
    canvas = np.zeros((height, width, 3), np.uint8)
    for box in sorted(boxes, key=lambda each: -each.width * each.height):
        left, top = round(box.left * width), round(box.top * height)
        right, bottom = round((box.left + box.width) * width), round((box.top + box.height) * height)
        canvas[top:bottom, left:right] = colours.get(box.label) or colour_of(box.label)
    return canvas


def draw_depths(depths: NDArray[np.float32], width: int, height: int) -> Pixels:
    """Depths (h, w), more where nearer, as greys from black, the farthest, to white (MiDaS, run.py)."""
    from PIL import Image

    low, high = float(depths.min()), float(depths.max())
    flat = np.zeros_like(depths) if high - low < 1e-9 else (depths - low) / (high - low)
    small = Image.fromarray(np.ascontiguousarray(flat, np.float32))
    grown = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    grey = np.clip(np.rint(grown * 255), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def draw_labels(places: NDArray[np.int64], colours: Sequence[Colour]) -> Pixels:
    """The colour of the label of each point (height, width)."""
    return np.asarray(colours, np.uint8)[places]


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
