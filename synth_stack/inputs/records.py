"""Records of a file that somebody else wrote: JSON Lines, JSON, CSV or Parquet, one at a time.

A record that cannot be read is a `Broken` with its place and a reason, never an exception half-way
through a file; `read_strictly` turns the first one into an InputError for files that must be whole.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from synth_stack.errors import InputError

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
MAX_RECORD_BYTES = 64 * 1024 * 1024
"""A longer line is not a record of text; it is skipped without being held in memory."""
MAX_JSON_BYTES = 2 * 1024**3
"""A .json file is one value and is read whole; larger collections belong in .jsonl or .parquet."""
PARQUET_BATCH_ROWS = 4_096

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be read: where it stands and why."""

    where: str
    reason: str


_Reader = Callable[[IO[bytes], Path, int], Iterator[tuple[str, Record | Broken]]]


def read_records(
    path: Path, *, max_bytes: int = MAX_RECORD_BYTES, strict_csv: bool = False
) -> Iterator[tuple[str, Record | Broken]]:
    """(place, record or Broken) for every record of the file, in order; the place reads "line 7".

    With `strict_csv` a quote that is never closed is Broken; without, it takes in the rest of the file.
    Raises InputError when the file as a whole cannot be read: missing, of an unknown kind, not a list.
    """
    readers: dict[str, _Reader] = {
        ".json": _read_json,
        ".csv": partial(_read_csv, strict=strict_csv),
        ".parquet": _read_parquet,
    }
    reader = readers.get(kind_of(path), _read_json_lines)
    try:
        with path.open("rb") as file:
            yield from reader(file, path, max_bytes)
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}", mend="Check the path.") from exc


def kind_of(path: Path) -> str:
    """The suffix that says how a file is read, in lower case. Raises InputError for any but SUFFIXES."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path} is of a kind that is not read", seen=suffix or "no suffix", allowed=", ".join(SUFFIXES)
        )
    return suffix


def read_strictly(path: Path, *, max_bytes: int) -> Iterator[tuple[str, Record]]:
    """(place, record) for every record; the first one that cannot be read raises InputError."""
    for place, record in read_records(path, max_bytes=max_bytes, strict_csv=True):
        if isinstance(record, Broken):
            raise InputError(f"{path}: {place}: {record.reason}")
        yield place, record


def require_text(record: Record, column: str, *, where: str) -> str:
    """The text of a column. Raises InputError when it is absent, no text, empty or holds a NUL."""
    if column not in record:
        raise InputError(
            f"{where}: there is no column {column!r}", allowed=", ".join(map(str, record)) or "no columns"
        )
    value = record[column]
    if not isinstance(value, str):
        raise InputError(f"{where}: column {column!r} is not text", seen=value)
    if "\0" in value:
        raise InputError(f"{where}: column {column!r} holds a NUL character", seen=value)
    if not value.strip():
        raise InputError(f"{where}: column {column!r} is empty")
    return value


def _read_json_lines(file: IO[bytes], path: Path, max_bytes: int) -> Iterator[tuple[str, Record | Broken]]:
    number = 0
    while line := file.readline(max_bytes + 1):
        number += 1
        place = f"line {number}"
        if len(line) > max_bytes and not line.endswith(b"\n"):
            size = len(line) + _skip_line(file)
            yield place, Broken(place, f"too long: {size} bytes; allowed: at most {max_bytes}")
        elif line.strip():
            yield place, _parse_object(line, place)


def _skip_line(file: IO[bytes]) -> int:
    skipped = 0
    while block := file.readline(1 << 20):
        skipped += len(block)
        if block.endswith(b"\n"):
            break
    return skipped


def _parse_object(line: bytes, place: str) -> Record | Broken:
    if b"\0" in line:
        return Broken(place, "holds a NUL byte")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return Broken(place, f"not UTF-8: byte {exc.start} is {line[exc.start]:#04x}")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        return Broken(place, f"not JSON: {exc.msg} at character {exc.pos + 1}")
    if not isinstance(value, dict):
        return Broken(place, f"not an object but {type(value).__name__}")
    return value


def _read_json(file: IO[bytes], path: Path, max_bytes: int) -> Iterator[tuple[str, Record | Broken]]:
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise InputError(f"{path} is too large to be read as one JSON value", seen=f"{size} bytes")
    try:
        value = orjson.loads(file.read().removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as exc:
        raise InputError(f"{path} is not JSON: {exc}") from exc
    if not isinstance(value, list):
        raise InputError(f"{path} is not a list of objects", seen=type(value).__name__)
    for number, item in enumerate(value, start=1):
        place = f"item {number}"
        if isinstance(item, dict):
            yield place, item
        else:
            yield place, Broken(place, f"not an object but {type(item).__name__}")


def _read_csv(
    file: IO[bytes], path: Path, max_bytes: int, *, strict: bool
) -> Iterator[tuple[str, Record | Broken]]:
    csv.field_size_limit(max_bytes)
    # surrogateescape keeps the place of a byte that is not UTF-8, so one bad row does not end the file
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.DictReader(text, restkey=None, restval=None, strict=strict)
    try:
        _check_csv_header(reader, path)
        while True:
            try:
                row = next(reader, None)
            except csv.Error as exc:  # the next call goes on with the next line
                place = f"line {reader.reader.line_num}"
                yield place, Broken(place, f"not CSV: {exc}")
                continue
            if row is None:
                break
            place = f"line {reader.line_num}"
            yield place, _check_csv_row(row, place)
    finally:
        text.detach()


def _check_csv_header(reader: "csv.DictReader[str]", path: Path) -> None:
    try:
        names = list(reader.fieldnames or [])
    except csv.Error as exc:
        raise InputError(f"{path} has a header that is not CSV: {exc}") from exc
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{path} has two columns of one name", seen=twice[0])


def _check_csv_row(row: dict[Any, Any], place: str) -> Record | Broken:
    if None in row:  # where DictReader puts what no column names
        return Broken(place, "has more fields than the header names")
    for value in row.values():
        if value is None:
            return Broken(place, "has fewer fields than the header names")
        if not value.isascii() and any("\udc80" <= c <= "\udcff" for c in value):
            return Broken(place, "not UTF-8")
        if "\0" in value:
            return Broken(place, "holds a NUL byte")
    return row


def _read_parquet(file: IO[bytes], path: Path, max_bytes: int) -> Iterator[tuple[str, Record | Broken]]:
    try:
        table = pq.ParquetFile(file)
        number = 0
        for batch in table.iter_batches(batch_size=PARQUET_BATCH_ROWS):
            for record in _read_parquet_batch(batch):
                number += 1
                place = f"row {number}"
                yield place, record if isinstance(record, dict) else Broken(place, record)
    except (pa.ArrowException, UnicodeDecodeError) as exc:
        raise InputError(f"{path} is not a readable Parquet file: {exc}") from exc


def _read_parquet_batch(batch: pa.RecordBatch) -> list[Record | str]:
    """The rows of a batch; in the place of one that Python cannot hold stands the reason.

    Such are bytes that are no UTF-8, and dates beyond the year 9999.
    """
    try:
        records: list[Record | str] = batch.to_pylist()
    except (ValueError, OverflowError) as exc:
        if batch.num_rows <= 1:
            return [f"not readable: {exc}"]
        half = batch.num_rows // 2
        return _read_parquet_batch(batch.slice(0, half)) + _read_parquet_batch(batch.slice(half))
    return records
