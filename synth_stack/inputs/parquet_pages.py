"""What a Parquet file unpacks to, read from its page headers before a page is unpacked.

A footer says how large its columns are, and nobody holds it to that: a page of a kilobyte may unpack to
gigabytes, and one value of a dictionary may stand in every row. The header of a page says what unpacking it
takes, and how many values it has (parquet-format, parquet.thrift, `PageHeader`; Thrift compact protocol).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import IO, Any

MAX_HEADER_BYTES = 1024 * 1024
"""A header has statistics of its page: two values of the column at most."""
MAX_PAGES = 1_000_000
_CHUNK_BYTES = 4_096
_DICTIONARY = 2
_DATA, _DATA_V2 = 0, 3


@dataclass(frozen=True, slots=True)
class ColumnPages:
    """A column of a row group: the bytes that its pages unpack to, of them its dictionary, the largest page,
    and how many values they have, nulls included.
    """

    name: str
    unpacked: int
    dictionary: int
    largest: int
    values: int


def measure_columns(
    source: IO[bytes], metadata: Any, group: int, only: Collection[str] | None = None
) -> Iterator[ColumnPages]:
    """What each column of a row group unpacks to, or each of the fields `only`. `metadata` is pyarrow's
    FileMetaData.

    Raises ValueError for pages that are not where the footer says, and for headers that are none.
    """
    declared = metadata.row_group(group)
    for number in range(declared.num_columns):
        column = declared.column(number)
        if only is not None and column.path_in_schema.partition(".")[0] not in only:
            continue
        start = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset is not None:
            start = min(start, column.dictionary_page_offset)
        yield _measure_column(source, column.path_in_schema, start, column.total_compressed_size)


def _measure_column(source: IO[bytes], name: str, start: int, packed: int) -> ColumnPages:
    at, end = start, start + packed
    if packed == 0:  # a row group without rows
        return ColumnPages(name, 0, 0, 0, 0)
    if start < 4 or packed < 0:
        raise ValueError(f"column {name} lies outside of the file")
    unpacked = dictionary = largest = values = pages = 0
    while at < end:
        kind, size, inside, count, length = _read_header(source, at)
        pages += 1
        if pages > MAX_PAGES or size < 0 or inside < 0 or count < 0 or at + length + inside > end:
            raise ValueError(f"column {name} has a page that is none")
        unpacked += size
        largest = max(largest, size)
        if kind == _DICTIONARY:
            dictionary += size
        else:
            values += count
        at += length + inside
    return ColumnPages(name, unpacked, dictionary, largest, values)


def _read_header(source: IO[bytes], at: int) -> tuple[int, int, int, int, int]:
    """Kind, bytes unpacked, bytes packed, values, and the length of the header that begins at `at`."""
    room = _CHUNK_BYTES
    while True:
        source.seek(at)
        data = source.read(room)
        reader = _Compact(data)
        try:
            fields = reader.read_struct(2)
        except IndexError:
            if len(data) < room or room >= MAX_HEADER_BYTES:
                raise ValueError("a page header does not end") from None
            room *= 8
            continue
        kind, size, inside = fields.get(1), fields.get(2), fields.get(3)
        if not (isinstance(kind, int) and isinstance(size, int) and isinstance(inside, int)):
            raise ValueError("a page header does not say what its page is")
        head = fields.get({_DATA: 5, _DATA_V2: 8}.get(kind, 0), {})
        count = head.get(1, 0) if isinstance(head, dict) else 0
        return kind, size, inside, count if isinstance(count, int) else 0, reader.at


class _Compact:
    """A reader of Thrift's compact protocol, of as much as a page header needs. Raises IndexError at the
    end.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def read_struct(self, depth: int) -> dict[int, Any]:
        """The fields of a struct by number: numbers and, up to `depth`, structs; lists are passed over."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._signed()
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in {1, 2}:  # a truth value stands in the kind
            return kind == 1
        if kind in {3, 4, 5, 6}:
            return self._byte() if kind == 3 else self._signed()
        if kind in {7, 8}:
            return self._skip(8 if kind == 7 else self._unsigned())
        if kind in {9, 10} and depth > 0:
            head = self._byte()
            count = self._unsigned() if head >> 4 == 15 else head >> 4
            if count > len(self._data):
                raise ValueError("a page header has a list that is longer than itself")
            return [self._value(head & 15, depth - 1) for _ in range(count)] and None
        if kind == 12 and depth > 0:
            return self.read_struct(depth - 1)
        raise ValueError("a page header holds what none holds")

    def _byte(self) -> int:
        value = self._data[self.at]
        self.at += 1
        return value

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a page header holds a number that is none")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
