"""The images of a pack against its rows: all that accepted rows hand over, each as it was, and no other."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from synth_stack.errors import VerificationError
from synth_stack.packs import layout
from synth_stack.packs.data_rows import read_rows
from synth_stack.packs.images import (
    METADATA,
    METADATA_SCHEMA,
    ROW_COLUMNS,
    PackedImage,
    describe_images,
    list_image_names,
    list_images,
)
from synth_stack.packs.shards import read_shard
from synth_stack.packs.statement import Seal

Row = dict[str, object]


def check_images(pack: Path, names: Sequence[str], seal: Seal) -> list[VerificationError]:
    """What is wrong with the images of a pack, whose files have the signed digests.

    Every image that an accepted row hands over has to be there under the name that its digest gives, be that
    very file, and stand in METADATA as the row says it; and no other image may be there. Raises
    VerificationError for a row or a file that cannot be read.
    """
    there = set(list_image_names(names))
    rows = (table for file in layout.list_row_files(names) for table in read_rows(pack, file, ROW_COLUMNS))
    told = _read_metadata(pack, names)
    wanted: set[str] = set()
    for table in rows:
        for image in list_images(table):
            wanted.add(image.name)
            if image.name not in there:
                return [VerificationError(f"{image.name} is missing: row {image.row_id} hands it over")]
            problem = _compare_file(image, seal)
            if problem is not None:
                return [problem]
        for line in describe_images(table).to_pylist():
            if next(told, None) != line:
                return [VerificationError(f"{METADATA} does not say of row {line['row_id']} what it says")]
    if next(told, None) is not None:
        return [VerificationError(f"{METADATA} has a line that no row gives")]
    return [VerificationError(f"{name} is an image of no accepted row") for name in sorted(there - wanted)]


def _read_metadata(pack: Path, names: Sequence[str]) -> Iterator[Row]:
    if METADATA in names:
        for table in read_shard(pack, METADATA, METADATA_SCHEMA):
            yield from table.to_pylist()


def _compare_file(image: PackedImage, seal: Seal) -> VerificationError | None:
    if seal.subjects[image.name] == image.attached["sha256"]:
        return None
    return VerificationError(
        f"{image.name} is not the image of row {image.row_id}",
        seen=f"SHA-256 {seal.subjects[image.name]}",
        allowed=f"SHA-256 {image.attached['sha256']}",
    )
