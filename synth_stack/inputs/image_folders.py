"""A folder of images as candidate rows: one row an image.

Its slice is what a label file beside the images says, or else the folder that it lies in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from synth_stack.errors import InputError
from synth_stack.images.attached import RESULT, AttachedFile
from synth_stack.images.decoding import require_pillow
from synth_stack.images.folders import list_image_files, walk_images
from synth_stack.images.looks import ReadLook, map_looks
from synth_stack.images.paths import MIMES
from synth_stack.inputs.byte_streams import CODECS, SUFFIXES
from synth_stack.inputs.folders import SIDECARS
from synth_stack.inputs.foreign import SHARD_ROWS
from synth_stack.inputs.image_labels import ImageLabel, ImageLabels, is_label_file, read_labels
from synth_stack.rows.canonical import Digest, canonical_text, digest_json
from synth_stack.rows.schemas import build_candidates


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Images by their paths in a folder, what is said of them there, and the digest of all these files."""

    name: str
    sha256: Digest
    folder: Path
    files: tuple[AttachedFile, ...]
    labels: ImageLabels


def is_image_folder(path: Path) -> bool:
    """Whether a path is a folder with images and without files of rows; one that describes images is none."""
    if not path.is_dir() or next(walk_images(path), None) is None:
        return False
    return not any(_holds_rows(each) for each in path.rglob("*"))


def open_image_folder(path: Path) -> ImageFolder:
    """The images of a folder. Raises InputError for one without images, and as `read_labels` does, and
    MissingExtra where nothing decodes them.
    """
    require_pillow()
    files = list_image_files(path)
    if not files:
        raise InputError(f"{path.name} holds no images", allowed=", ".join(MIMES))
    labels = read_labels(path, (file.path for file in files))
    read = [*((file.path, file.sha256) for file in files), *labels.files]
    return ImageFolder(path.resolve().name, digest_json([list(each) for each in read]), path, files, labels)


def read_image_rows(images: ImageFolder) -> Iterator[pa.Table]:
    """The images as candidate tables of up to SHARD_ROWS rows, in the order of their paths."""
    for first in range(0, len(images.files), SHARD_ROWS):
        some = images.files[first : first + SHARD_ROWS]
        seen = map(_describe, map_looks(images.folder, some))
        pairs = enumerate(zip(some, seen, strict=True), start=first)
        yield build_candidates(
            _make_row(images, position, file, pixels) for position, (file, pixels) in pairs
        )


def _describe(read: ReadLook) -> dict[str, Any]:
    """What an attachment says of its pixels; nothing where they cannot be decoded."""
    look = read.look
    if look is None:
        return {}
    return {"pixels_sha256": look.pixels_sha256, "width": look.width, "height": look.height}


def _make_row(
    images: ImageFolder, position: int, file: AttachedFile, pixels: Mapping[str, Any]
) -> dict[str, Any]:
    path = PurePosixPath(file.path)
    label = images.labels.by_path.get(file.path) or ImageLabel()
    mime = MIMES[path.suffix.lower()]
    attached = {"path": file.path, "sha256": file.sha256, "mime": mime, "role": RESULT, **pixels}
    return {
        "kind": "image",
        "slice": label.slice or path.parent.name or None,
        "messages": [],
        "attachments": [attached],
        "extra": canonical_text(label.columns) if label.columns else None,
        "source_id": file.path,
        "seed_id": f"sha256:{images.sha256}",
        "generator": "foreign",
        "generator_version": "2",
        "draw": position,
        "replayable": False,
    }


def _holds_rows(path: Path) -> bool:
    known = path.name.lower() in SIDECARS or path.name.startswith(".") or is_label_file(path)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in CODECS]
    return not known and bool(suffixes) and suffixes[-1] in SUFFIXES and path.is_file()
