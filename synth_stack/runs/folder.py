"""The run folder: what each stage leaves, whole or not at all.

    recipe.lock.yaml   what the run was made from; a folder holds one run for good
    gates.lock.yaml    the gates that judged it, with what they really used
    seeds/             the seed table, taxonomy and documents as they were read
    rounds/            round-*.json, what each round of a run with a target was to draw
    candidates/        part-*.parquet, one per committed batch
    state/<gate>/      *.arrow, what the batch told the gate; hidden while a round is under way
    verdicts/<gate>/   part-*.parquet, one per shard; part-late-*.parquet, what it said when all was judged
    canaries/          <gate>.parquet, what each gate said of the rows that it planted
    review/            what people are to read, and what they said (review/plan_file.py)
    decisions.parquet, report.html
    pack/              the handover pack, where `run` puts it
    MANIFEST.json      every file with its digest; written last, so its presence means "finished"

A file is written under a temporary name in the same folder, flushed to the disk and renamed; a killed
process leaves the old file, the new file or a `.tmp` that the next start removes.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa

from synth_stack.errors import RunMismatch, StoreError
from synth_stack.files import (
    SHARD_BYTES,
    SHARD_ROWS,
    digest_file,
    measure_table,
    read_arrow,
    read_table,
    rename_whole,
    require_regular,
    store_errors,
    write_arrow,
    write_bytes,
)
from synth_stack.host import lock_file
from synth_stack.rows.canonical import canonical_json

MANIFEST = "MANIFEST.json"
LOCK = "recipe.lock.yaml"
GATES_LOCK = "gates.lock.yaml"
MANIFEST_SCHEME = "synth_stack/manifest/v1"
AMENDED_PREFIX = "part-amended-"
REPLACED_PREFIX = f"{AMENDED_PREFIX}by-person-"
REPLACED_AMENDED_PREFIX = f"{AMENDED_PREFIX}copies-"
"""Of the rows that a gate makes of those that a person put in the place of others: by name they stand after
these, since every row stands after the one that it replaces."""
LATER_AMENDED_PREFIX = f"{AMENDED_PREFIX}then-"
"""Of the rows that a later gate makes, with its number after it (runs/amended.py)."""
LATE_PREFIX = "part-late-"
_INCOMPLETE, _COMPLETE = ".merge.incomplete", ".merge"
"""What a merge writes: first in the one folder, then under the name of the other."""


def identity_line(lock: bytes) -> str:
    """The line of a lock that says what its folder was made from."""
    lines = lock.decode("utf-8", "replace").splitlines()
    return next((line for line in lines if line.startswith("identity: ")), "identity: none")


def list_parts(folder: Path) -> list[Path]:
    """The committed part files of a stage, in order: by name, amended rows after all others."""
    return list_made(folder) + list_amended(folder)


def list_made(folder: Path) -> list[Path]:
    """The parts of a stage without amended rows: what was made or read before any gate looked."""
    return sorted(p for p in folder.glob("part-*.parquet") if not p.name.startswith(AMENDED_PREFIX))


def list_amended(folder: Path) -> list[Path]:
    """The parts of candidates/ that hold rows which replace others: by a gate, then by a person."""
    return sorted(folder.glob(f"{AMENDED_PREFIX}*.parquet"))


def list_replaced(folder: Path) -> list[Path]:
    """The parts of candidates/ that hold the rows by which a person replaced others (runs/replaced.py)."""
    return sorted(folder.glob(f"{REPLACED_PREFIX}*.parquet"))


def read_parts(folder: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The tables of a stage, part by part, one in memory at a time."""
    for path in list_parts(folder):
        yield read_table(path, schema)


_IDENTITY = re.compile("identity: [0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive parts that are read as one table; `name` is the file name of what is made from them."""

    name: str
    parts: tuple[Path, ...]
    rows: int

    def read(self, schema: pa.Schema) -> pa.Table:
        """The rows of the shard, in order, in one chunk a column."""
        return pa.concat_tables([read_table(path, schema) for path in self.parts]).combine_chunks()


def list_shards(folder: Path) -> list[Shard]:
    """The parts of a stage as shards, in order."""
    return group_parts(list_parts(folder))


def group_parts(parts_in_order: Iterable[Path]) -> list[Shard]:
    """Parts in groups of up to SHARD_ROWS rows and SHARD_BYTES, in order; the same for the same parts.

    A generator commits parts of a few rows so that little is lost; judging them one by one would cost more
    than judging the rows. No shard holds rows of two rounds, nor rows that were made beside such as replace
    others: the shards of what was there stay as they are when rows are added.
    """
    groups: list[tuple[list[Path], int, int]] = []
    before = None
    for path in parts_in_order:
        (rows, size), origin = measure_table(path), _read_origin(path)
        parts, held, filled = groups[-1] if groups else ([], 0, 0)
        if not parts or held + rows > SHARD_ROWS or filled + size > SHARD_BYTES or origin != before:
            parts, held, filled = [], 0, 0
            groups.append((parts, held, filled))
        before = origin
        parts.append(path)
        groups[-1] = (parts, held + rows, filled + size)
    return [Shard(f"part-{i:05d}.parquet", tuple(parts), n) for i, (parts, n, _) in enumerate(groups)]


def state_folder(folder: str | Path, gate: str) -> Path:
    """Where the state of a gate lies in a run folder."""
    return Path(folder) / "state" / gate


def read_state(folder: str | Path, gate: str) -> dict[str, pa.Table]:
    """What the batch told a gate so far: its tables by name, memory-mapped."""
    return {path.stem: read_arrow(path) for path in sorted(state_folder(folder, gate).glob("*.arrow"))}


def write_state(folder: str | Path, gate: str, tables: Mapping[str, pa.Table], *, mark: str | None) -> None:
    """Adds tables to the state of a gate, and a hidden file `mark` that says so: all of them or none.

    What is written waits in a folder of its own until it is complete; from then on `settle_state` moves it to
    its place, whoever was killed in between.
    """
    state = state_folder(folder, gate)
    remove_folder(state / _INCOMPLETE)
    for name, table in tables.items():
        write_arrow(state / _INCOMPLETE / f"{name}.arrow", table)
    if mark is not None:
        write_bytes(state / _INCOMPLETE / mark, b"")
    if (state / _INCOMPLETE).exists():
        rename_whole(state / _INCOMPLETE, state / _COMPLETE)
    settle_state(folder, gate)


def settle_state(folder: str | Path, gate: str) -> None:
    """The state of a gate as its last merge left it; to be called before it is read by a new process."""
    state = state_folder(folder, gate)
    remove_folder(state / _INCOMPLETE)
    if (state / _COMPLETE).exists():
        # the mark, which is hidden, comes last
        for path in sorted((state / _COMPLETE).iterdir(), key=lambda path: (path.name[0] == ".", path.name)):
            rename_whole(path, state / path.name)
        (state / _COMPLETE).rmdir()


def sketch_file(folder: str | Path, gate: str, what: str, shard: Shard) -> Path:
    """Where a sketch of a shard lies until it is merged; hidden, since no manifest may name it."""
    return state_folder(folder, gate) / f".{what}" / f"{Path(shard.name).stem}.arrow"


def late_part(folder: str | Path, gate: str, shard: Shard) -> Path:
    """Where the verdicts lie that a gate gave on rows of a shard when all were judged."""
    return Path(folder) / "verdicts" / gate / f"{LATE_PREFIX}{shard.name.removeprefix('part-')}"


def remove_folder(path: Path) -> None:
    """Out of sight at once, then gone: a kill in between leaves no half of it under its name."""
    if path.exists():
        hidden = path.with_name(f".{path.name.lstrip('.')}.removed")
        shutil.rmtree(hidden, ignore_errors=True)
        path.rename(hidden)
        shutil.rmtree(hidden)


def _read_origin(path: Path) -> str | None:
    """Where the rows of a part come from, by its name: a round (generation/parts.py), a gate, a person."""
    found = _IN_ROUND.match(path.name) or _AMENDED.match(path.name)
    return found and found[1]


_IN_ROUND = re.compile(r"part-(\d{3})-\d{2}-")
_AMENDED = re.compile(rf"({AMENDED_PREFIX}(?:then-\d\d-)?(?:copies-\d\d-)?[a-z-]*)")


def require_plain(folder: Path) -> None:
    """Nothing where a run holds files and folders and nothing else. Whoever reads one may wait for ever on a
    pipe, and reads a device or a hole without end; a run may come from anybody.

    Hidden folders are passed over: a review server keeps its own data in one. Raises StoreError for what is
    there, and for a link to it.
    """
    folders = [folder] if folder.is_dir() else []
    for found in folders:
        with store_errors(found), os.scandir(found) as entries:
            held = [*entries]
        for entry in held:
            path = Path(entry.path)
            with (
                store_errors(path),
                contextlib.suppress(FileNotFoundError),
            ):  # whoever is at work removes files
                if not entry.is_dir():
                    require_regular(path)
                elif not entry.name.startswith(".") and not entry.is_symlink():
                    folders.append(path)


@contextlib.contextmanager
def open_run(folder: Path, lock: bytes) -> Iterator[Path]:
    """The run folder, held by this process alone until the block ends.

    `lock` is the lock to write; its identity line must be the same on every later start: it names what the
    rows depend on, and not, say, the title on the card. A run that stopped before its first row was kept
    gives way to another. Raises RunMismatch when the folder holds another run, or something
    that is no run; StoreError when another process is at work in it.
    """
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    require_plain(folder)
    path = folder / LOCK
    if foreign and not path.exists():
        raise RunMismatch(
            f"{folder} is not empty and holds no run",
            seen=", ".join(foreign[:5]),
            mend="Choose another folder with --out.",
        )
    with hold_alone(folder / ".lock", str(folder)):
        _remove_leftovers(folder)
        found = identity_line(path.read_bytes()) if path.exists() else identity_line(lock)
        other = found != identity_line(lock)
        rows = any(folder.glob("candidates/*")) or any(folder.glob("verdicts/*"))
        if other and _IDENTITY.fullmatch(found) and not rows:  # a run of ours, before its first row
            _start_again(folder)
        elif other:
            raise RunMismatch(
                f"{folder} holds a different run: its {LOCK} was made from another input, teacher, method "
                "or parameter",
                mend="Choose another folder with --out, or remove this one.",
            )
        if not path.exists() or path.read_bytes() != lock:
            write_bytes(path, lock)
        yield folder


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """MANIFEST.json over every file of `folder`: path, SHA-256, bytes; and `facts`. Call it last."""
    write_bytes(folder / MANIFEST, render_manifest(folder, facts))


def render_manifest(folder: Path, facts: Mapping[str, Any]) -> bytes:
    """The canonical bytes of the manifest of `folder` as it is now."""
    files = {
        name: {"sha256": digest_file(folder / name), "bytes": (folder / name).stat().st_size}
        for name in list_files(folder)
        if name != MANIFEST
    }
    return canonical_json({"scheme": MANIFEST_SCHEME, "facts": dict(facts), "files": files}) + b"\n"


def update_manifest(folder: Path, names: Iterable[str]) -> None:
    """The manifest of `folder` with those files as they are now, the gone ones left out; the rest stays.

    For what is added to a finished run without reading all of it again; a run without a manifest is not
    finished, and gets none. Raises StoreError for a manifest that cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return
    try:
        with store_errors(path):
            manifest = orjson.loads(path.read_bytes())
        files = manifest["files"]
        for name in names:
            files.pop(name, None)
            if (folder / name).is_file():
                size = (folder / name).stat().st_size
                files[name] = {"sha256": digest_file(folder / name), "bytes": size}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as exc:
        raise StoreError(f"{path} is no manifest of a run") from exc
    write_bytes(path, canonical_json(manifest) + b"\n")


def list_files(folder: Path) -> list[str]:
    """Every file under `folder` as a POSIX path relative to it, sorted; hidden ones are left out.

    Raises StoreError for a link: nothing in a run or a pack points elsewhere.
    """
    names: list[str] = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_symlink():
            raise StoreError(f"{path} is a link", allowed="regular files only")
        if path.is_file():
            names.append(relative.as_posix())
    return names


@contextlib.contextmanager
def hold_alone(path: Path, what: str, *, remove: bool = False) -> Iterator[None]:
    """Holds the lock file at `path`, until the block ends, for `what`; then it goes, with `remove`.

    Raises StoreError when another process holds it.
    """
    while True:
        with store_errors(path.parent):
            file: IO[bytes] = path.open("ab")
        with file:
            try:
                lock_file(file, wait=False)
            except BlockingIOError as exc:
                raise StoreError(
                    f"{what} is in use by another process", mend="Wait for it to end, or stop it."
                ) from exc
            except OSError as exc:  # some network file systems know no locks
                raise StoreError(
                    f"{what} cannot be locked: {exc.strerror}",
                    mend="Choose a folder on a local disk with --out.",
                ) from exc
            if remove and not _is_there(path, file):
                continue  # its last holder removed it between our opening and our locking
            try:
                yield
            finally:
                if remove:
                    path.unlink(missing_ok=True)
            return


def _is_there(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _start_again(folder: Path) -> None:
    """Removes what a run leaves before its first row: no more stands in its place than was read."""
    for name in ("seeds", "rounds", "candidates", "verdicts"):
        remove_folder(folder / name)
    (folder / LOCK).unlink()


def _remove_leftovers(folder: Path) -> None:
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
