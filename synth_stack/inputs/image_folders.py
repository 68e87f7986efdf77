"""A folder of images as candidate rows: one row an image, its slice the folder that it lies in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from synth_stack.errors import InputError
from synth_stack.images.attached import AttachedFile
from synth_stack.images.folders import MIMES, list_image_files, walk_images
from synth_stack.inputs.byte_streams import CODECS, SUFFIXES
from synth_stack.inputs.folders import SIDECARS
from synth_stack.inputs.foreign import SHARD_ROWS
from synth_stack.rows.canonical import Digest, digest_json
from synth_stack.rows.schemas import build_candidates

_BESIDE = "metadata"
"""The name of the file with captions beside the images, in the layout `imagefolder` of datasets."""


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Images by their paths in a folder, and the digest of the paths with the digests of the files."""

    name: str
    sha256: Digest
    folder: Path
    files: tuple[AttachedFile, ...]


def is_image_folder(path: Path) -> bool:
    """Whether a path is a folder with images and without files of rows; one that describes images is none."""
    if not path.is_dir() or next(walk_images(path), None) is None:
        return False
    return not any(_holds_rows(each) for each in path.rglob("*"))


def open_image_folder(path: Path) -> ImageFolder:
    """The images of a folder. Raises InputError for one without images."""
    files = list_image_files(path)
    if not files:
        raise InputError(f"{path.name} holds no images", allowed=", ".join(MIMES))
    sha256 = digest_json([[file.path, file.sha256] for file in files])
    return ImageFolder(path.resolve().name, sha256, path, files)


def read_image_rows(images: ImageFolder) -> Iterator[pa.Table]:
    """The images as candidate tables of up to SHARD_ROWS rows, in the order of their paths."""
    for first in range(0, len(images.files), SHARD_ROWS):
        some = images.files[first : first + SHARD_ROWS]
        yield build_candidates(_make_row(images, first + number, file) for number, file in enumerate(some))


def _make_row(images: ImageFolder, position: int, file: AttachedFile) -> dict[str, Any]:
    path = PurePosixPath(file.path)
    return {
        "kind": "image",
        "slice": path.parent.name or None,
        "messages": [],
        "attachments": [{"path": file.path, "sha256": file.sha256, "mime": MIMES[path.suffix.lower()]}],
        "source_id": file.path,
        "seed_id": f"sha256:{images.sha256}",
        "generator": "foreign",
        "generator_version": "2",
        "draw": position,
        "replayable": False,
    }


def _holds_rows(path: Path) -> bool:
    known = path.name.lower() in SIDECARS or path.name.startswith(".") or path.stem.lower() == _BESIDE
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in CODECS]
    return not known and bool(suffixes) and suffixes[-1] in SUFFIXES and path.is_file()
