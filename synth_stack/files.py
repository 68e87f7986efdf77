"""Files that are whole or not there: written under a temporary name, flushed to the disk, renamed.

Parquet, YAML and JSON as this package leaves them on a disk, and their digests.
"""

import contextlib
import ctypes
import errno
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from synth_stack.errors import StoreError
from synth_stack.rows.canonical import Digest

SHARD_ROWS = 10_000
"""Rows that are in memory at a time: about 5 MB of text, small enough to stream on any machine."""
SHARD_BYTES = 128 * 1024**2
"""Of columns, at a time, where rows are long; a longer part is alone."""

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
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def open_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, at `path` once the block has ended without an error. Raises StoreError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def rename_whole(path: Path, target: Path) -> None:
    """A file or folder under another name in the same file system, on the disk when this returns.

    A file that is there is replaced. Raises StoreError.
    """
    with store_errors(target):
        path.replace(target)
        sync_folder(target.parent)


def write_table(path: Path, table: pa.Table, *, plain: bool = False) -> None:
    """`table` as one Parquet file, whole or not at all; equal tables give equal bytes.

    `plain`: without dictionaries, as files of packs are, so that what a page unpacks to can be bounded.
    """
    sink = io.BytesIO()
    # pages end where chunks end, so the chunks of a table would show in its bytes
    whole = table.combine_chunks()
    if plain and not len(whole):  # a pack's file without rows has no row group either
        pq.ParquetWriter(sink, whole.schema, compression="zstd", use_dictionary=False).close()
    else:
        pq.write_table(
            whole, sink, compression="zstd", row_group_size=ROW_GROUP_ROWS, use_dictionary=not plain
        )
    write_bytes(path, sink.getvalue())


def write_tables(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """The rows of all `tables` as one Parquet file: the bytes of `write_table`, a row group at a time.

    How the rows are cut into tables does not show.
    """
    with open_whole(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        waiting, begun = schema.empty_table(), False
        for table in chain(tables, [None]):
            if table is not None:
                waiting = pa.concat_tables([waiting, table.cast(schema)])
            while len(waiting) >= ROW_GROUP_ROWS or (table is None and (len(waiting) or not begun)):
                writer.write_table(waiting.slice(0, ROW_GROUP_ROWS).combine_chunks(), ROW_GROUP_ROWS)
                waiting, begun = waiting.slice(ROW_GROUP_ROWS), True


def write_arrow(path: Path, table: pa.Table) -> None:
    """`table` as one Arrow IPC file, whole or not at all: for what is read again soon, memory-mapped."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    write_bytes(path, sink.getvalue())


def read_arrow(path: Path) -> pa.Table:
    """The Arrow IPC file at `path`, memory-mapped. Raises StoreError when it is missing or torn."""
    try:
        with store_errors(path):
            require_regular(path)
        with store_errors(path), pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except pa.ArrowException as exc:
        raise StoreError(f"{path} is not a readable Arrow file: {exc}") from exc


def render_yaml(value: Any) -> bytes:
    """YAML for people and for `safe_load`, the same bytes for the same value."""
    text: str = yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=110)
    return text.encode("utf-8")


class _PlainDumper(yaml.SafeDumper):
    """A SafeDumper that writes a value out each time it stands somewhere: our reader refuses aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_table(path: Path, schema: pa.Schema | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """The Parquet file at `path`, or some `columns` of it.

    Raises StoreError when it is missing, torn or of another schema.
    """
    try:
        # not pq.read_table: that loads pyarrow.dataset, and with it pandas
        with store_errors(path):
            require_regular(path)
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


@contextlib.contextmanager
def use_system_pool() -> Iterator[None]:
    """Arrow takes its memory from malloc, which gives back what a shard took; its own pool keeps 60 MB."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def count_rows(path: Path) -> int:
    """The rows of a Parquet file, from its footer. Raises StoreError."""
    return measure_table(path)[0]


def measure_table(path: Path) -> tuple[int, int]:
    """The rows of a Parquet file, and the bytes of its columns, from its footer. Raises StoreError."""
    try:
        with store_errors(path), open_regular(path) as file:
            footer = pq.read_metadata(file)
            groups = (footer.row_group(number) for number in range(footer.num_row_groups))
            return int(footer.num_rows), sum(int(group.total_byte_size) for group in groups)
    except (pa.ArrowException, UnicodeDecodeError) as exc:
        raise StoreError(f"{path} is not a readable Parquet file: {exc}") from exc


def digest_file(path: Path) -> Digest:
    """SHA-256 of a file's bytes, read in blocks. Raises StoreError."""
    with store_errors(path), open_regular(path) as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


SPARSE_BYTES = 64 * 1024**2
MAX_SPARSE = 50
"""No text is packed so well by a disk that packs; packs refuse the same (packs/verify_pack.py)."""


def open_regular(path: Path) -> BufferedReader:
    """A file to read from. Raises OSError for anything but a regular one: opening a pipe or a device may wait
    for ever, and reading it need not end.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        is_folder = path.is_dir()
        raise OSError(
            errno.EISDIR if is_folder else errno.EINVAL,
            "it is a folder" if is_folder else "it is a pipe or a device, and not a file",
            str(path),
        )
    if is_hole(os.fstat(handle)):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is almost nothing but a hole in the disk", str(path))
    return os.fdopen(handle, "rb")


def is_hole(status: os.stat_result) -> bool:
    """Whether a file of SPARSE_BYTES or more takes less than 1/MAX_SPARSE of its size on the disk: to read it
    takes as long as its size says, and nothing comes of it.
    """
    blocks = getattr(status, "st_blocks", None)  # not on Windows
    if blocks is None or status.st_size < SPARSE_BYTES:
        return False
    return bool(blocks * 512 < status.st_size / MAX_SPARSE)


def require_regular(path: Path) -> None:
    """Raises OSError for what is there and no regular file, before a library opens it and waits."""
    open_regular(path).close()


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a regular file, or the first `max_bytes` + 1 of a longer one. Raises OSError."""
    with open_regular(path) as file:
        return file.read(max_bytes + 1)


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


def exchange_names(one: Path, other: Path) -> bool:
    """Whether two names of one file system were exchanged in a single step (Linux, renameat2(2)).

    False, with nothing done, where the system cannot. Raises OSError.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE (linux/fcntl.h, linux/fs.h)
    if rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL, errno.EPERM}:
        return False
    raise OSError(code, os.strerror(code), str(other))


def sync_folder(folder: Path) -> None:
    """What stands in a folder is on the disk when this returns; where folders cannot be opened, the system's
    way.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
