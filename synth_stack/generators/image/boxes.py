"""Files of boxes: JSON Lines, an image a line, with what is to be where in it."""

import json
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth_stack.errors import InputError
from synth_stack.images.condition_maps import LabelledBox
from synth_stack.inputs.records import read_strictly

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A line of boxes is one image, of 10,000 boxes at most."""


class _Box(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    label: Annotated[str, Field(min_length=1, max_length=200)]
    box: Annotated[list[float], Field(min_length=4, max_length=4)]


class _BoxedImage(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    file_name: Annotated[str, Field(min_length=1, max_length=1000)]
    width: Annotated[float, Field(gt=0, le=1e6)]
    height: Annotated[float, Field(gt=0, le=1e6)]
    boxes: Annotated[list[_Box], Field(max_length=10_000)]


def read_boxes(path: Path) -> dict[str, tuple[LabelledBox, ...]]:
    """The boxes of each image by its name without its ending. Raises InputError, which names the line."""
    found: dict[str, tuple[LabelledBox, ...]] = {}
    for place, record in read_strictly(path, max_bytes=MAX_LINE_BYTES):
        try:
            image = _BoxedImage.model_validate_json(json.dumps(record))
        except (ValidationError, ValueError, TypeError) as exc:
            first = exc.errors()[0] if isinstance(exc, ValidationError) else {"loc": (), "msg": str(exc)}
            where = ".".join(map(str, first["loc"]))
            raise InputError(f"{path.name}: {place} describes no boxes: {where} {first['msg']}") from exc
        name = strip_ending(image.file_name)
        if name in found:
            raise InputError(f"{path.name}: {place} describes an image twice", seen=name)
        found[name] = tuple(_make_box(box, image, f"{path.name}: {place}") for box in image.boxes)
    if not found:
        raise InputError(f"{path.name} describes no image")
    return found


def _make_box(told: _Box, image: _BoxedImage, where: str) -> LabelledBox:
    left, top, width, height = told.box
    if not (left >= 0 and top >= 0 and 0 < width <= image.width - left and 0 < height <= image.height - top):
        raise InputError(f"{where}: a box does not lie in its image", seen=told.box)
    return LabelledBox(
        told.label, left / image.width, top / image.height, width / image.width, height / image.height
    )


def strip_ending(path: str) -> str:
    """The name by which files of several sources belong together: a relative path without its ending."""
    return PurePosixPath(path).with_suffix("").as_posix()
