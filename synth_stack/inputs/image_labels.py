"""What label files beside images say: `metadata` (the layout `imagefolder` of datasets) and COCO.

A name in such a file is only looked up among the images that were found: none of them is opened by it.
"""

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from synth_stack.errors import InputError
from synth_stack.inputs.coco import is_coco, read_coco
from synth_stack.inputs.plain_values import is_empty, to_plain
from synth_stack.inputs.records import read_strictly, require_text

METADATA = "metadata"
"""The name, without its ending, of the file with columns about the images."""
SLICE_COLUMNS = ("slice", "label", "class", "class_name", "category")
"""Columns of a `metadata` file that say the slice of an image; the first that is there and not empty does."""
COCO_KEY = "coco"

_ENDINGS = frozenset({".jsonl", ".csv", ".parquet"})
_FILE_NAME = "file_name"
_MAX_RECORD_BYTES = 1024 * 1024
"""Of one image's columns: captions and attributes, not a document."""


@dataclass(slots=True)
class ImageLabel:
    """The slice that an image is given, None where nothing says one, and what else is said of it, plain."""

    slice: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageLabels:
    """Labels by the path of the image, and (path, SHA-256) of each file that they were read from."""

    by_path: dict[str, ImageLabel]
    files: tuple[tuple[str, str], ...]


def is_label_file(path: Path) -> bool:
    """Whether a file beside images describes them: one named `metadata`, or one of COCO."""
    return path.stem.lower() == METADATA or is_coco(path)


def read_labels(folder: Path, images: Iterable[str]) -> ImageLabels:
    """What the files in the folder say of its images, given by their relative paths.

    Raises InputError for a label file that cannot be read, one that names an image that is not there or may
    be several, and an image that two records of `metadata` describe.
    """
    names = _Names(images)
    labels: dict[str, ImageLabel] = defaultdict(ImageLabel)
    files: list[tuple[str, str]] = []
    for path in _find_label_files(folder):
        shown = path.relative_to(folder).as_posix()
        if is_coco(path):
            _add_coco(path, shown, names, labels)
        else:
            _add_metadata(path, shown, names, labels)
        with path.open("rb") as file:
            files.append((shown, hashlib.file_digest(file, "sha256").hexdigest()))
    return ImageLabels(dict(labels), tuple(files))


def _find_label_files(folder: Path) -> Iterator[Path]:
    """COCO's files last, so that a `metadata` file decides the slice of an image that both describe."""
    found = [path for path in folder.rglob("*") if _is_read(path, folder)]
    return iter(sorted(found, key=lambda path: (is_coco(path), path.relative_to(folder).parts)))


def _is_read(path: Path, folder: Path) -> bool:
    if path.is_symlink() or any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    named = path.stem.lower() == METADATA and path.suffix.lower() in _ENDINGS
    return (named and path.is_file()) or is_coco(path)


def _add_metadata(path: Path, shown: str, names: "_Names", labels: dict[str, ImageLabel]) -> None:
    described: set[str] = set()
    for place, record in read_strictly(path, max_bytes=_MAX_RECORD_BYTES):
        where = f"{shown}: {place}"
        image = names.find_beside(shown, require_text(record, _FILE_NAME, where=where), where)
        if image in described or image in labels:
            raise InputError(f"{where} describes an image that another record describes", seen=image)
        described.add(image)
        try:
            columns = to_plain({key: value for key, value in record.items() if key != _FILE_NAME})
        except ValueError as exc:
            raise InputError(f"{where}: {exc}") from exc
        labels[image] = ImageLabel(_read_slice(columns), columns)


def _read_slice(columns: dict[str, Any]) -> str | None:
    said = (columns.get(name) for name in SLICE_COLUMNS)
    return next((str(each) for each in said if isinstance(each, str | int) and not is_empty(each)), None)


def _add_coco(path: Path, shown: str, names: "_Names", labels: dict[str, ImageLabel]) -> None:
    for image in read_coco(path, shown):
        label = labels[names.find_of_coco(shown, image.file_name)]
        label.slice = label.slice or image.largest
        if not (image.objects or image.captions):
            continue
        held = label.columns.setdefault(COCO_KEY, {})
        if not isinstance(held, dict):
            raise InputError(f"a column of metadata has the name that {shown} needs", seen=COCO_KEY)
        if image.objects:
            held["objects"] = image.objects
        if image.captions:
            held["captions"] = [*held.get("captions", ()), *image.captions]


class _Names:
    """The paths of the images, found by the names that label files use for them."""

    def __init__(self, images: Iterable[str]) -> None:
        self._paths = frozenset(images)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self._paths):
            self._by_name[PurePosixPath(path).name].append(path)

    def find_beside(self, shown: str, name: str, where: str) -> str:
        """The image of that path, relative to the folder of the label file."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(shown), name))
        if path not in self._paths:
            raise InputError(
                f"{where} names an image that is not there",
                seen=name,
                mend="Put the image there, or take the record away.",
            )
        return path

    def find_of_coco(self, shown: str, name: str) -> str:
        """The image of that path relative to COCO's file or to any folder, which its file's name may name."""
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(shown), name))
        if beside in self._paths:
            return beside
        found = [p for p in self._by_name[PurePosixPath(name).name] if f"/{p}".endswith(f"/{name}")]
        if len(found) > 1:  # annotations/instances_val2017.json is about val2017/
            stem = f"_{PurePosixPath(shown).stem}_"
            named = [p for p in found if any(f"_{part}_" in stem for part in PurePosixPath(p).parts[:-1])]
            found = named or found
        if len(found) != 1:
            several = "may mean several images" if found else "names an image that is not there"
            raise InputError(
                f"{shown} {several}", seen=name, mend="Put the images of this file there, or take it away."
            )
        return found[0]
