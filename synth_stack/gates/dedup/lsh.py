"""Which rows to compare: MinHash signatures cut into bands, and the rows that meet in a band.

    keys = sign_bands(shingles, bands, rows, seed)     (n, bands), a 32-bit key a band
    buckets = find_buckets(keys[:, 0])                 the rows that share a key of the first band
    i, j = pair_up(buckets, heads, queries)            rows with those at the head of their buckets

Flat arrays only. A row takes four bytes a band, however long it is, until it shares a key with another.
"""

from dataclasses import dataclass
from math import ceil, log, log1p

import numpy as np
from numpy.typing import NDArray

from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged, spread
from synth_stack.text.words import mix

Keys = NDArray[np.uint32]

SCHEME = "synth_stack/bands/v1"
"""Changes whenever the same shingles would give other keys."""

_MIN_RECALL = 0.995
_MAX_HASHES = 160
_BLOCK_VALUES = 1 << 16
"""Values permuted at a time: they and their images stay in a core's second-level cache."""
FOLD = np.uint32(0x9E3779B1)
"""What the key of a band is multiplied by before its next hash is added: 2^32 by the golden ratio, and odd
(Knuth, The Art of Computer Programming, 6.4)."""
_ROW = np.uint64(0xFFFFFFFF)


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


def sign_bands(sets: Ragged, bands: int, rows: int, seed: int) -> Keys:
    """One key per band of each set's MinHash signature, (n, bands): equal bands, equal keys.

    No set may be empty; a value that occurs several times in one counts once. Each hash of the signature
    (Broder 1997) is the lowest of the set's values after a multiplication by an odd number modulo 2^32.
    The values are hashes already, so that is as good as a random permutation: a test holds the share of
    equal keys against similarity^rows. (rensa signs as fast, but gives signatures out as Python lists.)
    """
    factors = draw_factors(bands * rows, seed).reshape(bands, rows)
    keys = np.empty((len(sets.lengths), bands), dtype=np.uint32)
    first = 0
    while first < len(keys):
        full = np.searchsorted(sets.offsets, sets.offsets[first] + _BLOCK_VALUES, side="right")
        last = max(int(full) - 1, first + 1)
        begin, end = sets.offsets[first], sets.offsets[last]
        values = (sets.values[begin:end] >> np.uint64(32)).astype(np.uint32)
        _sign_block(values, sets.offsets[first:last] - begin, factors, keys[first:last])
        first = last
    return keys


@dataclass(frozen=True, slots=True)
class Buckets:
    """Rows that share a key, bucket after bucket, each in the order of the rows; at least two in each.

    `rows` (e,) int32; `firsts` (e,) int32, where in `rows` the entry's bucket begins.
    """

    rows: NDArray[np.int32]
    firsts: NDArray[np.int32]

    @property
    def places(self) -> Counts:
        """How many entries of its bucket come before each entry, (e,)."""
        return np.arange(len(self.rows)) - self.firsts

    def count(self, which: Mask) -> Counts:
        """How many entries of the mask (e,) are in the bucket of each entry, (e,)."""
        starts = np.flatnonzero(self.opens)
        if not len(starts):
            return np.zeros(0, dtype=np.int64)
        sums = np.add.reduceat(which, starts, dtype=np.int64)
        return np.repeat(sums, np.diff(starts, append=len(self.rows)))

    @property
    def opens(self) -> Mask:
        """Which entries are the first of their bucket, (e,)."""
        opens: Mask = self.places == 0
        return opens

    def only(self, stay: Mask) -> "Buckets":
        """The entries of the mask (e,), less those that are then alone in their bucket."""
        return _group(self.rows[stay], self.firsts[stay])

    def split(self, marks: Hashes) -> "Buckets":
        """The buckets parted by the marks of the rows, (n,), less the rows that are then alone."""
        own = marks[self.rows]
        order = np.lexsort((self.rows, own, self.firsts))
        rows, own = self.rows[order], own[order]
        opens = np.ones(len(rows), dtype=bool)
        # `firsts` rises, so it is in its order already
        opens[1:] = (self.firsts[1:] != self.firsts[:-1]) | (own[1:] != own[:-1])
        return _group(rows, np.cumsum(opens, dtype=np.int32))


def find_buckets(keys: Keys) -> Buckets:
    """The rows that share their key (n,) with another."""
    packed = (keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    return _group((packed & _ROW).astype(np.int32), (packed >> np.uint64(32)).astype(np.uint32))


def build_buckets(rows: NDArray[np.int32], opens: Mask) -> Buckets:
    """The buckets of `rows` (e,), of which `opens` (e,) marks the first of each."""
    firsts = np.flatnonzero(opens).astype(np.int32)
    return Buckets(rows, firsts[np.cumsum(opens, dtype=np.int32) - 1])


def pair_up(buckets: Buckets, heads: Mask, queries: Mask) -> tuple[Counts, Counts]:
    """Pairs (row, earlier row) of one bucket, of which the row is a query and the earlier one a head.

    Both are masks over entries (e,). The heads are the first of each bucket, however many.
    """
    counts = np.minimum(buckets.places, buckets.count(heads))
    counts[~queries] = 0
    earlier = buckets.rows[spread(buckets.firsts.astype(np.int64), counts)]
    return np.repeat(buckets.rows, counts).astype(np.int64), earlier.astype(np.int64)


def draw_factors(count: int, seed: int) -> Keys:
    """The odd numbers that values are multiplied by, one a hash, (count,)."""
    numbers = mix(np.arange(count, dtype=np.uint64) ^ mix(np.array([seed], dtype=np.uint64)))
    return (numbers >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


def _sign_block(values: Keys, starts: Counts, factors: Keys, keys: Keys) -> None:
    images = np.empty_like(values)
    for band, row_factors in enumerate(factors):
        key = np.zeros(len(starts), dtype=np.uint32)
        for factor in row_factors:
            np.multiply(values, factor, out=images)
            key *= FOLD
            key += np.minimum.reduceat(images, starts)
        keys[:, band] = key


def _group(rows: NDArray[np.int32], groups: NDArray[np.int32] | Keys) -> Buckets:
    """The buckets of `rows` (m,), of which those with equal neighbours in `groups` (m,) belong together."""
    opens = np.ones(len(rows), dtype=bool)
    opens[1:] = groups[1:] != groups[:-1]
    closes = np.ones(len(rows), dtype=bool)
    closes[:-1] = opens[1:]
    several = ~(opens & closes)
    return build_buckets(rows[several], opens[several])
