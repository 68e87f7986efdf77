"""Rows of words a block at a time: runs of words by one hash each, and tables of hashes to look them up
in.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged
from synth_stack.text.words import mix

WINDOW_WORDS = 5
"""Words that are looked up at once. Fewer also stand elsewhere; more are broken more often by an edit."""

_BLOCK_WORDS = 1 << 18
_KEPT_WORDS = 1 << 22
"""Up to so many words all blocks stay in memory, some 60 bytes a word, and are not made anew for each
pass."""
_BASE = np.uint64(0x9E3779B97F4A7C15)
_UNBASE = np.uint64(pow(int(_BASE), -1, 1 << 64))


@dataclass(frozen=True, slots=True)
class WordBlock:
    """Some rows with together m words.

    `words` (m,); `row` (m,), which row each is in, `starts` and `ends` (m,), where in the block that row
    begins and ends; `windows` (m,), a hash of the five words from each on, 0 where its row has no five more.
    """

    words: Hashes
    sums: Hashes
    unpowers: Hashes
    row: Counts
    starts: Counts
    ends: Counts
    windows: Hashes

    def hash_runs(self, first: Counts, end: Counts) -> Hashes:
        """One hash of the words from each `first` to each `end`: the sum of word times base to the power of
        its place, modulo 2^64 (Karp and Rabin 1987), and its length.
        """
        return _hash_runs(self.sums, self.unpowers, first, end)


class WordBlocks:
    """The blocks of some rows, as often as they are asked for."""

    def __init__(self, words: Ragged) -> None:
        self._words = words
        self._kept = list(_cut(words)) if len(words.values) <= _KEPT_WORDS else None

    def __iter__(self) -> Iterator[WordBlock]:
        return _cut(self._words) if self._kept is None else iter(self._kept)


class PlacedBlocks:
    """Blocks, each with the place of its windows in a table (m,), -1 for one that is not there."""

    def __init__(self, blocks: WordBlocks, table: "HashTable") -> None:
        self._blocks, self._table = blocks, table
        kept = blocks._kept is not None
        self._places = [self._find(block) for block in blocks] if kept else None

    def __iter__(self) -> Iterator[tuple[WordBlock, Counts]]:
        if self._places is not None:
            return zip(self._blocks, self._places, strict=True)
        return ((block, self._find(block)) for block in self._blocks)

    def _find(self, block: WordBlock) -> Counts:
        return self._table.find(block.windows)


class HashTable:
    """Sorted hashes, and for the low end of each where it is: most are found, and most others told, at
    once.
    """

    def __init__(self, keys: Hashes) -> None:
        self.keys = keys
        self._mask = np.uint64((1 << (4 * len(keys)).bit_length()) - 1)
        self._places = np.full(int(self._mask) + 1, -1, dtype=np.int32)
        self._places[keys & self._mask] = np.arange(len(keys), dtype=np.int32)

    def find(self, values: Hashes) -> Counts:
        """The place of each value among the keys, (m,); -1 for one that is none."""
        place: Counts = self._places[values & self._mask].astype(np.int64)
        unlike = np.flatnonzero(place >= 0)
        unlike = unlike[self.keys[place[unlike]] != values[unlike]]
        if len(unlike):  # another key has the same low end
            wanted = values[unlike]
            other = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            place[unlike] = np.where(self.keys[other] == wanted, other, -1)
        return place


def list_different(values: Hashes) -> Hashes:
    """The different ones among the values, sorted (np.unique goes by hashes, and is slower)."""
    ordered = np.sort(values)
    return ordered[find_firsts(ordered)]


def find_firsts(ordered: Hashes) -> Counts:
    """Where each run of equal values begins."""
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(fresh)


def find_runs(mask: Mask, row: Counts) -> tuple[Counts, Counts]:
    """Where each run of true values (m,) begins and ends; `row` (m,): none goes from one row to the next."""
    parts = row[1:] != row[:-1]
    first = mask & np.append(True, ~mask[:-1] | parts)[: len(mask)]
    last = mask & np.append(~mask[1:] | parts, True)[: len(mask)]
    return np.flatnonzero(first), np.flatnonzero(last) + 1


def _cut(words: Ragged) -> Iterator[WordBlock]:
    first, lengths = 0, words.lengths
    while first < len(lengths):
        full = np.searchsorted(words.offsets, words.offsets[first] + _BLOCK_WORDS, side="right")
        last = max(int(full) - 1, first + 1)
        offsets = words.offsets[first : last + 1] - words.offsets[first]
        counts = lengths[first:last]
        values = mix(words.values[words.offsets[first] : words.offsets[last]].astype(np.uint64))
        m = len(values)
        powers, unpowers = (
            np.cumprod(np.append(np.uint64(1), np.full(m, base)), dtype=np.uint64)
            for base in (_BASE, _UNBASE)
        )
        sums = np.append(np.uint64(0), np.cumsum(values * powers[:-1], dtype=np.uint64))
        ends = np.repeat(offsets[1:], counts)
        windows = np.zeros(m, dtype=np.uint64)
        whole = np.flatnonzero(np.arange(m) + WINDOW_WORDS <= ends)
        windows[whole] = _hash_runs(sums, unpowers, whole, whole + WINDOW_WORDS)
        row = np.repeat(np.arange(first, last), counts)
        yield WordBlock(values, sums, unpowers, row, np.repeat(offsets[:-1], counts), ends, windows)
        first = last


def _hash_runs(sums: Hashes, unpowers: Hashes, first: Counts, end: Counts) -> Hashes:
    hashed: Hashes = (sums[end] - sums[first]) * unpowers[first]
    return hashed ^ mix((end - first).astype(np.uint64))
