"""Annotations in the format of COCO: which objects an image shows, and what people said of it.

Source: https://cocodataset.org/#format-data (read: `images`, `annotations`, `categories`; masks are not).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth_stack.errors import InputError
from synth_stack.files import open_regular
from synth_stack.inputs.json_text import parse_json
from synth_stack.inputs.plain_values import clean_text

MAX_COCO_BYTES = 512 * 1024 * 1024
"""A file is read whole; that of the 118,287 images for training of COCO 2017 has 448 MB."""

_NAMES = ("instances", "captions", "person_keypoints", "annotations", "_annotations", "labels")
_HEAD_BYTES = 4096


@dataclass(slots=True)
class CocoImage:
    """An image of COCO's: `objects` counts what it shows by category; `areas` in square pixels likewise."""

    file_name: str
    objects: dict[str, int] = field(default_factory=dict)
    areas: dict[str, float] = field(default_factory=dict)
    captions: list[str] = field(default_factory=list)

    @property
    def largest(self) -> str | None:
        """The category that covers most of the image, the first by name of equal ones; None without one."""
        return min(self.areas, key=lambda name: (-self.areas[name], name), default=None)


def is_coco(path: Path) -> bool:
    """Whether a file is one of COCO's: its name begins as theirs do, and it holds one JSON object."""
    named = path.stem.lower().startswith(_NAMES) or path.name.lower().endswith(".coco.json")
    if not named or path.suffix.lower() != ".json" or path.is_symlink() or not path.is_file():
        return False
    try:
        with open_regular(path) as file:
            return bool(file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"))
    except OSError:
        return False


def read_coco(path: Path, shown: str) -> list[CocoImage]:
    """The images of a file, in its order. Raises InputError, with `shown` as its name, for another format."""
    whole = _read_object(path, shown)
    categories = {
        _read_id(each, "id", shown): clean_text(_read_name(each, "name", shown))
        for each in _read_list(whole, "categories", shown)
    }
    images: dict[int | str, CocoImage] = {}
    for each in _read_list(whole, "images", shown, needed=True):
        key = _read_id(each, "id", shown)
        if key in images:
            raise InputError(f"{shown} has two images of one id", seen=key)
        images[key] = CocoImage(_read_name(each, "file_name", shown))
    for each in _read_list(whole, "annotations", shown, needed=True):
        image = images.get(_read_id(each, "image_id", shown))
        if image is None:
            raise InputError(f"{shown} annotates an image that it does not list", seen=each["image_id"])
        _add(image, each, categories, shown)
    return list(images.values())


def _add(image: CocoImage, said: Mapping[str, Any], categories: Mapping[int | str, str], shown: str) -> None:
    if "category_id" in said:
        name = categories.get(_read_id(said, "category_id", shown))
        if name is None:
            raise InputError(f"{shown} has no category of that id", seen=said["category_id"])
        image.objects[name] = image.objects.get(name, 0) + 1
        image.areas[name] = image.areas.get(name, 0.0) + _read_area(said, shown)
    if isinstance(said.get("caption"), str):
        image.captions.append(clean_text(said["caption"]))


def _read_area(said: Mapping[str, Any], shown: str) -> float:
    """The area of the object, or that of its box; 0 where there is neither."""
    area, box = said.get("area"), said.get("bbox")
    if area is None and isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)):
        area = box[2] * box[3]
    if area is None:
        return 0.0
    if not _is_number(area) or not 0 <= area < 1e12:
        raise InputError(f"{shown} has an area that is none", seen=area)
    return float(area)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_object(path: Path, shown: str) -> Mapping[str, Any]:
    try:
        with open_regular(path) as file:
            data = file.read(MAX_COCO_BYTES + 1)
    except OSError as exc:
        raise InputError(f"{shown} cannot be read: {exc.strerror or exc}") from exc
    if len(data) > MAX_COCO_BYTES:
        raise InputError(f"{shown} is too large", allowed=f"at most {MAX_COCO_BYTES:,} bytes")
    try:
        whole = parse_json(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as exc:
        raise InputError(f"{shown} is not JSON: {exc}") from exc
    if not isinstance(whole, dict):
        raise InputError(f"{shown} is not in the format of COCO", allowed="one object")
    return whole


def _read_list(
    whole: Mapping[str, Any], name: str, shown: str, *, needed: bool = False
) -> list[dict[str, Any]]:
    found = whole.get(name, None if needed else [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputError(f"{shown} is not in the format of COCO", allowed=f"a list of objects as {name!r}")
    return found


def _read_id(each: Mapping[str, Any], name: str, shown: str) -> int | str:
    value = each.get(name)
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise InputError(f"{shown} is not in the format of COCO: {name!r} is no id", seen=value)
    return value


def _read_name(each: Mapping[str, Any], name: str, shown: str) -> str:
    value = each.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{shown} is not in the format of COCO: {name!r} is no text", seen=value)
    return value
