"""Records of a file that somebody else wrote: JSON Lines, JSON, CSV, Parquet or Arrow, one at a time.

A record that cannot be read is a `Broken` with its place and a reason, never an exception half-way
through a file; `read_strictly` turns the first one into an InputError for files that must be whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from synth_stack.errors import InputError, name_type
from synth_stack.files import open_regular
from synth_stack.inputs.arrow_rows import read_arrow
from synth_stack.inputs.byte_streams import SUFFIXES, open_bytes, split_suffix
from synth_stack.inputs.delimited import read_delimited
from synth_stack.inputs.json_text import parse_json
from synth_stack.inputs.parquet_rows import read_parquet

__all__ = ["SUFFIXES", "Broken", "Record", "kind_of", "read_records", "read_strictly", "require_text"]

MAX_RECORD_BYTES = 64 * 1024 * 1024
"""A longer line is not a record of text; it is skipped without being held in memory."""
MAX_JSON_BYTES = 2 * 1024**3
"""A .json file is one value and is read whole; larger collections belong in .jsonl or .parquet."""

_BLOCK_BYTES = 1024 * 1024
_MARK = b"\xef\xbb\xbf"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be read: where it stands and why."""

    where: str
    reason: str


def read_records(
    path: Path, *, max_bytes: int = MAX_RECORD_BYTES, strict_csv: bool = False
) -> Iterator[tuple[str, Record | Broken]]:
    """(place, record or Broken) for every record of the file, in order; the place reads "line 7".

    With `strict_csv` a quote that is never closed is Broken; without, it takes in the rest of the file.
    Raises InputError when the file as a whole cannot be read: missing, of an unknown kind, not a list.
    """
    kind, codec = split_suffix(path)
    try:
        if kind in {".parquet", ".arrow"}:
            with open_regular(path) as file:
                yield from _name_broken((read_parquet if kind == ".parquet" else read_arrow)(file, path))
            return
        with open_bytes(path, codec) as file:
            if kind in {".csv", ".tsv"}:
                yield from _name_broken(
                    read_delimited(file, path, max_bytes, tabs=kind == ".tsv", strict=strict_csv)
                )
            elif kind == ".json":
                yield from _read_json(file, path, max_bytes)
            else:
                yield from _read_json(file, path, max_bytes, lines=True)
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}", mend="Check the path.") from exc


def kind_of(path: Path) -> str:
    """The suffix that says how a file is read, in lower case. Raises InputError for any but SUFFIXES."""
    return split_suffix(path)[0]


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


def _name_broken(records: Iterator[tuple[str, Record | str]]) -> Iterator[tuple[str, Record | Broken]]:
    """Records with a Broken in the place of each reason why there is none."""
    for place, record in records:
        yield place, Broken(place, record) if isinstance(record, str) else record


def _read_json_lines(
    file: IO[bytes], max_bytes: int, line: bytes, number: int
) -> Iterator[tuple[str, Record | Broken]]:
    """The records of a file of lines, from `line` on, which is read already and is its line `number`."""
    while line:
        place = f"line {number}"
        if len(line) > max_bytes and not line.endswith(b"\n"):
            size = len(line) + _skip_line(file)
            yield place, Broken(place, f"too long: {size} bytes; allowed: at most {max_bytes}")
        elif not line.isspace():
            yield place, _parse_object(line, place)
        line = file.readline(max_bytes + 1)
        number += 1


def _skip_line(file: IO[bytes]) -> int:
    skipped = 0
    while block := file.readline(_BLOCK_BYTES):
        skipped += len(block)
        if block.endswith(b"\n"):
            break
    return skipped


def _parse_object(line: bytes, place: str) -> Record | Broken:
    try:
        value = parse_json(line.removeprefix(_MARK))
    except ValueError as exc:
        return Broken(place, str(exc))
    if not isinstance(value, dict):
        return Broken(place, f"not an object but {name_type(value)}")
    return value


def _read_json(
    file: IO[bytes], path: Path, max_bytes: int, *, lines: bool = False
) -> Iterator[tuple[str, Record | Broken]]:
    """The objects of a list or of JSON Lines, whichever the file is named as; `lines` is what to expect."""
    number, first = 1, file.readline(max_bytes + 1)
    while first.isspace() and len(first) <= max_bytes:
        number, first = number + 1, file.readline(max_bytes + 1)
    head = first.strip(b" \t\r\n\xef\xbb\xbf")
    if lines:
        is_list = head == b"[" or head.startswith(b"[{")
    else:  # an object that ends on its first line is a record; the first line of one that is laid out is not
        is_list = not (head.startswith(b"{") and head.endswith(b"}"))
    if not is_list:
        yield from _read_json_lines(file, max_bytes, first, number)
        return
    value, held = _parse_whole(file, path, first)
    if isinstance(value, dict):
        yield "item 1", value
        return
    if not isinstance(value, list):
        raise InputError(f"{path} is not a list of objects", seen=name_type(value))
    for position, item in enumerate(value, start=1):
        place = f"item {position}"
        if isinstance(item, dict) and held > max_bytes and (size := _count_chars(item)) > max_bytes:
            yield place, Broken(place, f"too long: {size} characters; allowed: at most {max_bytes} bytes")
        elif isinstance(item, dict):
            yield place, item
        else:
            yield place, Broken(place, f"not an object but {name_type(item)}")


def _parse_whole(file: IO[bytes], path: Path, first: bytes) -> tuple[Any, int]:
    """The one value of a file, and how many bytes it stands in."""
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise InputError(f"{path} is too large to be read as one JSON value", seen=f"{size} bytes")
    blocks = [first]
    held = len(first)
    while block := file.read(_BLOCK_BYTES):
        held += len(block)
        if held > MAX_JSON_BYTES:
            raise InputError(f"{path} unpacks to more than one JSON value may hold", seen=f"{held} bytes")
        blocks.append(block)
    try:
        return parse_json(b"".join(blocks)), held
    except ValueError as exc:
        raise InputError(
            f"{path} is neither one list of objects nor one object a line: {exc}",
            mend="JSON Lines has one object on each line.",
        ) from exc


def _count_chars(value: Any) -> int:
    """The characters of all texts in a value of JSON."""
    chars, pending = 0, [value]
    while pending:
        held = pending.pop()
        if isinstance(held, str):
            chars += len(held)
        elif isinstance(held, dict | list):
            pending += [*held, *held.values()] if isinstance(held, dict) else held
    return chars
