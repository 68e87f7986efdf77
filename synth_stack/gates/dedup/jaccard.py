"""How similar two rows are: exactly, in the whole and in their parts, and a bound that costs a thirtieth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.dedup.passages import compare_passages
from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged, count_shared, measure_jaccard

Similarities = NDArray[np.float64]

_BITS = 512
"""Enough for sets that differ in some 200 values, as near-duplicates of up to 1,000 words do."""
_BLOCK_ROWS = 1 << 10
_BLOCK_PAIRS = 1 << 14
_PAIRS_WEIGHT = 0.2
"""What the order of words weighs beside the words in short texts. At 0.85 two neighbours may change places in
four words, one may be another in eight, one more may stand in four; the same words in quite another order are
another text. Chosen on rc_en and cls_template."""


@dataclass(frozen=True, slots=True)
class PartWords:
    """The words of the parts of n rows, distinct and sorted but for `in_order`: the question, what stands in
    its slots and how words follow there, the answer.

    A row in `whole` (n,) is not parted. Two in `slotted` (n,) are compared by their slots, not by their whole
    questions.
    """

    in_order: Ragged
    asked: Ragged
    slots: Ragged
    slot_pairs: Ragged
    answered: Ragged
    whole: Mask
    slotted: Mask

    def measure(self, i: Counts, j: Counts) -> tuple[Similarities, Similarities]:
        """How near the questions and the answers of p pairs of rows are, (p,) each.

        The share of the larger set of words that is in the other: one word in seven may be another at 0.85,
        and fewer than seven have to be the same. NaN where they are not compared: answers of rows that are
        not parted, and their questions where these have no slots.
        """
        apart = ~(self.whole[i] | self.whole[j])
        slots = self.slotted[i] & self.slotted[j]
        asks = apart & ~slots
        asked, answered = np.full(len(i), np.nan), np.full(len(i), np.nan)
        asked[asks] = _measure_dice(self.asked, i[asks], j[asks])
        for one, other in ((i, j), (j, i)):
            mixed = asks & self.slotted[one] & ~self.slotted[other]
            held = _measure_held(self.slots, one[mixed], self.asked, other[mixed])
            asked[mixed] = np.minimum(asked[mixed], held)
        asked[asks] = np.minimum(asked[asks], compare_passages(self.in_order, i[asks], j[asks]))
        words = _measure_dice(self.slots, i[slots], j[slots])
        pairs = _measure_dice(self.slot_pairs, i[slots], j[slots])
        asked[slots] = (1 - _PAIRS_WEIGHT) * words + _PAIRS_WEIGHT * pairs
        answered[apart] = _measure_overlap(self.answered, i[apart], j[apart])
        return asked, answered


@dataclass(frozen=True, slots=True)
class Shingled:
    """Rows by their shingles: row k is row `at[k]` of `sets`, of their `sketches` (sketch_sets) and
    `parts`.
    """

    sets: Ragged
    sketches: Hashes
    parts: PartWords
    at: Counts

    def measure(self, i: Counts, j: Counts) -> Similarities:
        """The similarity of p pairs of rows, (p,): of the whole, the question and the answer the lowest."""
        # of a number and NaN it takes the number
        lowest: Similarities = np.fmin.reduce(measure_each(self.sets, self.parts, self.at[i], self.at[j]))
        return lowest

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


def _measure_overlap(sets: Ragged, i: Counts, j: Counts) -> Similarities:
    larger = np.maximum(sets.lengths[i], sets.lengths[j])
    shared: Similarities = np.where(larger, count_shared(sets, i, sets, j), 1) / np.maximum(larger, 1)
    return shared


def measure_each(
    sets: Ragged, parts: PartWords, i: Counts, j: Counts
) -> tuple[Similarities, Similarities, Similarities]:
    """The Jaccard similarity of p pairs of rows, and how near their questions and their answers are."""
    return measure_jaccard(sets, i, sets, j), *parts.measure(i, j)


def _measure_held(sets: Ragged, i: Counts, other: Ragged, j: Counts) -> Similarities:
    held: Similarities = count_shared(sets, i, other, j) / np.maximum(sets.lengths[i], 1)
    return held


def _measure_dice(sets: Ragged, i: Counts, j: Counts) -> Similarities:
    either = sets.lengths[i] + sets.lengths[j]
    shared: Similarities = np.where(either, 2 * count_shared(sets, i, sets, j), 1) / np.maximum(either, 1)
    return shared


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
