"""Rows of hashes of unequal length in flat arrays, and the set arithmetic over many pairs of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

_PAIR_ELEMENTS = 1 << 17  # compared at once: the working set stays in the cache
_PAIRS = 1 << 10
_TAG_SHIFT = np.uint64(54)
_UNTAGGED = np.uint64((1 << 54) - 1)


@dataclass(frozen=True, slots=True)
class Ragged:
    """n rows of hashes in one flat array: row i is `values[offsets[i]:offsets[i + 1]]`.

    `values` (m,) uint64, or uint32 where half of a hash is enough; `offsets` (n + 1,) int64, from 0 to m.
    """

    values: Hashes
    offsets: Counts

    @property
    def lengths(self) -> Counts:
        """How many hashes each row holds, (n,)."""
        return np.diff(self.offsets)

    def take(self, rows: Counts) -> "Ragged":
        """The named rows, in the order named."""
        lengths = self.lengths[rows]
        return Ragged(self.values[spread(self.offsets[rows], lengths)], offsets_of(lengths))


def sort_rows(values: Hashes, rows: Counts, n_rows: int) -> Ragged:
    """The distinct `values` of each of `n_rows` rows, sorted within the row; `rows` (m,) says whose."""
    order = np.argsort(values)
    # Stable on 16-bit keys is a radix sort: four times faster than sorting by two keys at once.
    narrow = rows[order].astype(np.uint16 if n_rows <= 1 << 16 else np.int64)
    order = order[np.argsort(narrow, kind="stable")]
    values, rows = values[order], rows[order]
    fresh = np.ones(len(values), dtype=bool)
    fresh[1:] = (values[1:] != values[:-1]) | (rows[1:] != rows[:-1])
    return Ragged(values[fresh], offsets_of(np.bincount(rows[fresh], minlength=n_rows)))


def join_rows(parts: Iterable[Ragged]) -> Ragged:
    """The rows of all parts in order; while they are joined at most an eighth of them is held twice."""
    values = np.zeros(0, dtype=np.uint64)
    lengths = [np.zeros(0, dtype=np.int64)]
    filled = 0
    for part in parts:
        end = filled + len(part.values)
        if end > len(values):
            # realloc moves large arrays by their page tables, where a list of parts would be copied
            values.resize(max(end, len(values) + len(values) // 8), refcheck=False)
        values[filled:end] = part.values
        lengths.append(part.lengths)
        filled = end
    values.resize(filled, refcheck=False)
    return Ragged(values, offsets_of(np.concatenate(lengths)))


HASH_LISTS = pa.large_list(pa.uint64())
"""The Arrow type of a column of rows of hashes."""


def write_lists(rows: Ragged) -> pa.LargeListArray:
    """The rows as one Arrow list each, without a copy of their values."""
    return pa.LargeListArray.from_arrays(pa.array(rows.offsets), pa.array(rows.values))


def read_lists(column: pa.ChunkedArray) -> Ragged:
    """A column of HASH_LISTS without nulls as rows of hashes; a column of one chunk is not copied."""
    lists = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if not len(lists):
        return Ragged(np.zeros(0, dtype=np.uint64), np.zeros(1, dtype=np.int64))
    offsets = lists.offsets.to_numpy()
    values = lists.values.to_numpy()[offsets[0] : offsets[-1]]
    return Ragged(values, offsets - offsets[0] if offsets[0] else offsets)


def find_shared(left: Ragged, i: Counts, right: Ragged, j: Counts) -> NDArray[np.bool_]:
    """Which values of rows `i` of `left` are in rows `j` of `right`: `left.take(i)` flat, as booleans.

    `i` and `j` (p,) name p pairs of rows; the rows of `right` must be sorted. A bisection of all values
    at once.
    """
    lengths = left.lengths[i]
    wanted = left.values[spread(left.offsets[i], lengths)]
    low = np.repeat(right.offsets[j], lengths)
    end = np.repeat(right.offsets[j + 1], lengths)
    high = end.copy()
    if not len(right.values):
        return np.zeros(len(wanted), dtype=bool)
    last = len(right.values) - 1
    for _ in range(int(right.lengths[j].max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        below = open_ & (right.values[np.minimum(middle, last)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    found: NDArray[np.bool_] = (low < end) & (right.values[np.minimum(low, last)] == wanted)
    return found


def measure_jaccard(left: Ragged, i: Counts, right: Ragged, j: Counts) -> NDArray[np.float64]:
    """Exact Jaccard similarity |A and B| / |A or B| of p pairs of rows, (p,); values distinct in a row.

    Two empty sets score 0: nothing says that they are alike. Memory stays flat however many pairs.
    """
    either = left.lengths[i] + right.lengths[j]
    shared = count_shared(left, i, right, j)
    similarity: NDArray[np.float64] = shared / np.maximum(either - shared, 1)
    return similarity


def count_shared(left: Ragged, i: Counts, right: Ragged, j: Counts) -> Counts:
    """How many values p pairs of rows share, (p,); values distinct in a row. Memory stays flat."""
    shared = np.zeros(len(i), dtype=np.int64)
    sizes = np.cumsum(left.lengths[i] + right.lengths[j])
    first = 0
    while first < len(i):
        done = sizes[first - 1] if first else 0
        last = int(np.searchsorted(sizes, done + _PAIR_ELEMENTS))
        last = max(first + 1, min(last, first + _PAIRS))
        shared[first:last] = _count_shared(left.take(i[first:last]), right.take(j[first:last]))
        first = last
    return shared


def spread(starts: Counts, lengths: Counts) -> Counts:
    """starts[0], starts[0] + 1, ... for lengths[0] numbers, then the same from starts[1], and so on."""
    offsets = offsets_of(lengths)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)


def _count_shared(left: Ragged, right: Ragged) -> Counts:
    """How many values row k of `left` shares with row k of `right`, (p,), for at most 1,024 pairs.

    Sorted together after the number of their pair, equal values stand side by side. The number takes the
    place of the ten highest bits: two different shingles of a pair then pass for one once in 2^54.
    """
    tagged = []
    for rows in (left, right):
        pair = np.repeat(np.arange(len(rows.lengths), dtype=np.uint64), rows.lengths)
        tagged.append((rows.values & _UNTAGGED) | (pair << _TAG_SHIFT))
    values = np.concatenate(tagged)
    values.sort()
    twice = values[:-1][values[1:] == values[:-1]]
    return np.bincount((twice >> _TAG_SHIFT).astype(np.int64), minlength=len(left.lengths))


def offsets_of(lengths: Counts) -> Counts:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
