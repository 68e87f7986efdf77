"""MinHash signatures cut into bands, and the buckets in which rows with an equal band meet.

Flat arrays only: half a million rows at 17 bands take about 170 MB, and neither adding nor asking makes
a Python object per row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, log, log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.text import Counts, Hashes, Ragged, mix

_MIN_RECALL = 0.995
_MAX_HASHES = 160
_FLUSH_PAIRS = 1 << 20
_NONE = -1


def choose_bands(threshold: float) -> tuple[int, int]:
    """Bands and rows per band: the longest rows that still find 99.5% of pairs at the threshold.

    A pair of similarity s shares a band with probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman and
    Ullman, Mining of Massive Datasets, section 3.4.2). Longer rows propose fewer pairs in vain. At most
    160 hashes in all, which costs about 4 us a row. At 0.85: 17 bands of 8; every pair above is likelier
    still.
    """
    best = (_MAX_HASHES, 1)
    for rows in range(1, _MAX_HASHES + 1):
        bands = ceil(log(1 - _MIN_RECALL) / log1p(-(threshold**rows)))
        if bands * rows <= _MAX_HASHES:
            best = (bands, rows)
    return best


def sign_bands(sets: Ragged, bands: int, rows: int, seed: int) -> Hashes:
    """One key per band of each set's MinHash signature, (n, bands): equal bands, equal keys.

    No set may be empty. The signature is rensa's (`RMinHash`), the fold the one of `text.hash_ngrams`.
    """
    from rensa import RMinHash

    if not len(sets.lengths):
        return np.zeros((0, bands), dtype=np.uint64)
    digests = RMinHash.digest_matrix_from_flat_token_hashes(
        np.ascontiguousarray(sets.values), sets.offsets.astype(np.uint64), bands * rows, seed
    )
    signature = np.array(digests.to_rows(), dtype=np.uint64).reshape(-1, bands, rows)
    keys = mix(np.broadcast_to(np.arange(bands, dtype=np.uint64), signature.shape[:2]))
    for k in range(rows):
        keys = mix(keys + signature[:, :, k])
    return keys


@dataclass(slots=True)
class Growing:
    """A flat array that grows at its end, at constant cost per value."""

    room: NDArray[Any]
    size: int = 0

    @property
    def filled(self) -> NDArray[Any]:
        """The values so far, as a view."""
        return self.room[: self.size]

    def extend(self, values: NDArray[Any]) -> None:
        """Add `values` at the end."""
        size = self.size + len(values)
        if size > len(self.room):
            room = np.empty(max(size, 2 * len(self.room)), dtype=self.room.dtype)
            room[: self.size] = self.filled
            self.room = room
        self.room[self.size : size] = values
        self.size = size


def growing(dtype: type[np.generic]) -> Growing:
    """An empty growing array."""
    return Growing(np.empty(0, dtype=dtype))


@dataclass(slots=True)
class Buckets:
    """A hash table with chains: every added row under each of its band keys.

    `heads` holds the latest entry of each slot, `nexts` the entry added to the slot before it.
    """

    keys: Growing = field(default_factory=lambda: growing(np.uint64))
    rows: Growing = field(default_factory=lambda: growing(np.int32))
    nexts: Growing = field(default_factory=lambda: growing(np.int32))
    heads: NDArray[np.int32] = field(default_factory=lambda: np.full(1 << 10, _NONE, dtype=np.int32))

    def add(self, keys: Hashes, rows: Counts) -> None:
        """Put `rows` (m,) under their `keys` (m, bands)."""
        first = self.keys.size
        self.keys.extend(keys.ravel())
        self.rows.extend(np.repeat(rows, keys.shape[1]).astype(np.int32))
        self.nexts.extend(np.full(keys.size, _NONE, dtype=np.int32))
        if self.keys.size > len(self.heads):
            slots = 1 << int(self.keys.size * 2 - 1).bit_length()
            self.heads = np.full(slots, _NONE, dtype=np.int32)
            first = 0
        self._chain(np.arange(first, self.keys.size))

    def _chain(self, entries: Counts) -> None:
        slots = self._slots(self.keys.filled[entries])
        order = np.argsort(slots, kind="stable")
        entries, slots = entries[order], slots[order]
        opens = np.ones(len(slots), dtype=bool)
        opens[1:] = slots[1:] != slots[:-1]
        before = np.where(opens, self.heads[slots], np.concatenate([[_NONE], entries[:-1]]))
        self.nexts.filled[entries] = before
        closes = np.concatenate([opens[1:], [True]])[: len(slots)]
        self.heads[slots[closes]] = entries[closes]

    def _slots(self, keys: Hashes) -> Counts:
        return (keys & np.uint64(len(self.heads) - 1)).astype(np.int64)

    def meet(self, keys: Hashes) -> Iterator[tuple[Counts, Counts]]:
        """Pairs (query, row) that share a key, for queries with `keys` (m, bands), in bounded pieces.

        A pair may come again in a later piece, never twice in one.
        """
        bands = keys.shape[1]
        asked = keys.ravel()
        query = np.arange(len(asked))
        entry = self.heads[self._slots(asked)].astype(np.int64)
        found: list[Counts] = []
        waiting = 0
        while True:
            live = entry != _NONE
            query, entry = query[live], entry[live]
            if not len(query):
                break
            hit = self.keys.filled[entry] == asked[query]
            found.append((query[hit] // bands << 32) | self.rows.filled[entry[hit]].astype(np.int64))
            waiting += len(found[-1])
            if waiting > _FLUSH_PAIRS:
                yield _unpack(found)
                found, waiting = [], 0
            entry = self.nexts.filled[entry].astype(np.int64)
        yield _unpack(found)


def _unpack(found: list[Counts]) -> tuple[Counts, Counts]:
    pairs = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found]))
    return pairs >> 32, pairs & 0xFFFFFFFF
