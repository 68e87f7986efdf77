"""Which row an image belongs to, by its pixels: also where the file was encoded again, without loss."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError
from synth_stack.images.attached import RESULT, describe_pixels, read_file
from synth_stack.images.decoding import require_pillow
from synth_stack.images.paths import MIMES
from synth_stack.packs import layout
from synth_stack.packs.data_rows import read_rows
from synth_stack.runs.judged import read_candidates

_NAMED = ("row_id", "pixels_sha256")
_READ = ("row_id", "attachments")


def resolve_row(folder: Path, wanted: str) -> str:
    """The id of the row in a run or pack that `wanted` means: an id or its start as it is, or for the path of
    an image file the row that hands these pixels over.

    Of a pack the rows themselves are asked, so that whoever then proves the row has proved the pixels. Raises
    InputError for a file that is no image, or that is of no row or of several.
    """
    if Path(wanted).suffix.lower() not in MIMES:
        return wanted
    require_pillow()
    read = read_file(Path(wanted))
    if read.fault is not None:
        raise InputError(f"{wanted} is no image that can be looked for: {read.fault.said}")
    pixels = describe_pixels(read)["pixels_sha256"]
    found: set[str] = set()
    for table in _read_pixels(folder):
        same = pc.equal(table["pixels_sha256"], pa.scalar(pixels, pa.string()))
        found.update(table.filter(same)["row_id"].to_pylist())
    if len(found) != 1:
        raise InputError(
            f"{wanted} has the pixels of {'no row' if not found else f'{len(found):,} rows'} of {folder}",
            seen=", ".join(sorted(found)[:3]) or f"pixels {pixels}",
            mend="Name one of them by its id."
            if found
            else "A lossy format changes pixels: look for what is alike with a gate on duplicates.",
        )
    return found.pop()


def _read_pixels(folder: Path) -> Iterator[pa.Table]:
    """`row_id` and `pixels_sha256` of the results that the rows of a pack or run name."""
    for rows in _read_rows(folder):
        lists = rows["attachments"].combine_chunks()
        files = lists.flatten()
        ids = rows["row_id"].combine_chunks().take(pc.list_parent_indices(lists))
        results = pc.equal(pc.fill_null(files.field("role"), RESULT), RESULT)
        yield pa.table([ids, files.field("pixels_sha256")], names=_NAMED).filter(results)


def _read_rows(folder: Path) -> Iterator[pa.Table]:
    if (folder / layout.STATEMENT).is_file():
        names, _, _ = layout.list_pack_files(folder)
        for name in layout.list_row_files(names):
            yield from read_rows(folder, name, _READ)
    else:
        yield from read_candidates(folder, _READ)
