"""Rows of CSV and TSV files, each with its place, or the reason why there is none."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from synth_stack.errors import InputError

ROW_FIELDS = 4
"""A row may be as long as so many of the longest fields."""
NOT_UTF8 = "not UTF-8: save it as such (in Excel as CSV UTF-8), or convert it with iconv"
"""No other encoding is guessed: most bytes are letters in all of them, and wrong ones in all but one."""
MARKS = (",", ";", "\t", "|")
"""What may stand between fields, the likeliest first. Other marks are punctuation in texts."""
SAMPLE_ROWS = 20
"""Rows whose fields are counted where a header may be read in more than one way."""
_SAMPLE_CHARS = 64 * 1024


def read_delimited(
    file: IO[bytes], path: Path, max_bytes: int, *, tabs: bool, strict: bool
) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(place, row or reason) for every row; the mark between fields is the one by which the rows have as many
    fields as the header, or what Excel's line `sep=;` says. With `tabs` a tab is the likeliest.

    Raises InputError for a header that is no CSV or no UTF-8, or names a column twice.
    """
    csv.field_size_limit(max_bytes)
    # surrogateescape keeps the place of a byte that is not UTF-8, so one bad row does not end the file
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    lines = _Lines(text, ROW_FIELDS * max_bytes)
    delimiter = lines.take_mark() or _find_delimiter(lines.peek(), tabs=tabs)
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
        self._ahead: deque[str] = deque()
        self.number = 0
        self.held = 0

    def take_mark(self) -> str | None:
        """The mark of a first line `sep=;`, which is then no row; None where there is none."""
        self._look_ahead(1)
        said = re.fullmatch(r'"?sep=(.)"?\r?\n?', self._ahead[0] if self._ahead else "", re.IGNORECASE)
        if said is None:
            return None
        self._ahead.popleft()
        self.number += 1
        return said[1]

    def peek(self) -> Sequence[str]:
        """The first lines, which are still to come, and an empty one where they are all."""
        self._look_ahead(SAMPLE_ROWS + 1)
        return self._ahead

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.held += len(line)
        if self.held >= self._max:
            self.held = 0
            while line and not line.endswith(("\n", "\r")):
                line = self._read()
            raise csv.Error(f"row larger than {self._max} characters")
        return line

    def _read(self) -> str:
        return self._ahead.popleft() if self._ahead else self._text.readline(self._max)

    def _look_ahead(self, lines: int) -> None:
        while len(self._ahead) < lines and sum(map(len, self._ahead)) < _SAMPLE_CHARS:
            self._ahead.append(self._text.readline(self._max))
            if not self._ahead[-1]:
                break


def _find_delimiter(lines: Sequence[str], *, tabs: bool) -> str:
    """Of the marks that part the header, the one by which most rows have as many fields as it has; where two
    do as well, one that no space follows in the header, as after a comma within a name.
    """
    marks = sorted(MARKS, key=lambda mark: mark != "\t") if tabs else MARKS
    whole = not (lines and lines[-1])
    shares = {mark: share for mark in marks if (share := _count_even(lines, mark, whole=whole)) is not None}
    return max(shares, key=lambda mark: (shares[mark], f"{mark} " not in lines[0]), default=marks[0])


def _count_even(lines: Sequence[str], mark: str, *, whole: bool) -> float | None:
    """The share of rows with as many fields as the header; None where the mark does not part the header.

    Of lines that are not the whole file the last row may be cut, and does not count.
    """
    try:
        header, *rows = islice(filter(None, csv.reader(lines, delimiter=mark)), SAMPLE_ROWS)
    except (csv.Error, ValueError):
        return None
    if len(header) < 2:
        return None
    rows = rows if whole else rows[:-1]
    return sum(len(row) == len(header) for row in rows) / max(len(rows), 1)


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
