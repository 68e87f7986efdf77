"""Images as models read them: resized, cut to a square, and normalised as the folder of the model says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from synth_stack.errors import ModelError

_FILE = "preprocessor_config.json"
_MAX_BYTES = 1024 * 1024
_MAX_SIDE = 4_096
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP (Radford et al. 2021, preprocessing of the published code), where a folder says nothing else."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """How an image becomes an input: `side` pixels of the square, `mean` and `std` of the channels."""

    side: int
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD
    crop: bool = True

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(3, side, side) of pixels (height, width, 3): the shorter side fitted and the middle cut out, or
        both sides squeezed where the model does not crop.
        """
        from PIL import Image

        picture = Image.fromarray(pixels)
        if self.crop:
            share = self.side / min(picture.size)
            wide, high = (max(self.side, round(length * share)) for length in picture.size)
            left, top = (wide - self.side) // 2, (high - self.side) // 2
            picture = picture.resize((wide, high), Image.Resampling.BICUBIC)
            picture = picture.crop((left, top, left + self.side, top + self.side))
        else:
            picture = picture.resize((self.side, self.side), Image.Resampling.BICUBIC)
        values = np.asarray(picture, np.float32) / 255
        normal = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))


def read_image_input(folder: Path, side: int) -> ImageInput:
    """What the folder of a model says of its inputs; `side` is what its config says. Raises ModelError."""
    path = folder / _FILE
    if not path.is_file():
        return ImageInput(side)
    try:
        data = path.read_bytes()
        told: Any = orjson.loads(data) if len(data) <= _MAX_BYTES else None
    except (OSError, orjson.JSONDecodeError) as exc:
        raise ModelError(f"{folder.name}/{_FILE} cannot be read", seen=type(exc).__name__) from exc
    if not isinstance(told, Mapping):
        raise ModelError(f"{folder.name}/{_FILE} describes no inputs")
    sized = _read_side(told.get("crop_size") or told.get("size"), side)
    if not 1 <= sized <= _MAX_SIDE:
        raise ModelError(f"{folder.name}/{_FILE} has inputs that are too large", seen=sized)
    crop = bool(told.get("do_center_crop", "crop_size" in told))
    mean, std = (
        _read_channels(told.get(name), usual)
        for name, usual in (("image_mean", _CLIP_MEAN), ("image_std", _CLIP_STD))
    )
    return ImageInput(sized, mean, std, crop)


def _read_side(told: Any, side: int) -> int:
    if isinstance(told, Mapping):
        told = told.get("shortest_edge") or told.get("height")
    return told if type(told) is int else side


def _read_channels(told: Any, usual: tuple[float, float, float]) -> tuple[float, float, float]:
    match told:
        case [int() | float() as r, int() | float() as g, int() | float() as b]:
            return float(r), float(g), float(b)
    return usual
