"""Tables as Parquet files of a pack: streamed out in shards, and read back a few rows at a time.

A pack may come from anybody, so reading has bounds: on the rows and bytes that a row group declares, on what
its pages really unpack to (their headers are read before a page is), and on what BATCH_ROWS rows take once
they are decoded. Packs are written without dictionaries, so that no value stands in many rows for nothing.
"""

import contextlib
import gzip
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth_stack.errors import InputError, StoreError, VerificationError
from synth_stack.files import ROW_GROUP_ROWS, open_regular, store_errors
from synth_stack.inputs.parquet_pages import measure_columns

SHARD_ROWS = 100_000
"""Rows a file: about 50 MB of dialogue, which the Hub's viewer and a laptop both open at once."""
GROUP_BYTES = 64 * 1024**2
"""A row group is cut into halves until it takes no more than this in memory, or is one row."""
MAX_ROW_BYTES = 256 * 1024**2
"""The largest row that goes into a pack: four times the longest record that is read (records.py)."""
MAX_GROUP_BYTES = 2 * MAX_ROW_BYTES
"""A row group that declares more was not written by this package: encoding adds less than that."""
MAX_BATCH_BYTES = MAX_ROW_BYTES + GROUP_BYTES
"""More than any row group of ours takes, and so more than a part of one."""
BATCH_ROWS = 1_000
"""Rows decoded, or written as lines, at a time: enough to hide what a batch costs."""
MAX_COLUMN_VALUES = 32_000_000
"""Of one column in a row group, nulls included: each takes four bytes of levels while it is decoded. A group
of ours takes 64 MiB and so has at most as many messages of two bytes."""
_ENCODINGS = frozenset({"PLAIN", "RLE", "BIT_PACKED"})
"""Levels are run lengths, values stand as they are."""
MAX_FOOTER_BYTES = 16 * 1024**2
"""A footer takes about 2 kB a row group; ours have at most some thousands in a file."""

LINES_LEVEL = 3
"""Of gzip: records repeat each other, and a higher level costs more time than the pack."""

Append = Callable[[pa.Table], None]


@contextlib.contextmanager
def write_shards(
    folder: Path, name: Callable[[int], str], schema: pa.Schema, *, shard_rows: int = SHARD_ROWS
) -> Iterator[Append]:
    """A function that appends a table to the files `name(0)`, `name(1)`, ... of `shard_rows` rows each.

    There is always a first file, and the files are on the disk when the block ends. Equal tables in equal
    pieces give equal bytes. Raises StoreError, and InputError for a row over MAX_ROW_BYTES.
    """
    with contextlib.ExitStack() as stack:
        shards = 0
        room = 0
        writer: Any = None

        def begin() -> None:
            nonlocal shards, room, writer
            stack.close()
            writer = stack.enter_context(_open_writer(folder / name(shards), schema))
            shards, room = shards + 1, shard_rows

        def append(table: pa.Table) -> None:
            nonlocal room
            while table.num_rows:
                if not room:
                    begin()
                piece, table = table.slice(0, room), table.slice(room)
                for group in _split_groups(piece):
                    writer.write_table(group)
                room -= piece.num_rows

        with store_errors(folder):
            begin()
            yield append
            stack.close()


@contextlib.contextmanager
def write_lines(
    folder: Path, name: Callable[[int], str], *, shard_rows: int = SHARD_ROWS
) -> Iterator[Callable[[pa.ChunkedArray], None]]:
    """A function that appends a binary column as lines to the gzip files `name(0)`, `name(1)`, ... of
    `shard_rows` lines each.

    There is always a first file, and the files are on the disk when the block ends. Equal lines give equal
    bytes: no name and no time is in the files. Raises StoreError.
    """
    with contextlib.ExitStack() as stack:
        shards, room = 0, 0
        file: Any = None

        def begin() -> None:
            nonlocal shards, room, file
            stack.close()
            file = stack.enter_context(_open_lines(folder / name(shards)))
            shards, room = shards + 1, shard_rows

        def append(lines: pa.ChunkedArray) -> None:
            nonlocal room
            while len(lines):
                if not room:
                    begin()
                piece = lines.slice(0, min(room, BATCH_ROWS)).to_pylist()
                file.write(b"\n".join(piece) + b"\n")
                room, lines = room - len(piece), lines.slice(len(piece))

        with store_errors(folder):
            begin()
            yield append
            stack.close()


@contextlib.contextmanager
def _open_lines(path: Path) -> Iterator[gzip.GzipFile]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        with gzip.GzipFile("", "wb", LINES_LEVEL, file, mtime=0) as packed:
            yield packed
        file.flush()
        os.fsync(file.fileno())


def read_shard(
    pack: Path, name: str, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The rows of one file of a pack, BATCH_ROWS at a time and checked as Arrow data.

    Raises VerificationError, starting with `name`, for a file that is no Parquet of `schema`, or that
    goes beyond the bounds.
    """
    wanted = schema if columns is None else pa.schema([schema.field(column) for column in columns])
    with _parquet_errors(name), open_regular(pack / name) as source:
        file = _open_reader(source, name, schema)
        for group in range(file.metadata.num_row_groups):
            yield from _read_group(source, file, group, name, wanted)


def read_ids(pack: Path, name: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """The ids of the rows of one file of a pack, a row group at a time. Raises what `read_shard` raises."""
    wanted = pa.schema([schema.field("row_id")])
    with _parquet_errors(name), open_regular(pack / name) as source:
        file = _open_reader(source, name, schema)
        for group in range(file.metadata.num_row_groups):
            yield from _read_group(source, file, group, name, wanted, batch_rows=ROW_GROUP_ROWS)


def find_row(
    pack: Path, names: Sequence[str], schema: pa.Schema, index: int, columns: Sequence[str] | None = None
) -> dict[str, Any]:
    """Row `index` of the rows of several files laid end to end, or some `columns` of it; only its row group
    is read.

    Raises VerificationError where the files do not hold it.
    """
    wanted = schema if columns is None else pa.schema([schema.field(column) for column in columns])
    start = index
    for name in names:
        with _parquet_errors(name), open_regular(pack / name) as source:
            file = _open_reader(source, name, schema)
            for group in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if start < rows:
                    return _take_row(_read_group(source, file, group, name, wanted), start, name)
                start -= rows
    raise VerificationError(f"{', '.join(names)} end before row {index}")


def find_by_id(
    pack: Path, names: Sequence[str], schema: pa.Schema, row_id: str, share: float = 0.0
) -> tuple[str, dict[str, Any]] | None:
    """The row with that `row_id` in files of a pack, and the name of its file; None for no such row.

    The row groups are looked through first that stand after about that `share` of all rows. Raises what
    `read_shard` raises.
    """
    groups, start = [], 0
    for name in names:
        with _parquet_errors(name), open_regular(pack / name) as source:
            metadata = _open_reader(source, name, schema).metadata
            for group in range(metadata.num_row_groups):
                rows = metadata.row_group(group).num_rows
                groups.append((start + rows / 2, name, group))
                start += rows
    wanted = pa.schema([schema.field("row_id")])
    for _, name, group in sorted(groups, key=lambda each: abs(each[0] - share * start)):
        with _parquet_errors(name), open_regular(pack / name) as source:
            file, position = _open_reader(source, name, schema), 0
            for table in _read_group(source, file, group, name, wanted, batch_rows=ROW_GROUP_ROWS):
                found = table["row_id"].index(row_id).as_py()
                if found >= 0:
                    return name, _take_row(
                        _read_group(source, file, group, name, schema), position + found, name
                    )
                position += len(table)
    return None


@contextlib.contextmanager
def _open_writer(path: Path, schema: pa.Schema) -> Iterator[Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False) as writer:
            yield writer
        file.flush()
        os.fsync(file.fileno())


def _split_groups(table: pa.Table) -> Iterator[pa.Table]:
    rows = table.num_rows
    if rows <= ROW_GROUP_ROWS and (table.nbytes <= GROUP_BYTES or rows == 1):
        if table.nbytes > MAX_ROW_BYTES:
            raise InputError(
                f"row {table['row_id'][0].as_py()} is too large for a pack",
                seen=f"{table.nbytes} bytes",
                allowed=f"at most {MAX_ROW_BYTES}",
            )
        yield table
        return
    for start, length in ((0, rows // 2), (rows // 2, rows - rows // 2)):
        yield from _split_groups(table.slice(start, length))


def _open_reader(source: IO[bytes], name: str, schema: pa.Schema) -> Any:
    _require_small_footer(source, name)
    # Threads and read-ahead off: they would decode row groups that the checks have not reached.
    file = pq.ParquetFile(source, pre_buffer=False)
    if not file.schema_arrow.equals(schema):
        raise VerificationError(
            f"{name} does not have the columns that it should",
            seen=", ".join(file.schema_arrow.names),
            allowed=", ".join(schema.names),
        )
    _require_no_notes(file, name)
    return file


def _require_no_notes(file: Any, name: str) -> None:
    """Refuse what a reader may go by and no check reads: notes on the file and on its columns."""
    notes = {*(file.metadata.metadata or {})} - {b"ARROW:schema"} | {*(file.schema_arrow.metadata or {})}
    notes |= {key for field in file.schema_arrow for key in field.metadata or {}} - {b"PARQUET:field_id"}
    if notes:
        raise VerificationError(
            f"{name} carries a note that no pack has", seen=min(notes)[:80].decode("utf-8", "replace")
        )


def _require_small_footer(source: IO[bytes], name: str) -> None:
    """A Parquet file ends with its footer's length in four bytes, and `PAR1` (format, file layout)."""
    end = source.seek(0, os.SEEK_END)
    if end < 12:
        raise VerificationError(f"{name} is not a Parquet file", seen=f"{end} bytes")
    source.seek(end - 8)
    footer = int.from_bytes(source.read(4), "little")
    if footer > min(MAX_FOOTER_BYTES, end):
        raise VerificationError(
            f"{name} declares a footer that no pack has",
            seen=f"{footer} bytes",
            allowed=f"at most {MAX_FOOTER_BYTES}",
        )
    source.seek(0)


def _read_group(
    source: IO[bytes], file: Any, group: int, name: str, wanted: pa.Schema, *, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.Table]:
    declared = file.metadata.row_group(group)
    if declared.num_rows > SHARD_ROWS or declared.total_byte_size > MAX_GROUP_BYTES:
        raise VerificationError(
            f"{name}: row group {group} is larger than any of a pack",
            seen=f"{declared.num_rows} rows, {declared.total_byte_size} bytes",
            allowed=f"{SHARD_ROWS} rows, {MAX_GROUP_BYTES} bytes",
        )
    _require_bounded_pages(source, file.metadata, group, name, {*wanted.names})
    batches = file.iter_batches(
        batch_size=batch_rows, row_groups=[group], columns=wanted.names, use_threads=False
    )
    for batch in batches:
        table = pa.Table.from_batches([batch])
        if table.nbytes > MAX_BATCH_BYTES:
            raise VerificationError(
                f"{name}: {len(table)} rows of row group {group} unpack to more than they may",
                seen=f"{table.nbytes} bytes",
                allowed=f"{MAX_BATCH_BYTES} bytes",
            )
        table = table.cast(wanted)
        table.validate(full=True)
        yield table


def _require_bounded_pages(
    source: IO[bytes], metadata: Any, group: int, name: str, wanted: Collection[str]
) -> None:
    """Refuse what unpacks to more than a row group of ours, whatever the footer says, of the fields `wanted`.

    A pack has no dictionaries and no encoding that repeats: what a page unpacks to is what its rows take.
    """
    declared = metadata.row_group(group)
    for number in range(declared.num_columns):
        column = declared.column(number)
        if column.path_in_schema.partition(".")[0] not in wanted:
            continue  # no page of it is unpacked
        strange = {*column.encodings} - _ENCODINGS
        if strange or column.has_dictionary_page:
            raise VerificationError(
                f"{name}: column {column.path_in_schema} is not encoded as packs are",
                seen=min(strange or {"a dictionary"}),
                allowed=", ".join(sorted(_ENCODINGS)),
            )
    total = 0
    for pages in measure_columns(source, metadata, group, wanted):
        total += pages.unpacked
        if pages.dictionary or total > MAX_GROUP_BYTES or pages.values > MAX_COLUMN_VALUES:
            raise VerificationError(
                f"{name}: column {pages.name} of row group {group} unpacks to more than any of a pack",
                seen=f"{pages.unpacked} bytes, {pages.values} values",
                allowed=f"{MAX_GROUP_BYTES} bytes in all columns, {MAX_COLUMN_VALUES} values",
            )


def _take_row(batches: Iterator[pa.Table], position: int, name: str) -> dict[str, Any]:
    for table in batches:
        if position < len(table):
            row: dict[str, Any] = table.slice(position, 1).to_pylist()[0]
            return row
        position -= len(table)
    raise VerificationError(f"{name}: a row group holds fewer rows than it declares")


@contextlib.contextmanager
def _parquet_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (StoreError, VerificationError):
        raise
    except FileNotFoundError as exc:
        raise VerificationError(f"{name} is missing") from exc
    except (pa.ArrowException, OSError, ValueError, MemoryError) as exc:
        said = " ".join(str(exc).split())[:200]
        raise VerificationError(f"{name} is not a readable Parquet file: {said}") from exc
