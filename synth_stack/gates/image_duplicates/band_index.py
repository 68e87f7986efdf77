"""All pairs of hashes within a few bits of one another, without comparing all with all.

Two hashes of four bands that differ in at most RADIUS bits differ in some band in at most RADIUS // 4 of them
(the pigeonhole; Norouzi et al. 2012, "Fast search in Hamming space with multi-index hashing", section 3). So
each band has a table of its own, and a query looks up every key within that distance in each: nothing is
missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.image_duplicates.perceptual_hash import Hashes64

RADIUS = 11
"""Bits by which hashes of two aligned images may differ: benchmarks/images.py --hashes has by how many they
do."""
_BANDS = 4
_BAND_BITS = 16
_KEYS = 1 << _BAND_BITS
_CHUNK = 1 << 21
"""Pairs that are looked at together: 16 MB for each of their columns."""

Numbers64 = NDArray[np.int64]


def pack_bits(bits: NDArray[np.bool_]) -> Hashes64:
    """Hashes (n,) of up to 64 bits, from bits (n, b); the first bit is the lowest."""
    shifts = np.arange(bits.shape[1], dtype=np.uint64)
    packed: Hashes64 = (bits.astype(np.uint64) << shifts).sum(axis=1, dtype=np.uint64)
    return packed


@dataclass(frozen=True, slots=True)
class BandIndex:
    """n hashes in order, and for each band which of them have which key: `rows` (4, n) sorted by key, and
    where those of each key begin, `starts` (4, 2**16 + 1).
    """

    hashes: Hashes64
    rows: Numbers64
    starts: Numbers64

    def find_near(self, queries: Hashes64) -> Iterator[tuple[Numbers64, Numbers64, NDArray[np.uint8]]]:
        """The query, the hash and their distance of all pairs within RADIUS bits, in pieces; a pair may come
        several times.
        """
        if len(queries) * len(self.hashes) <= _CHUNK:
            yield self._compare_all(queries)
            return
        masks = _list_masks()
        for band in range(_BANDS):
            keys = _take_band(queries, band)
            for mask in masks:
                yield from self._look_up(band, queries, keys ^ mask)

    def _compare_all(self, queries: Hashes64) -> tuple[Numbers64, Numbers64, NDArray[np.uint8]]:
        """The same pairs, each once: of few hashes it is quicker to compare all than to look up thousands of
        keys.
        """
        apart = np.bitwise_count(queries[:, None] ^ self.hashes)
        query, found = np.nonzero(apart <= RADIUS)
        return query, found, apart[query, found]

    def _look_up(
        self, band: int, queries: Hashes64, keys: Numbers64
    ) -> Iterator[tuple[Numbers64, Numbers64, NDArray[np.uint8]]]:
        first = self.starts[band][keys]
        counts = self.starts[band][keys + 1] - first
        ends = np.cumsum(counts)
        begin = 0
        while begin < len(keys):
            before = int(ends[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
            some = counts[begin:end]
            query = np.repeat(np.arange(begin, end), some)
            place = np.arange(len(query)) - np.repeat(np.cumsum(some) - some, some)
            found = self.rows[band][np.repeat(first[begin:end], some) + place]
            apart = np.bitwise_count(queries[query] ^ self.hashes[found])
            near = np.flatnonzero(apart <= RADIUS)
            if len(near):
                yield query[near], found[near], apart[near]
            begin = end


def index_hashes(hashes: Hashes64) -> BandIndex:
    """The index of hashes (n,)."""
    rows = np.empty((_BANDS, len(hashes)), np.int64)
    starts = np.empty((_BANDS, _KEYS + 1), np.int64)
    for band in range(_BANDS):
        keys = _take_band(hashes, band)
        rows[band] = np.argsort(keys, kind="stable")
        starts[band] = np.searchsorted(keys[rows[band]], np.arange(_KEYS + 1))
    return BandIndex(hashes, rows, starts)


def _take_band(hashes: Hashes64, band: int) -> Numbers64:
    return ((hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(_KEYS - 1)).astype(np.int64)


def _list_masks() -> list[int]:
    """Every key with at most RADIUS // 4 bits."""
    flips = (each for n in range(RADIUS // _BANDS + 1) for each in combinations(range(_BAND_BITS), n))
    return [sum(1 << bit for bit in each) for each in flips]
