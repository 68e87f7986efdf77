"""What a stage has committed: its files by digest, in a mark that is written when the stage is done.

    candidates/.done          the rows that were made or read
    candidates/.amended       the rows by which gates replace others
    verdicts/<gate>/.done     what the gate said, and of the rows that it planted

A mark that does not fit what lies there says which file was lost or changed since. Whoever makes the stage
again heals it first: the damaged files and the mark go, and the stage is made as if it had been stopped
there.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from synth_stack.errors import StoreError
from synth_stack.files import digest_file, store_errors, write_bytes
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.folder import MANIFEST, list_amended, list_files, list_made, list_parts, list_replaced
from synth_stack.runs.row_files import find_spoiled_parts
from synth_stack.runs.self_tests import FOLDER as CANARIES

DONE = ".done"
AMENDED = ".amended"
COMMITTED_SCHEME = "synth_stack/committed/v1"
MAX_MARK_BYTES = 256 * 1024**2

_NAME = re.compile(rf"(?:{CANARIES}/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,200}}\.parquet")
_log = logging.getLogger(__name__)


def commit(mark: Path, files: Iterable[Path]) -> None:
    """Write the mark of a stage: the SHA-256 of each of its `files`, by their paths from the run folder's
    stage.
    """
    root = mark.parent
    named = {_name(path, root): str(digest_file(path)) for path in files}
    write_bytes(mark, canonical_json({"scheme": COMMITTED_SCHEME, "files": named}) + b"\n")


def commit_candidates(folder: Path) -> None:
    """Mark the rows of a run as made or read, every one."""
    commit(folder / "candidates" / DONE, list_made(folder / "candidates"))


def commit_amended(folder: Path) -> None:
    """Mark the rows by which gates replace others as made."""
    commit(folder / "candidates" / AMENDED, _list_by_gates(folder / "candidates"))


def commit_verdicts(folder: Path, gate: str) -> None:
    """Mark what a gate said as said, of the batch and of what it planted."""
    commit(folder / "verdicts" / gate / DONE, _list_said(folder, gate))


def is_whole(mark: Path) -> bool:
    """Whether the stage of the mark is done, and every file of it is as it was committed."""
    return _read_mark(mark) is not None and not find_damage(mark)


def find_damage(mark: Path) -> list[str]:
    """What was lost or changed since a stage was done, one sentence a file, the files of its rows included;
    none for a stage that is not done.
    """
    return [f"{path} {fault}" for path, fault in _find_damaged(mark).items()]


def heal(mark: Path) -> bool:
    """Whether a stage that was done is damaged; then its mark and damaged files are gone, and it can be made
    again.

    A mark in which nothing is named is that of an older version: it goes, and what lies there is kept.
    """
    if not mark.exists():
        return False
    damaged = _find_damaged(mark)
    if _read_mark(mark) is None:
        mark.unlink()
        return False
    for path, fault in damaged.items():
        _log.warning("%s %s; it is made again", path, fault)
        path.unlink(missing_ok=True)
    if damaged:
        mark.unlink()
    return bool(damaged)


def require_whole(folder: Path) -> None:
    """Raises StoreError for a run folder in which a file is not what its stage or the manifest committed.

    The message names the file, and the command that makes it again.
    """
    mend = "Type the command that made the run again: what is damaged is made anew, and all else is kept."
    marks = [folder / "candidates" / DONE, folder / "candidates" / AMENDED]
    verdicts = folder / "verdicts"
    if verdicts.is_dir():
        marks += sorted(verdicts.glob(f"*/{DONE}"))
    for mark in marks:
        if mark.exists() and _read_mark(mark) is None:
            raise StoreError(f"{mark} does not name what was committed", mend=mend)
        for damage in find_damage(mark):
            raise StoreError(damage, mend=mend)
    if not (folder / "candidates" / DONE).exists():
        raise StoreError(f"{folder / 'candidates'} was not committed to its end", mend=mend)
    _require_manifest(folder, mend)


def _require_manifest(folder: Path, mend: str) -> None:
    """The manifest, where the run has one by now: a run packs before it writes it."""
    path = folder / MANIFEST
    if not path.exists():
        return
    with store_errors(path):
        data = path.read_bytes()
    try:
        listed = orjson.loads(data)["files"]
        wanted = {name: entry["sha256"] for name, entry in listed.items() if _is_packed(name)}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise StoreError(f"{path} is not the manifest of a run", mend=mend) from exc
    present = {name for name in list_files(folder) if _is_packed(name)}
    for name in sorted({*wanted, *present}):
        file = folder / name
        if name not in present:
            raise StoreError(f"{file} is missing: {path} lists it", mend=mend)
        if name not in wanted:
            raise StoreError(f"{file} was added: {path} does not list it", mend=mend)
        if digest_file(file) != wanted[name]:
            raise StoreError(f"{file} was changed since {path} was written", mend=mend)


def _is_packed(name: str) -> bool:
    """Whether a file of a run goes into its pack, or decides what does; locks may say why otherwise since."""
    return (
        name.partition("/")[0] in {"candidates", "verdicts", CANARIES, "seeds"} or name == "decisions.parquet"
    )


def _list_said(folder: Path, gate: str) -> list[Path]:
    planted = folder / CANARIES / f"{gate}.parquet"
    return [*list_parts(folder / "verdicts" / gate), *([planted] if planted.exists() else [])]


def _list_by_gates(candidates: Path) -> list[Path]:
    """The parts of rows that replace others, without those that a person put there: these cannot be made
    again.
    """
    by_person = list_replaced(candidates)
    return [path for path in list_amended(candidates) if path not in by_person]


def _name(path: Path, root: Path) -> str:
    """A file of a stage as its mark names it: by its own name, or from the run folder on."""
    return path.name if path.parent == root else f"{path.parent.name}/{path.name}"


def _find_path(name: str, root: Path) -> Path:
    folder, _, file = name.rpartition("/")
    return root.parent.parent / folder / file if folder else root / file


def _find_damaged(mark: Path) -> Mapping[Path, str]:
    files = _read_mark(mark)
    if files is None:
        return {}
    root = mark.parent
    damaged: dict[Path, str] = {}
    for name, sha256 in files.items():
        path = _find_path(name, root)
        if path.is_symlink() or not path.is_file():
            damaged[path] = "is missing: it was committed here"
        elif digest_file(path) != sha256:
            damaged[path] = "was changed since it was committed"
    for path in _list_like(mark):
        if _name(path, root) not in files:
            damaged.setdefault(path, "was added since the stage was done")
    if mark.name == DONE and root.name == "candidates":
        damaged |= find_spoiled_parts(root.parent, but=damaged.keys())
    return damaged


def _list_like(mark: Path) -> Sequence[Path]:
    """The files of the kind that a mark names."""
    root = mark.parent
    if mark.name == AMENDED:
        return _list_by_gates(root)
    return list_made(root) if root.name == "candidates" else list_parts(root)


def _read_mark(mark: Path) -> Mapping[str, Any] | None:
    """The files that a mark names; None where there is none, or one that names nothing."""
    if not mark.is_file():
        return None
    with store_errors(mark), mark.open("rb") as file:
        data = file.read(MAX_MARK_BYTES)
    try:
        match orjson.loads(data or b"null"):
            case {"scheme": "synth_stack/committed/v1", "files": dict(files)} if all(
                map(_NAME.fullmatch, files)
            ):
                return files
    except orjson.JSONDecodeError:
        pass
    return None
