"""Conditions of generated images: which attachments of a row steered its image, and as what.

`extra` of such a row has under `image` the list `conditions`, one object for each attachment of the role
`condition`, in their order. Its `kind` says what the image is: edges (`canny`), `depth`, `pose`, `blur`,
`layout` or `segment`. Of the last two `legend` says which colour (`#rrggbb`) is which label, and `boxes`
which boxes a layout was drawn from (`label` and `box`, [left, top, width, height] in pixels of the map).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.images.attached import CONDITION, AttachedFile, list_in_role

IMAGE, CONDITIONS, KIND, LEGEND, BOXES = "image", "conditions", "kind", "legend", "boxes"
UNKNOWN = "unknown"
"""The kind of a condition of which the row does not say it."""

MAX_BOXES = 10_000
_HEX = re.compile(r"#[0-9a-f]{6}", re.ASCII)

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LabelledPixelBox:
    """A box of a layout in pixels of its map, and what is to be in it."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ToldCondition:
    """A condition of a row: its kind, its file, and where it has labels what each colour stands for, and the
    boxes that it was drawn from.
    """

    kind: str
    file: AttachedFile
    legend: Mapping[Rgb, str] = field(default_factory=dict)
    boxes: tuple[LabelledPixelBox, ...] = ()


def describe_conditions(kinds: Sequence[str]) -> dict[str, Any]:
    """What `extra` says of a row with conditions of these kinds."""
    return {IMAGE: {CONDITIONS: [{KIND: kind} for kind in kinds]}}


def describe_legend(colours: Mapping[str, Rgb]) -> dict[str, Any]:
    """What a condition says of the colours of its labels."""
    return {LEGEND: {label: "#{:02x}{:02x}{:02x}".format(*rgb) for label, rgb in sorted(colours.items())}}


def describe_boxes(boxes: Sequence[LabelledPixelBox]) -> dict[str, Any]:
    """What a condition says of the boxes that it was drawn from, in whole pixels: records hold no floats."""
    told = [
        {"label": b.label, "box": [round(side) for side in (b.left, b.top, b.width, b.height)]} for b in boxes
    ]
    return {BOXES: told}


def list_conditions(table: pa.Table) -> list[list[ToldCondition]]:
    """The conditions of each of n rows, in order."""
    told = table["extra"].to_pylist() if "extra" in table.column_names else [None] * len(table)
    found: list[list[ToldCondition]] = []
    for files, extra in zip(list_in_role(table, CONDITION), told, strict=True):
        said = _read_told(extra) if files else []
        said += [None] * (len(files) - len(said))
        found.append([_make_told(each, file) for each, file in zip(said, files, strict=False)])
    return found


def _read_told(extra: str | None) -> list[Any]:
    try:
        told: Any = orjson.loads(extra or "{}")
    except orjson.JSONDecodeError:
        return []
    image = told.get(IMAGE) if isinstance(told, Mapping) else None
    listed = image.get(CONDITIONS) if isinstance(image, Mapping) else None
    return listed if isinstance(listed, list) else []


def _make_told(told: Any, file: AttachedFile) -> ToldCondition:
    """None of what a stranger's row says otherwise is believed to be a kind, a legend or a box."""
    if not isinstance(told, Mapping):
        return ToldCondition(UNKNOWN, file)
    kind = told.get(KIND)
    legend = told.get(LEGEND)
    colours = legend.items() if isinstance(legend, Mapping) else ()
    named = {
        _read_colour(value): label
        for label, value in colours
        if isinstance(value, str) and _HEX.fullmatch(value)
    }
    listed = told.get(BOXES)
    boxes = [_read_box(each) for each in listed[:MAX_BOXES]] if isinstance(listed, list) else []
    return ToldCondition(
        kind if isinstance(kind, str) else UNKNOWN,
        file,
        named,
        tuple(box for box in boxes if box is not None),
    )


def _read_colour(value: str) -> Rgb:
    return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)


def _read_box(told: Any) -> LabelledPixelBox | None:
    match told:
        case {"label": str() as label, "box": [int() as left, int() as top, int() as width, int() as height]}:
            if width > 0 and height > 0 and max(abs(left), abs(top), width, height) < 1e6:
                return LabelledPixelBox(label, left, top, width, height)
    return None
