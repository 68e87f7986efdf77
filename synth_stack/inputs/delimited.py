"""Rows of CSV and TSV files, each with its place, or the reason why there is none."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from synth_stack.errors import InputError

ROW_FIELDS = 4
"""A row may be as long as so many of the longest fields."""
NOT_UTF8 = "not UTF-8: save it as such (in Excel as CSV UTF-8), or convert it with iconv"
"""No other encoding is guessed: most bytes are letters in all of them, and wrong ones in all but one."""


def read_delimited(
    file: IO[bytes], path: Path, max_bytes: int, *, tabs: bool, strict: bool
) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(place, row or reason) for every row; a CSV whose header has no comma may use `;` or tabs instead.

    Raises InputError for a header that is no CSV or no UTF-8, or names a column twice.
    """
    csv.field_size_limit(max_bytes)
    # surrogateescape keeps the place of a byte that is not UTF-8, so one bad row does not end the file
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    lines = _Lines(text, ROW_FIELDS * max_bytes)
    delimiter = "\t" if tabs else _find_delimiter(lines.peek())
    reader = csv.DictReader(lines, restkey=None, restval=None, delimiter=delimiter, strict=strict)
    try:
        _check_header(reader, path)
        lines.held = 0
        while True:
            try:
                row = next(reader, None)
            except csv.Error as exc:  # the next call goes on with the next line
                yield f"line {lines.number}", f"not CSV: {exc}"
                continue
            if row is None:
                break
            lines.held = 0
            yield f"line {lines.number}", _check_row(row)
    finally:
        text.detach()


class _Lines:
    """The lines of a text for the csv module; a row that grows without end is an error of its own."""

    def __init__(self, text: io.TextIOWrapper, max_chars: int) -> None:
        self._text, self._max = text, max_chars
        self._first: str | None = text.readline(max_chars)
        self.number = 0
        self.held = 0

    def peek(self) -> str:
        """The first line, which is still to come."""
        return self._first or ""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line, self._first = self._first, None
        if line is None:
            line = self._text.readline(self._max)
        if not line:
            raise StopIteration
        self.number += 1
        self.held += len(line)
        if self.held >= self._max:
            self.held = 0
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(self._max)
            raise csv.Error(f"row larger than {self._max} characters")
        return line


def _find_delimiter(header: str) -> str:
    return next((mark for mark in (",", ";", "\t") if mark in header), ",")


def _check_header(reader: "csv.DictReader[str]", path: Path) -> None:
    try:
        names = list(reader.fieldnames or [])
    except csv.Error as exc:
        raise InputError(f"{path} has a header that is not CSV: {exc}") from exc
    seen: set[str] = set()
    for name in names:
        if not _is_utf8(name):
            raise InputError(f"{path} has a header that is {NOT_UTF8}")
        if name in seen:
            raise InputError(
                f"{path} has two columns of one name", seen=name, mend="Rename one of them in its header."
            )
        seen.add(name)


def _check_row(row: dict[Any, Any]) -> dict[str, Any] | str:
    if None in row:  # where DictReader puts what no column names
        return "has more fields than the header names"
    for value in row.values():
        if value is None:
            return "has fewer fields than the header names"
        if not _is_utf8(value):
            return NOT_UTF8
        if "\0" in value:
            return "holds a NUL byte"
    return row


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= c <= "\udcff" for c in text)
