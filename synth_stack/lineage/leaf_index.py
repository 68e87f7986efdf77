"""Where in the tree a row stands, by its id: an index that is read by seeking, and made again to be checked.

A file of 12 bytes a row: the first 8 bytes of the id and the index of its leaf in 4 more, both with the
largest byte first, in the order of these bytes. Ids are digests, so few of them share their first 8 bytes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from synth_stack.errors import InputError, StoreError, VerificationError

ENTRY_BYTES = 12
PREFIX_BYTES = 8
MAX_LEAVES = 2**32
_ENTRY = np.dtype([("prefix", ">u8"), ("leaf", ">u4")])
_BLOCK_ROWS = 1_000_000
MAX_NEAR = 1_000
"""Entries that begin alike: two of a billion rows share 8 bytes with a chance of 3 %."""


class LeafIndex:
    """The index of a tree in the making, 8 bytes a row in memory and three times that at its end."""

    def __init__(self) -> None:
        self._prefixes: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []

    def add(self, row_ids: pa.Array | pa.ChunkedArray) -> None:
        """The ids of the next leaves, each 32 hexadecimal digits."""
        data = bytes.fromhex("".join(row_ids.to_pylist()))
        self._prefixes.append(np.frombuffer(data, dtype=">u8")[::2].astype(np.uint64))

    def each_block(self) -> Iterator[bytes]:
        """The bytes of the index, in pieces. Raises InputError for more rows than it can number."""
        prefixes = np.concatenate([np.empty(0, dtype=np.uint64), *self._prefixes])
        if len(prefixes) > MAX_LEAVES:
            raise InputError("a batch has more rows than its index can number", seen=len(prefixes))
        self._prefixes = [prefixes]
        order = np.argsort(prefixes, kind="stable")
        for start in range(0, len(order), _BLOCK_ROWS):
            part = order[start : start + _BLOCK_ROWS]
            entries = np.empty(len(part), dtype=_ENTRY)
            entries["prefix"], entries["leaf"] = prefixes[part], part
            yield entries.tobytes()

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
