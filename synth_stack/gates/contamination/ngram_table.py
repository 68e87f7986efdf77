"""Word n-grams of many short documents in little memory: which documents hold an n-gram, looked up in bulk.

    packed = pack_grams(roll_ngrams(said, n)[0], documents, n_documents)   for each batch of documents
    table = build_table(n, np.concatenate(all that was packed), n_documents)
    rows, positions, hashes = scan(said, [table])[0]
    which, documents = table.find(hashes)

An entry is one 64-bit number: the high bits of the n-gram's hash, and in the low ones the number of a
document. So an n-gram takes eight bytes. Before the sorted entries stands a table of bits, addressed by the
highest bits of a hash: of nearly every n-gram of an innocent row a single bit tells that no document has it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synth_stack.text.ragged import Counts, Hashes, Ragged
from synth_stack.text.words import LIGHTEST, WORD

Flags = NDArray[np.bool_]

MAX_OWNERS = 64
"""Documents that one n-gram is traced to, the first ones. What more than 64 eval items share is a form of
words; without a bound, each row that holds it would be paired with thousands of items."""

_BASE = 0x9E3779B97F4A7C15
_BLOCK = 1 << 15  # words at a time: the running sums and the powers stay in the cache
_POWERS: Hashes = np.cumprod(np.full(_BLOCK, _BASE, dtype=np.uint64), dtype=np.uint64)
_INVERSE: Hashes = np.cumprod(np.full(_BLOCK, pow(_BASE, -1, 1 << 64), dtype=np.uint64), dtype=np.uint64)
_NONE = np.zeros(0, dtype=np.int64)
_BITS_PER_ENTRY = 8
_SEGMENT_BITS = 22


@dataclass(frozen=True, slots=True)
class GramTable:
    """The n-grams of one length n: m sorted `entries`, of which the low `id_bits` are the document.

    `bits` has 2**`address_bits` bits, 8 to 16 for each entry: one foreign n-gram in 8 to 16 passes it, and
    is then looked for among the entries.
    """

    n: int
    entries: Hashes
    id_bits: int
    bits: NDArray[np.uint8]
    address_bits: int

    def may_hold(self, hashes: Hashes) -> Flags:
        """False where no document holds the n-gram, for sure; (k,) booleans."""
        address = (hashes >> np.uint64(64 - self.address_bits)).view(np.int64)
        found: Flags = (self.bits[address >> 3] >> (address & 7).astype(np.uint8) & 1).view(np.bool_)
        return found

    def find(self, hashes: Hashes) -> tuple[Counts, Counts]:
        """(which, document): each of k n-grams with each of its first MAX_OWNERS documents, in that order.

        What is equal in the high bits counts as equal: with a million documents of a hundred n-grams, one
        foreign n-gram in 100,000 finds a document that does not hold it. The caller compares the texts.
        """
        low = np.uint64((1 << self.id_bits) - 1)
        order = np.argsort(hashes, kind="stable")
        wanted = hashes[order] & ~low
        first = np.searchsorted(self.entries, wanted)
        inside = np.flatnonzero(first < len(self.entries))
        inside = inside[(self.entries[first[inside]] & ~low) == wanted[inside]]
        order, wanted, first = order[inside], wanted[inside], first[inside]
        last = np.searchsorted(self.entries, wanted | low, side="right")
        counts = np.minimum(last - first, MAX_OWNERS)
        documents = (self.entries[_spread(first, counts)] & low).astype(np.int64)
        which = np.repeat(order, counts)
        back = np.argsort(which, kind="stable")
        return which[back], documents[back]


@dataclass(frozen=True, slots=True)
class Weighed:
    """The words of rows, and the running sum of what they weigh, (m + 1,) in 60ths of a word.

    `running` is None where each word weighs one, as in most languages.
    """

    words: Ragged
    running: Counts | None = None

    def take(self, rows: Counts) -> "Weighed":
        """The named rows, in the order named."""
        taken = self.words.take(rows)
        if self.running is None:
            return Weighed(taken)
        weights = np.diff(self.running)[_spread(self.words.offsets[rows], taken.lengths)]
        return weigh(taken, weights)

    @property
    def weights(self) -> Counts:
        """What each row weighs, in 60ths of a word, (n,)."""
        if self.running is None:
            return self.words.lengths * WORD
        totals: Counts = np.diff(self.running[self.words.offsets])
        return totals


def weigh(words: Ragged, weights: Counts | None) -> Weighed:
    """Words with what each of them weighs, (m,); None where each weighs one."""
    if weights is None:
        return Weighed(words)
    return Weighed(words, np.concatenate([[0], np.cumsum(weights)]).astype(np.int64))


def roll_ngrams(said: Weighed, n: int) -> tuple[Ragged, Counts]:
    """One hash per run of words of a row that weighs `n` words, in order, and how many words each run has.

    From every word on the shortest run that weighs enough; a row that weighs less than `n` words has none.
    The hash is sum(word[k] * B**k) modulo 2**64 (Karp and Rabin 1987) with a fixed odd B. The words are
    hashes already, so all its bits count; it takes one pass for every n, where folding takes n.
    """
    words = said.words
    every, sizes = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for _, hashes, length in _roll(said, n):
        every.append(hashes)
        sizes.append(length)
    rolled, size = np.concatenate(every), np.concatenate(sizes)
    counts = _count_runs(said, n)
    at = _spread(words.offsets[:-1], counts)
    return Ragged(rolled[at], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)), size[at]


def scan(said: Weighed, tables: Sequence[GramTable]) -> list[tuple[Counts, Counts, Hashes]]:
    """For each table (row, position, hash) of the n-grams that may be in it, in order.

    `position` is that of the n-gram's first word in its row.
    """
    found = []
    offsets = said.words.offsets
    for table in tables:
        at, kept, size = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.uint64)], [_NONE]
        for first, hashes, length in _roll(said, table.n):
            here = np.flatnonzero(table.may_hold(hashes))
            at.append(first + here)
            kept.append(hashes[here])
            size.append(length[here])
        flat = np.concatenate(at)
        row = np.searchsorted(offsets, flat, side="right") - 1
        whole = flat + np.concatenate(size) <= offsets[row + 1]
        row = row[whole]
        found.append((row, flat[whole] - offsets[row], np.concatenate(kept)[whole]))
    return found


def pack_grams(grams: Ragged, documents: Counts, n_documents: int) -> Hashes:
    """Entries of a table: the distinct n-grams of each row of `grams`, whose number is in `documents`."""
    low = np.uint64((1 << _count_id_bits(n_documents)) - 1)
    owners = np.repeat(documents, grams.lengths).astype(np.uint64)
    packed: Hashes = np.unique((grams.values & ~low) | owners)
    return packed


def build_table(n: int, entries: Hashes, n_documents: int) -> GramTable:
    """The table of all that was packed, which is sorted in place."""
    entries.sort()
    address_bits = max(_SEGMENT_BITS // 2, (len(entries) * _BITS_PER_ENTRY).bit_length())
    shift = np.uint64(64 - address_bits)
    step = min(_SEGMENT_BITS, address_bits)
    bits = np.zeros(1 << (address_bits - 3), dtype=np.uint8)
    edges = np.arange(1 << (address_bits - step), dtype=np.uint64) << np.uint64(64 - address_bits + step)
    bounds = [*np.searchsorted(entries, edges).tolist(), len(entries)]
    for segment, (first, last) in enumerate(pairwise(bounds)):
        flags = np.zeros(1 << step, dtype=bool)  # a segment at a time: a byte for each bit is much
        flags[(entries[first:last] >> shift).view(np.int64) - (segment << step)] = True
        bits[segment << (step - 3) : (segment + 1) << (step - 3)] = np.packbits(flags, bitorder="little")
    return GramTable(n, entries, _count_id_bits(n_documents), bits, address_bits)


def _roll(said: Weighed, n: int) -> Iterator[tuple[int, Hashes, Counts]]:
    """(first position, hashes, words) of all runs that weigh n words, block by block, in whatever row."""
    values = said.words.values
    longest = n if said.running is None else n * WORD // LIGHTEST + 1
    step = _BLOCK - longest + 1
    for first in range(0, len(values), step):
        block = values[first : first + _BLOCK]
        summed = np.zeros(len(block) + 1, dtype=np.uint64)
        np.cumsum(block * _POWERS[: len(block)], out=summed[1:])
        if said.running is None:
            count = max(0, len(block) - n + 1)
            ends: Counts = np.arange(n, n + count)
        else:
            running = said.running[first : first + len(block) + 1]
            ends = np.searchsorted(running, running[: min(step, len(block))] + n * WORD)
            count = int(np.searchsorted(ends, len(block), side="right"))
            ends = ends[:count]
        hashes = summed[ends] - summed[:count]
        hashes *= _INVERSE[:count]
        yield first, hashes, ends - np.arange(count)


def _count_runs(said: Weighed, n: int) -> Counts:
    """How many runs begin in each row, (rows,): from the later words on too little is left of it."""
    offsets = said.words.offsets
    if said.running is None:
        return np.maximum(said.words.lengths - n + 1, 0)
    last = said.running[offsets[1:]] - n * WORD
    stops = np.searchsorted(said.running, last, side="right")
    return np.maximum(np.minimum(stops, offsets[1:]) - offsets[:-1], 0)


def _spread(starts: Counts, counts: Counts) -> Counts:
    """starts[0], starts[0] + 1, ... for counts[0] numbers, then the same from starts[1], and so on."""
    ends = np.cumsum(counts)
    spread: Counts = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return spread


def _count_id_bits(n_documents: int) -> int:
    return max(1, (n_documents - 1).bit_length())
