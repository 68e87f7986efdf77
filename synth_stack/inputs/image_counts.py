"""How many images of each slice a real set has: a folder, or a Parquet file with a column of images."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth_stack.errors import InputError
from synth_stack.files import digest_file, store_errors
from synth_stack.inputs.image_folders import open_image_folder
from synth_stack.inputs.image_labels import SLICE_COLUMNS, ImageLabel
from synth_stack.registry import suggest
from synth_stack.rows.canonical import Digest

UNKNOWN = "unknown"
"""The value of an attribute that an image does not have."""
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """The images of a set by slice, and the digest of what was counted.

    With attributes a slice is `class/value`, with a part for each attribute in order.
    """

    by_slice: Mapping[str, int]
    sha256: Digest

    @property
    def total(self) -> int:
        return sum(self.by_slice.values())


def count_images(path: Path, attributes: Sequence[str] = ()) -> SliceCounts:
    """The images of a set: a folder as `curate` reads it, or a Parquet file of one image a row.

    A folder of a class without an image counts 0. Raises InputError for a set that cannot be read or has no
    image, and for an attribute that no image has.
    """
    if path.is_dir():
        return _count_folder(path, attributes)
    if path.suffix.lower() == ".parquet" and path.is_file():
        return _count_parquet(path, attributes)
    raise InputError(
        "there is no set of images", seen=path.name, allowed="a folder of images, or a .parquet file of them"
    )


def _count_folder(path: Path, attributes: Sequence[str]) -> SliceCounts:
    images = open_image_folder(path)
    counts: Counter[str] = Counter()
    known: set[str] = set()
    for file in images.files:
        label = images.labels.by_path.get(file.path) or ImageLabel()
        known.update(label.columns)
        name = label.slice or PurePosixPath(file.path).parent.name or UNKNOWN
        counts[_name_slice(name, label.columns, attributes)] += 1
    _require_attributes(attributes, known, path.name)
    if not attributes:
        for folder in _list_empty(path):
            counts.setdefault(folder, 0)
    return SliceCounts(dict(sorted(counts.items())), images.sha256)


def _list_empty(path: Path) -> Iterator[str]:
    """The folders of classes in which there is no image at all."""
    for folder in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in folder.relative_to(path).parts)
        if not hidden and folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            yield folder.name


def _count_parquet(path: Path, attributes: Sequence[str]) -> SliceCounts:
    try:
        with store_errors(path), pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            column = next((name for name in SLICE_COLUMNS if name in schema.names), None)
            if column is None or not _find_images(schema):
                raise InputError(
                    f"{path.name} is no set of images",
                    seen=", ".join(schema.names[:10]),
                    allowed=f"a column of images, and one of {', '.join(SLICE_COLUMNS)}",
                )
            _require_attributes(attributes, set(schema.names), path.name)
            names = _read_class_names(schema, [column, *attributes])
            counts: Counter[str] = Counter()
            for batch in file.iter_batches(_BATCH, columns=[column, *attributes]):
                for row in batch.to_pylist():
                    said = {key: _say(value, names.get(key)) for key, value in row.items()}
                    counts[_name_slice(said[column] or UNKNOWN, said, attributes)] += 1
    except pa.ArrowException as exc:
        raise InputError(f"{path.name} is not a readable Parquet file: {exc}") from exc
    if not counts:
        raise InputError(f"{path.name} has no image")
    return SliceCounts(dict(sorted(counts.items())), digest_file(path))


def _find_images(schema: pa.Schema) -> bool:
    """Whether a column holds images: bytes, or a struct of `bytes` and `path` as datasets writes it."""
    for field in schema:
        inside = field.type.field("bytes").type if _has_bytes(field.type) else field.type
        if pa.types.is_binary(inside) or pa.types.is_large_binary(inside):
            return True
    return False


def _has_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _read_class_names(schema: pa.Schema, columns: Sequence[str]) -> dict[str, list[str]]:
    """The names of classes that datasets keeps beside a column of their numbers (ClassLabel)."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"]
        found = {name: features[name]["names"] for name in columns if "names" in features.get(name, {})}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: list(map(str, names)) for name, names in found.items() if isinstance(names, list)}


def _say(value: Any, names: Sequence[str] | None) -> str | None:
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return None if value is None else str(value).strip() or None


def _name_slice(name: str, columns: Mapping[str, Any], attributes: Sequence[str]) -> str:
    values = [_say(columns.get(each), None) or UNKNOWN for each in attributes]
    return "/".join("_".join(part.replace("/", " ").split()) for part in [name, *values])


def _require_attributes(attributes: Sequence[str], known: set[str], name: str) -> None:
    for each in attributes:
        if each not in known:
            raise InputError(
                f"no image of {name} has an attribute of that name",
                seen=each,
                allowed=", ".join(sorted(known)) or "none: put a metadata file beside the images",
                mend=suggest(each, dict.fromkeys(known)),
            )
