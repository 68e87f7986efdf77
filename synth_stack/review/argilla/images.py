"""The images of rows as reviewers see them: in the record itself, so that no server serves files.

Each is decoded and encoded anew, so nothing else of a file comes along, and no name tells a planted one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from synth_stack.images.attached import CONDITION, RESULT, ReadImage, list_attached, map_images
from synth_stack.images.small_images import encode_small

SIDE = 768
"""Pixels of the longer side: what a page shows, and far below the 5 MB that Argilla 2.8 takes of an image."""
_QUALITY = 88
_FIELDS: Mapping[str, str] = {"image": RESULT, "condition": CONDITION}


def read_images(rows: pa.Table, folder: Path) -> Iterator[dict[str, str]]:
    """By field the images of each row, as `data:` URLs; one that cannot be decoded is left out."""
    by_field = {
        name: map_images(folder, list_attached(rows, role), _encode) for name, role in _FIELDS.items()
    }
    for shown in zip(*by_field.values(), strict=True):
        yield {name: url for name, url in zip(by_field, shown, strict=True) if url is not None}


def _encode(read: ReadImage) -> str | None:
    return None if read.image is None else encode_small(read.image.pixels, SIDE, quality=_QUALITY)
