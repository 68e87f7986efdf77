"""How similar two sets of shingles are: exactly, and a bound that costs a thirtieth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.text.ragged import Counts, Hashes, Ragged, measure_jaccard

Similarities = NDArray[np.float64]

_BITS = 512
"""Enough for sets that differ in some 200 values, as near-duplicates of up to 1,000 words do."""
_BLOCK_ROWS = 1 << 10
_BLOCK_PAIRS = 1 << 14


@dataclass(frozen=True, slots=True)
class Shingled:
    """Rows by their shingles: row k is row `at[k]` of `sets` and of their `sketches` (sketch_sets)."""

    sets: Ragged
    sketches: Hashes
    at: Counts

    def measure(self, i: Counts, j: Counts) -> Similarities:
        """The Jaccard similarity of p pairs of rows, (p,)."""
        return measure_jaccard(self.sets, self.at[i], self.sets, self.at[j])

    def bound(self, i: Counts, j: Counts) -> Similarities:
        """What the similarity of p pairs of rows cannot exceed, (p,).

        Two sketches differ in no more bits than the sets differ in values, d; and of two sets of together s
        values the similarity is (s - d) / (s + d).
        """
        sizes = self.sets.lengths
        bounds = np.empty(len(i))
        for first in range(0, len(i), _BLOCK_PAIRS):
            block = slice(first, first + _BLOCK_PAIRS)
            left, right = self.at[i[block]], self.at[j[block]]
            bits = np.bitwise_count(self.sketches[left] ^ self.sketches[right]).sum(axis=1, dtype=np.int64)
            differ = np.maximum(bits, np.abs(sizes[left] - sizes[right]))
            together = sizes[left] + sizes[right]
            bounds[block] = (together - differ) / (together + differ)
        return bounds


def sketch_sets(sets: Ragged) -> Hashes:
    """512 bits a set, (n, 8): each value turns one of them over, so what two sets share leaves no trace."""
    sketches = np.empty((len(sets.lengths), _BITS // 64), dtype=np.uint64)
    for first in range(0, len(sketches), _BLOCK_ROWS):
        rows = sets.lengths[first : first + _BLOCK_ROWS]
        begin = sets.offsets[first]
        values = sets.values[begin : begin + rows.sum()]
        bits = (values & np.uint64(_BITS - 1)).astype(np.int64)
        bits += np.repeat(np.arange(len(rows)) * _BITS, rows)
        odd = np.bincount(bits, minlength=len(rows) * _BITS) & 1
        packed = np.packbits(odd.astype(bool).reshape(len(rows), -1), axis=1)
        sketches[first : first + _BLOCK_ROWS] = packed.view(np.uint64)
    return sketches
