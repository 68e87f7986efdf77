"""The files that rows bring with them: written before their rows, and swept where no row has them.

A generator hands a row over with its `files`, by their paths in the run: paths made of their digests. They
are on the disk before the part that names them; so a killed process leaves files that no row names, which the
next start removes, and never a row without its files.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from synth_stack.files import digest_file, read_table, store_errors, write_bytes
from synth_stack.images.store import STORE, list_attachments, store_name
from synth_stack.runs.folder import list_parts

Row = dict[str, Any]


def take_row_files(rows: Sequence[Row]) -> dict[str, bytes]:
    """The files of rows by their paths, taken out of these."""
    taken: dict[str, bytes] = {}
    for row in rows:
        taken.update(row.pop("files", None) or {})
    return taken


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files under their paths in a folder; one that is there is the same, for its digest is its name.

    Raises StoreError, for a full disk too.
    """
    for path, data in files.items():
        target = folder / path
        if not target.exists():
            write_bytes(target, data)


def write_row_files(folder: Path, rows: Sequence[Row]) -> None:
    """Take the files of rows out of these and write them. Raises StoreError."""
    write_files(folder, take_row_files(rows))


def sweep_row_files(folder: Path) -> None:
    """Remove the files of the store that no row of the run names: what a killed process had not committed.

    Raises StoreError.
    """
    store = folder / STORE
    if not store.is_dir():
        return
    named = {each["path"] for each in _list_attached(folder / "candidates")}
    with store_errors(store):
        for path in store.rglob("*"):
            if path.is_file() and path.relative_to(folder).as_posix() not in named:
                path.unlink()


def find_spoiled_parts(folder: Path, *, but: Collection[Path] = ()) -> dict[Path, str]:
    """The parts of a run of which a row's own file is missing or changed, each with what is wrong.

    The parts in `but` are not read: those that are known to be damaged themselves.
    """
    spoiled: dict[Path, str] = {}
    for part in [path for path in list_parts(folder / "candidates") if path not in but]:
        for attached in _read_attached(part):
            fault = _find_fault(folder, attached)
            if fault is not None:
                spoiled[part] = fault
                break
    return spoiled


def _find_fault(folder: Path, attached: Mapping[str, Any]) -> str | None:
    path = attached["path"] or ""
    if path != store_name(path, attached["sha256"]):
        return None
    file = folder / path
    if not file.is_file():
        return f"{path} is missing: it was committed here"
    return None if digest_file(file) == attached["sha256"] else f"{path} was changed since it was committed"


def _list_attached(candidates: Path) -> Iterator[Mapping[str, Any]]:
    for part in list_parts(candidates):
        yield from _read_attached(part)


def _read_attached(part: Path) -> list[dict[str, Any]]:
    with store_errors(part):
        known = "attachments" in pq.read_schema(part).names
    return list_attachments(read_table(part, columns=["attachments"])) if known else []
