"""The run folder: what each stage leaves, whole or not at all.

    recipe.lock.yaml   what the run was made from; a folder holds one run for good
    gates.lock.yaml    the gates that judged it, with what they really used
    seeds/             the seed table, taxonomy and documents as they were read
    rounds/            round-*.json, what each round of a run with a target was to draw
    candidates/        part-*.parquet, one per committed batch
    verdicts/<gate>/   part-*.parquet
    decisions.parquet, report.html
    pack/              the handover pack, where `run` puts it
    MANIFEST.json      every file with its digest; written last, so its presence means "finished"

A file is written under a temporary name in the same folder, flushed to the disk and renamed; a killed
process leaves the old file, the new file or a `.tmp` that the next start removes.
"""

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from synth_stack.errors import RunMismatch, StoreError
from synth_stack.rows import Digest, canonical_json

MANIFEST = "MANIFEST.json"
LOCK = "recipe.lock.yaml"
GATES_LOCK = "gates.lock.yaml"
MANIFEST_SCHEME = "synth_stack/manifest/v1"
AMENDED_PREFIX = "part-amended-"
SHARD_ROWS = 10_000
"""Rows that are in memory at a time: about 5 MB of text, small enough to stream on any machine."""
ROW_GROUP_ROWS = SHARD_ROWS


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """`data` at `path`, whole or not at all, on the disk when this returns. Raises StoreError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_table(path: Path, table: pa.Table) -> None:
    """`table` as one Parquet file, whole or not at all; equal tables give equal bytes."""
    sink = io.BytesIO()
    # pages end where chunks end, so the chunks of a table would show in its bytes
    pq.write_table(table.combine_chunks(), sink, compression="zstd", row_group_size=ROW_GROUP_ROWS)
    write_bytes(path, sink.getvalue())


def render_yaml(value: Any) -> bytes:
    """YAML for people and for `safe_load`, the same bytes for the same value."""
    text: str = yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)
    return text.encode("utf-8")


class _PlainDumper(yaml.SafeDumper):
    """A SafeDumper that writes a value out each time it stands somewhere: our reader refuses aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_yaml(path: Path) -> Any:
    """The value of a lock file that we wrote. Raises StoreError when it is missing or torn."""
    try:
        with store_errors(path):
            return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise StoreError(f"{path} is not readable YAML: {exc}") from exc


def identity_line(lock: bytes) -> str:
    """The line of a lock that says what its folder was made from."""
    lines = lock.decode("utf-8", "replace").splitlines()
    return next((line for line in lines if line.startswith("identity: ")), "identity: none")


def read_table(path: Path, schema: pa.Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """The Parquet file at `path`, or some `columns` of it.

    Raises StoreError when it is missing, torn or of another schema.
    """
    try:
        # not pq.read_table: that loads pyarrow.dataset, and with it pandas
        with store_errors(path), pq.ParquetFile(path) as file:
            found = file.schema_arrow
            table = file.read(columns=columns)
    except (pa.ArrowException, UnicodeDecodeError) as exc:
        raise StoreError(f"{path} is not a readable Parquet file: {exc}") from exc
    if schema is not None and not found.equals(schema):
        raise StoreError(
            f"{path} does not have the columns that it should",
            seen=", ".join(found.names),
            allowed=", ".join(schema.names),
        )
    return table


def list_parts(folder: Path) -> list[Path]:
    """The committed part files of a stage, in order: by name, amended rows behind all others."""
    return list_made(folder) + list_amended(folder)


def list_made(folder: Path) -> list[Path]:
    """The parts of a stage without amended rows: what was made or read before any gate looked."""
    return sorted(p for p in folder.glob("part-*.parquet") if not p.name.startswith(AMENDED_PREFIX))


def list_amended(folder: Path) -> list[Path]:
    """The parts of candidates/ that hold the rows with which a gate replaces others."""
    return sorted(folder.glob(f"{AMENDED_PREFIX}*.parquet"))


def read_parts(folder: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The tables of a stage, part by part, one in memory at a time."""
    for path in list_parts(folder):
        yield read_table(path, schema)


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive parts that are read as one table; `name` is the file name of what is made from them."""

    name: str
    parts: tuple[Path, ...]
    rows: int

    def read(self, schema: pa.Schema) -> pa.Table:
        """The rows of the shard, in order, in one chunk a column."""
        return pa.concat_tables([read_table(path, schema) for path in self.parts]).combine_chunks()


def list_shards(folder: Path, *, amended: bool = True) -> list[Shard]:
    """The parts of a stage in groups of up to SHARD_ROWS rows, in order; the same for the same parts.

    A generator commits parts of a few rows so that little is lost; judging them one by one would cost more
    than judging the rows. Where rows are made in rounds no shard holds rows of two: those of a finished round
    stay as they are.
    """
    groups: list[tuple[list[Path], int]] = []
    before_in = None
    for path in list_parts(folder) if amended else list_made(folder):
        rows, made_in = count_rows(path), _read_round(path)
        if not groups or groups[-1][1] + rows > SHARD_ROWS or made_in != before_in:
            groups.append(([], 0))
        before_in = made_in
        parts, before = groups[-1]
        parts.append(path)
        groups[-1] = (parts, before + rows)
    return [Shard(f"part-{i:05d}.parquet", tuple(parts), n) for i, (parts, n) in enumerate(groups)]


def _read_round(path: Path) -> str | None:
    """The round in the name of a part (generators/parts.py); None for one that is of no round."""
    found = _IN_ROUND.match(path.name)
    return found and found[1]


_IN_ROUND = re.compile(r"part-(\d{3})-\d{2}-")


def count_rows(path: Path) -> int:
    """The rows of a Parquet file, from its footer."""
    try:
        with store_errors(path):
            return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, UnicodeDecodeError) as exc:
        raise StoreError(f"{path} is not a readable Parquet file: {exc}") from exc


@contextlib.contextmanager
def open_run(folder: Path, lock: bytes) -> Iterator[Path]:
    """The run folder, held by this process alone until the block ends.

    `lock` is the lock to write; its identity line must be the same on every later start: it names what the
    rows depend on, and not, say, the title on the card. Raises RunMismatch when the folder holds
    another run, or something that is no run; StoreError when another process is at work in it.
    """
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    path = folder / LOCK
    if foreign and not path.exists():
        raise RunMismatch(
            f"{folder} is not empty and holds no run",
            seen=", ".join(foreign[:5]),
            mend="Choose another folder with --out.",
        )
    with _alone(folder):
        _remove_leftovers(folder)
        if path.exists() and identity_line(path.read_bytes()) != identity_line(lock):
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


def digest_file(path: Path) -> Digest:
    """SHA-256 of a file's bytes, read in blocks. Raises StoreError."""
    with store_errors(path), path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turns what the operating system says of `path` into one StoreError sentence."""
    try:
        yield
    except OSError as exc:
        mends = {
            errno.ENOSPC: "Free some space and run the same command again: it goes on where it stopped.",
            errno.EDQUOT: "Free some space and run the same command again: it goes on where it stopped.",
            errno.EROFS: "Choose a folder that can be written with --out.",
            errno.EACCES: "Check its permissions, or choose another folder with --out.",
            errno.ENOENT: "Check the path.",
            errno.EEXIST: "A file stands where a folder should be: move it, or choose another folder.",
            errno.ENOTDIR: "A file stands where a folder should be: move it, or choose another folder.",
        }
        reason = exc.strerror or str(exc)
        raise StoreError(f"{path}: {reason}", mend=mends.get(exc.errno or 0)) from exc


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with store_errors(folder):
        file: IO[bytes] = (folder / ".lock").open("ab")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StoreError(
                f"{folder} is in use by another process", mend="Wait for it to end, or stop it."
            ) from exc
        except OSError as exc:  # some network file systems know no locks
            raise StoreError(
                f"{folder} cannot be locked: {exc.strerror}",
                mend="Choose a folder on a local disk with --out.",
            ) from exc
        yield


def _remove_leftovers(folder: Path) -> None:
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
