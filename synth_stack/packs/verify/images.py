"""The images of a pack against its rows: all that accepted rows hand over, each as it was, and no other."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from synth_stack.errors import VerificationError
from synth_stack.packs import layout
from synth_stack.packs.credentials import CredentialCheck, describe_change
from synth_stack.packs.data_rows import read_rows
from synth_stack.packs.images import (
    METADATA,
    METADATA_SCHEMA,
    ROW_COLUMNS,
    describe_images,
    is_image,
    list_image_names,
    list_images,
)
from synth_stack.packs.shards import read_shard
from synth_stack.packs.statement import Seal

Row = dict[str, object]


MAX_EXPLAINED = 20
"""Changed images that are looked into: each is decoded."""


def check_images(pack: Path, names: Sequence[str], seal: Seal) -> tuple[list[VerificationError], list[str]]:
    """What is wrong with the images of a pack, whose files have the signed digests; and what was not read.

    Every image that an accepted row hands over has to be there under the name that its digest gives. It is
    that very file; or where the pack has C2PA manifests it has its pixels and one of this batch. METADATA
    says of it what its row says, and no other image is there. Raises VerificationError for a row or a file
    that cannot be read.
    """
    credentials = CredentialCheck(pack, frozenset(names), seal.head.root.hex())
    first = next(_find_problems(pack, names, seal, credentials), None)
    unread = f"{credentials.unread:,} C2PA manifests were not read: install 'synth-stack[c2pa]'"
    return [] if first is None else [first], [unread] if credentials.unread else []


def explain_changes(pack: Path, problems: Sequence[VerificationError]) -> list[str]:
    """What became of images whose files are not those that were signed, as far as their pixels tell."""
    notes: list[str] = []
    for problem in problems:
        name = problem.what.split(" ", 1)[0]
        if is_image(name) and "was changed" in problem.what and len(notes) < MAX_EXPLAINED:
            notes += [f"{name}: {said}" for said in [describe_change(pack, name)] if said]
    return notes


def _find_problems(
    pack: Path, names: Sequence[str], seal: Seal, credentials: CredentialCheck
) -> Iterator[VerificationError]:
    there = set(list_image_names(names))
    told = _read_metadata(pack, names)
    wanted: set[str] = set()
    for file in layout.list_row_files(names):
        for table in read_rows(pack, file, ROW_COLUMNS):
            for image in list_images(table):
                if image.name not in there:
                    yield VerificationError(f"{image.name} is missing: row {image.row_id} hands it over")
                elif image.name not in wanted:
                    problem = credentials.compare(image, seal.subjects[image.name])
                    yield from [] if problem is None else [problem]
                wanted.add(image.name)
            for line in describe_images(table).to_pylist():
                if next(told, None) != line:
                    yield VerificationError(f"{METADATA} does not say of row {line['row_id']} what it says")
    if next(told, None) is not None:
        yield VerificationError(f"{METADATA} has a line that no row gives")
    for name in sorted(there - wanted):
        yield VerificationError(f"{name} is an image of no accepted row")


def _read_metadata(pack: Path, names: Sequence[str]) -> Iterator[Row]:
    if METADATA in names:
        for table in read_shard(pack, METADATA, METADATA_SCHEMA):
            yield from table.to_pylist()
