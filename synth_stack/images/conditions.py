"""Conditions of generated images: which attachments of a row steered its image, and as what.

`extra` of such a row has under `image` the list `conditions`, one object for each attachment of the role
`condition`, in their order. Its `kind` says what the image is: edges (`canny`), `depth`, `pose`, `blur`,
`layout` or `segment`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.images.attached import CONDITION, AttachedFile, list_in_role

IMAGE, CONDITIONS, KIND = "image", "conditions", "kind"
UNKNOWN = "unknown"
"""The kind of a condition of which the row does not say it."""

KindedFile = tuple[str, AttachedFile]


def describe_conditions(kinds: Sequence[str]) -> dict[str, Any]:
    """What `extra` says of a row with conditions of these kinds."""
    return {IMAGE: {CONDITIONS: [{KIND: kind} for kind in kinds]}}


def list_conditions(table: pa.Table) -> list[list[KindedFile]]:
    """The conditions of each of n rows, in order, each with its kind."""
    told = table["extra"].to_pylist() if "extra" in table.column_names else [None] * len(table)
    found: list[list[KindedFile]] = []
    for files, extra in zip(list_in_role(table, CONDITION), told, strict=True):
        kinds = _read_kinds(extra) if files else []
        kinds += [UNKNOWN] * (len(files) - len(kinds))
        found.append(list(zip(kinds, files, strict=False)))
    return found


def _read_kinds(extra: str | None) -> list[str]:
    """None of what a stranger's row says otherwise is believed to be a kind."""
    try:
        told: Any = orjson.loads(extra or "{}")
    except orjson.JSONDecodeError:
        return []
    image = told.get(IMAGE) if isinstance(told, Mapping) else None
    listed = image.get(CONDITIONS) if isinstance(image, Mapping) else None
    if not isinstance(listed, list):
        return []
    kinds = [each.get(KIND) if isinstance(each, Mapping) else None for each in listed]
    return [kind if isinstance(kind, str) else UNKNOWN for kind in kinds]
