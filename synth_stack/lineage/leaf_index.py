"""Where in the tree a row stands, by its id: an index that is read by seeking, and made again to be checked.

A file of 12 bytes a row: the first 8 bytes of the id and the index of its leaf in 4 more, both with the
largest byte first, in the order of these bytes. Ids are digests, so few of them share their first 8 bytes.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.errors import InputError, StoreError, VerificationError

ENTRY_BYTES = 12
PREFIX_BYTES = 8
MAX_LEAVES = 2**32
_ENTRY = np.dtype([("prefix", ">u8"), ("leaf", ">u4")])
_ROW = np.dtype([("prefix", "<u8"), ("rest", "<u8"), ("leaf", "<u4")])
RUN_ROWS = 262_144
"""Rows in memory at a time, some 20 MB while they are sorted; more lie in a temporary file, run by run."""
_BUCKETS = 256
"""The rows of all runs that begin with one byte are sorted together."""
MAX_NEAR = 1_000
"""Entries that begin alike: two of a billion rows share 8 bytes with a chance of 3 %."""


class LeafIndex:
    """The index of a tree in the making; memory stays at RUN_ROWS rows, and a temporary file takes 20 bytes a
    row beyond. Close it.
    """

    def __init__(self) -> None:
        self._size = 0
        self._rows: list[NDArray[np.void]] = []
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self._runs: list[NDArray[np.int64]] = []

    def close(self) -> None:
        """Give the temporary file back."""
        if self._file is not None:
            self._file.close()

    def add(self, row_ids: pa.Array | pa.ChunkedArray) -> None:
        """The ids of the next leaves, each 32 hexadecimal digits. Raises InputError for more rows than can be
        numbered, StoreError where the temporary file cannot be written.
        """
        halves = np.frombuffer(bytes.fromhex("".join(row_ids.to_pylist())), dtype=">u8").reshape(-1, 2)
        if self._size + len(halves) > MAX_LEAVES:
            raise InputError("a batch has more rows than its index can number", seen=self._size + len(halves))
        rows = np.empty(len(halves), dtype=_ROW)
        rows["prefix"], rows["rest"] = halves[:, 0], halves[:, 1]
        rows["leaf"] = np.arange(self._size, self._size + len(halves))
        self._size += len(halves)
        self._rows.append(rows)
        self._in_memory += len(rows)
        if self._in_memory >= RUN_ROWS:
            self._write_run()

    def find_repeated(self) -> str | None:
        """An id that was added twice, or None. Raises StoreError."""
        for rows in self._each_sorted():
            again = np.flatnonzero(rows["prefix"][1:] == rows["prefix"][:-1])
            near = rows[np.union1d(again, again + 1)]
            near = near[np.lexsort((near["rest"], near["prefix"]))]
            alike = (near["prefix"][1:] == near["prefix"][:-1]) & (near["rest"][1:] == near["rest"][:-1])
            if alike.any():
                one = near[int(np.flatnonzero(alike)[0])]
                return f"{int(one['prefix']):016x}{int(one['rest']):016x}"
        return None

    def each_block(self) -> Iterator[bytes]:
        """The bytes of the index, in pieces. Raises StoreError."""
        for rows in self._each_sorted():
            entries = np.empty(len(rows), dtype=_ENTRY)
            entries["prefix"], entries["leaf"] = rows["prefix"], rows["leaf"]
            yield entries.tobytes()

    def _write_run(self) -> None:
        rows = _sort(self._rows)
        start = self._size - len(rows)
        try:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  (close() gives it back)
            self._file.seek(start * _ROW.itemsize)
            self._file.write(rows.tobytes())
        except OSError as exc:
            raise _untold(exc) from exc
        first = rows["prefix"] >> np.uint64(56)
        self._runs.append(start + np.searchsorted(first, np.arange(_BUCKETS + 1, dtype=np.uint64)))
        self._rows, self._in_memory = [], 0

    def _each_sorted(self) -> Iterator[NDArray[np.void]]:
        """The rows in the order of the index; those that begin alike are in one piece."""
        if self._file is None:
            yield _sort(self._rows)
            return
        if self._in_memory:
            self._write_run()
        for bucket in range(_BUCKETS):
            yield _sort([self._read(run[bucket], run[bucket + 1]) for run in self._runs])

    def _read(self, start: int, end: int) -> NDArray[np.void]:
        assert self._file is not None
        try:
            self._file.seek(int(start) * _ROW.itemsize)
            data = self._file.read(int(end - start) * _ROW.itemsize)
        except OSError as exc:
            raise _untold(exc) from exc
        return np.frombuffer(data, dtype=_ROW)

    def write(self, path: Path) -> None:
        """The index as a new file, on the disk when this returns. Raises StoreError."""
        try:
            with path.open("xb") as file:
                for block in self.each_block():
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            raise StoreError(f"{path} cannot be written: {exc.strerror or exc}") from exc

    def compare(self, file: IO[bytes], where: str) -> None:
        """Raises VerificationError, starting with `where`, for a file that is another index."""
        number = 0
        for block in self.each_block():
            found = file.read(len(block))
            if found != block:
                differs = next(
                    (i for i, (a, b) in enumerate(zip(found, block, strict=False)) if a != b), len(found)
                )
                raise VerificationError(
                    f"{where}: entry {number + differs // ENTRY_BYTES} is not what the records give"
                )
            number += len(block) // ENTRY_BYTES
        if file.read(1):
            raise VerificationError(f"{where} holds more entries than there are records")


def _sort(parts: list[NDArray[np.void]]) -> NDArray[np.void]:
    """The rows by their first eight bytes; such as begin alike stay in the order of their leaves."""
    rows = np.concatenate([np.empty(0, dtype=_ROW), *parts])
    return rows[np.argsort(rows["prefix"], kind="stable")]


def _untold(exc: OSError) -> StoreError:
    return StoreError(f"the temporary file of an index of rows: {exc.strerror or exc}")


def find_leaves(file: IO[bytes], size: int, prefix: str, where: str) -> list[int]:
    """The leaves, of `size`, whose ids may begin with `prefix` (hexadecimal), in the order of the index.

    Some 40 reads of 12 bytes, whatever the size. Raises VerificationError, starting with `where`, for a file
    of another length, and one in which more rows begin alike than any batch has.
    """
    if file.seek(0, os.SEEK_END) != size * ENTRY_BYTES:
        raise VerificationError(f"{where} is not of the length that its leaves give")
    digits = 2 * PREFIX_BYTES
    first = int(prefix[:digits].ljust(digits, "0"), 16)
    last = int(prefix[:digits].ljust(digits, "f"), 16)
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if _read_entry(file, middle)[0] < first:
            low = middle + 1
        else:
            high = middle
    found: list[int] = []
    while low < size:
        near, leaf = _read_entry(file, low)
        if near > last:
            break
        if leaf >= size or len(found) >= MAX_NEAR:
            raise VerificationError(f"{where}: entry {low} is not what any records give")
        found.append(leaf)
        low += 1
    return found


def _read_entry(file: IO[bytes], number: int) -> tuple[int, int]:
    file.seek(number * ENTRY_BYTES)
    data = file.read(ENTRY_BYTES)
    return int.from_bytes(data[:PREFIX_BYTES], "big"), int.from_bytes(data[PREFIX_BYTES:], "big")
