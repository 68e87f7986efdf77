"""The images of rows: which file is a row's image, inside which folder, and its pixels, several at a time.

Planted rows have no files: their images stand in the path, as `data:` URLs (RFC 2397). No other row's do.
"""

import base64
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from synth_stack.host import count_cores
from synth_stack.images.decoding import DecodedImage, ImageFault, decode, read_bytes
from synth_stack.images.pixel_digest import digest_pixels
from synth_stack.images.store import find_file
from synth_stack.rows.schemas import ATTACHMENT_ROLES

RESULT, CONDITION, SOURCE = ATTACHMENT_ROLES
PLANTED = ("canary", "control")
"""Generators of rows that a gate plants to test itself."""
_INLINE = "data:image/png;base64,"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that a row names: its path relative to the folder of the batch, and the digests that it and its
    pixels have to have. `inline`: the path is the file itself.
    """

    path: str
    sha256: str | None
    inline: bool = False
    pixels_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ReadImage:
    """What became of the image of a row: the image, or the fault; None of both for a row without an image."""

    image: DecodedImage | None
    fault: ImageFault | None


NO_IMAGE = ReadImage(None, None)


def list_attached(table: pa.Table, role: str = RESULT) -> list[AttachedFile | None]:
    """The first attachment in that role of each of n rows, in order; None for a row without one.

    An attachment without a role is a result.
    """
    return [files[0] if files else None for files in list_in_role(table, role)]


def list_in_role(table: pa.Table, role: str) -> list[list[AttachedFile]]:
    """All attachments in that role of each of n rows, in order."""
    if "attachments" not in table.column_names:
        return [[] for _ in range(len(table))]
    makers = table["generator"].to_pylist() if "generator" in table.column_names else [None] * len(table)
    return [
        [_open(each, maker) for each in attachments or () if (each["role"] or RESULT) == role]
        for attachments, maker in zip(table["attachments"].to_pylist(), makers, strict=True)
    ]


def _open(told: Mapping[str, Any], maker: str | None) -> AttachedFile:
    path = told["path"] or ""
    inline = maker in PLANTED and path.startswith(_INLINE)
    return AttachedFile(path, told["sha256"], inline, told["pixels_sha256"])


def describe_pixels(read: ReadImage) -> dict[str, str | int]:
    """What an attachment says of the pixels of its image: their digest, width and height; nothing where it
    cannot be decoded.
    """
    if read.image is None:
        return {}
    pixels = digest_pixels(read.image.pixels)
    return {"pixels_sha256": pixels, "width": read.image.width, "height": read.image.height}


def attach_inline(data: bytes) -> dict[str, str]:
    """The attachment of a planted row that is this file."""
    path = _INLINE + base64.b64encode(data).decode("ascii")
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "mime": "image/png", "role": RESULT}


def read_attached(folder: Path | None, attached: AttachedFile | None) -> ReadImage:
    """The image that a row names in the folder of its batch. Its bytes are compared with their digest before
    they are decoded, and its pixels with theirs after. A pack may have put a manifest beside the pixels of
    an image that it keeps (packs/credentials.py): there the pixels decide.
    """
    if attached is None:
        return NO_IMAGE
    try:
        data, kept = _read_data(folder, attached)
        is_other = attached.sha256 is not None and hashlib.sha256(data).hexdigest() != attached.sha256
        if is_other and not (kept and attached.pixels_sha256):
            raise ImageFault("changed", "the file is not the one that the row names: its digest is another")
        image = decode(data)
        if attached.pixels_sha256 is not None and digest_pixels(image.pixels) != attached.pixels_sha256:
            raise ImageFault(
                "changed", "its pixels are not those that the row names: their digest is another"
            )
        return ReadImage(image, None)
    except ImageFault as fault:
        return ReadImage(None, fault)


def read_file(path: Path) -> ReadImage:
    """The image of a file, of which nothing is known."""
    try:
        return read_image(read_bytes(path))
    except ImageFault as fault:
        return ReadImage(None, fault)


def read_image(data: bytes) -> ReadImage:
    """The image that the bytes of a file are."""
    try:
        return ReadImage(decode(data), None)
    except ImageFault as fault:
        return ReadImage(None, fault)


def _read_data(folder: Path | None, attached: AttachedFile) -> tuple[bytes, bool]:
    """The bytes of the file, and whether it was found by its digest."""
    if attached.inline:
        return base64.b64decode(attached.path.removeprefix(_INLINE), validate=True), False
    if folder is None:
        raise ImageFault("missing", "the batch has no folder of images")
    found = find_file(folder, attached.path, attached.sha256)
    return read_bytes(found), found.stem == attached.sha256


def map_images(
    folder: Path | None, attached: Sequence[AttachedFile | None], measure: Callable[[ReadImage], Result]
) -> Iterator[Result]:
    """`measure` of each image in order, decoded and measured on as many threads as there are cores.

    Never more than twice as many images are in memory at once.
    """
    return map_threads(lambda each: measure(read_attached(folder, each)), attached)


def map_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work(item)` of each item, in order, on as many threads as there are cores for this process."""
    threads = min(8, count_cores())
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
