"""Which words of a row are set apart, since many rows share them, and which stand in a slot between those.

    parted = part_rows(words, known)      `known`: what learn_shared found

What stands between shared runs is a slot where the rows part ways: where, of the rows that have the end of
the run, no more than half go on alike. Where most go on alike the row is a copy with words exchanged, not a
template filled in, and nothing of it is set apart.
"""

from dataclasses import dataclass

import numpy as np

from synth_stack.gates.dedup.word_blocks import (
    WINDOW_WORDS,
    HashTable,
    PlacedBlocks,
    WordBlock,
    WordBlocks,
    find_runs,
)
from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged, spread
from synth_stack.text.words import mix

RUN_WORDS = 16
"""A shared run is at least so long: a stock phrase is shorter, and a slot matters only beside a longer one
(for a row to come above 0.85 with a slot of one word, 34 words have to be the same)."""

AHEAD_WORDS = 11
"""In so many words, the window's own included, rows that go on alike still agree. More than two windows, so
that a word exchanged near the end of a run does not hide the slot after it; of copies with 2.7% of their
words exchanged (as at 0.85) 85% agree in the six words after the window."""

BESIDE_WORDS = 16
"""Of so many words beside a window it is known whether they are usual there."""

_LONG_SLOT = 4
MANY_ROWS = 8
"""Shorter slots than four words are believed where at least eight rows share the text: of three copies two
may have an edit at one place by chance, of eight more than half do not."""

_SLACK_WORDS = 3
"""So many words more or less may stand where a passage was edited."""


@dataclass(frozen=True, slots=True)
class SharedText:
    """The w windows of the shared runs, and what is known of each, (w,).

    `opens`, `closes`: rows part ways after it, or come together before it; `many`: eight rows or more have
    it; `places`: where it stands in one of its rows, so that of two windows one after the other in a text
    they differ by as many words. `usual` are the words that more than half of the rows have beside a window,
    hashed with it (hash_beside).
    """

    windows: HashTable
    opens: Mask
    closes: Mask
    many: Mask
    places: Counts
    usual: HashTable


@dataclass(frozen=True, slots=True)
class PartedRows:
    """Of the m words of n rows, which are `apart` and which in a `slot`, (m,).

    A row without a slot has neither.
    """

    apart: Mask
    slot: Mask

    def find_slotted(self, offsets: Counts) -> Mask:
        """Which of the n rows between the `offsets` (n + 1,) have a slot."""
        inside = np.concatenate([[0], np.cumsum(self.slot)])
        slotted: Mask = inside[offsets[1:]] > inside[offsets[:-1]]
        return slotted


@dataclass(frozen=True, slots=True)
class Gaps:
    """What stands between the shared runs of some rows: from word `first` to before word `end`, (g,).

    `before` and `after` (g,) are the windows that end before it and begin after it, -1 where it begins or
    ends its row; `opens` and `closes` (g,): rows part ways near its beginning, or come together near its end.
    """

    first: Counts
    end: Counts
    before: Counts
    after: Counts
    opens: Mask
    closes: Mask


@dataclass(frozen=True, slots=True)
class LongestRuns:
    """Of n rows the longest run of words in a mask, as places in the row, and how many words are in the mask.

    `first`, `end` and `words` (n,), 0 where there is none.
    """

    first: Counts
    end: Counts
    words: Counts


def part_rows(words: Ragged, known: SharedText) -> PartedRows:
    """Which words of the rows are set apart and which in a slot."""
    apart, slot = np.zeros(len(words.values), dtype=bool), np.zeros(len(words.values), dtype=bool)
    first = 0
    if len(known.windows.keys):
        for block, place in PlacedBlocks(WordBlocks(words), known.windows):
            here = slice(first, first + len(place))
            apart[here], slot[here] = _part_block(block, place, known)
            first = here.stop
    return PartedRows(apart, slot)


def find_longest_runs(mask: Mask, offsets: Counts) -> LongestRuns:
    """The first longest run of the mask (m,) in each of the n rows between the `offsets` (n + 1,)."""
    n = len(offsets) - 1
    row = np.repeat(np.arange(n), np.diff(offsets))
    starts, ends = find_runs(mask, row)
    order = np.lexsort((starts, starts - ends, row[starts]))
    rows, longest = np.unique(row[starts[order]], return_index=True)
    first, end = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    first[rows] = starts[order][longest] - offsets[rows]
    end[rows] = ends[order][longest] - offsets[rows]
    return LongestRuns(first, end, np.bincount(row[mask], minlength=n))


def find_gaps(block: WordBlock, place: Counts, known: SharedText) -> Gaps:
    """The gaps of the rows of a block; `place` (m,) says which window of the shared runs begins where."""
    first, end = find_runs(~_cover(place), block.row)
    left, right = first > block.starts[first], end < block.ends[end - 1]
    before, after = np.full(len(first), -1), np.full(len(first), -1)
    before[left] = place[first[left] - WINDOW_WORDS]
    after[right] = place[end[right]]
    near = np.maximum(first - AHEAD_WORDS + 1, block.starts[first]), first
    far = end, np.minimum(end + AHEAD_WORDS - 1, block.ends[end - 1])
    long = end - first >= _LONG_SLOT
    opens, closes = (
        _stand_in(place, which & known.many, *span) | (long & _stand_in(place, which, *span))
        for which, span in ((known.opens, near), (known.closes, far))
    )
    return Gaps(first, end, before, after, left & opens, right & closes)


def drop_strays(place: Counts, block: WordBlock, known: SharedText) -> Counts:
    """`place` (m,), -1 for the windows of short runs that do not go on where the run before or after leaves
    off.

    A short run may be a phrase that also stands in some passage. One beside a word exchanged in a passage
    goes on in it.
    """
    first, end = find_runs(_cover(place), block.row)
    last = end - WINDOW_WORDS
    ahead = known.places[place[first[1:]]] - known.places[place[last[:-1]]]
    joined = np.abs(ahead - (first[1:] - last[:-1])) <= _SLACK_WORDS
    joined &= block.row[first[1:]] == block.row[last[:-1]]
    stray = end - first < RUN_WORDS
    stray[1:] &= ~joined
    stray[:-1] &= ~joined
    left = place.copy()
    left[spread(first[stray], (end - first)[stray])] = -1
    return left


def hash_beside(block: WordBlock, windows: Hashes, words: Counts, *, forward: bool, pairs: bool) -> Hashes:
    """A hash of each window and of one of the words of a block beside it, (p,); `forward`: after it.

    With `pairs` of that word and the next, which has to be in the block.
    """
    said = block.words[words]
    if pairs:
        said = mix(said) + block.words[words + 1]
    hashed: Hashes = mix(windows + np.uint64(2 * pairs + forward)) ^ said
    return hashed


def _part_block(block: WordBlock, place: Counts, known: SharedText) -> tuple[Mask, Mask]:
    place = drop_strays(place, block, known)
    gaps = find_gaps(block, place, known)
    slot = gaps.opens & ~_go_on(block, known, gaps, forward=True)
    slot |= gaps.closes & ~_go_on(block, known, gaps, forward=False)
    in_slot = np.zeros(len(place), dtype=bool)
    in_slot[spread(gaps.first[slot], (gaps.end - gaps.first)[slot])] = True
    row = block.row - block.row[0] if len(place) else block.row
    has_slot = np.bincount(row, in_slot) > 0
    return has_slot[row] & ~in_slot, in_slot


def _go_on(block: WordBlock, known: SharedText, gaps: Gaps, *, forward: bool) -> Mask:
    """In which gaps the rows go on alike after the window before, or before the one after.

    More than half of the words are usual there, and a third of the pairs of words: copies with a few words
    exchanged have both in common, questions on one matter but single words.
    """
    window = gaps.before if forward else gaps.after
    first = gaps.first if forward else np.maximum(gaps.end - BESIDE_WORDS, gaps.first)
    end = np.minimum(gaps.first + BESIDE_WORDS, gaps.end) if forward else gaps.end
    lengths = np.where(gaps.opens if forward else gaps.closes, end - first, 0)

    def count(lengths: Counts, *, pairs: bool) -> Counts:
        owner = np.repeat(np.arange(len(window)), lengths)
        windows, words = known.windows.keys[window[owner]], spread(first, lengths)
        key = hash_beside(block, windows, words, forward=forward, pairs=pairs)
        return np.bincount(owner, known.usual.find(key) >= 0, minlength=len(window)).astype(np.int64)

    in_pairs = np.maximum(lengths - 1, 0)
    go_on: Mask = 2 * count(lengths, pairs=False) > lengths
    go_on &= 3 * count(in_pairs, pairs=True) >= in_pairs
    return go_on


def _cover(place: Counts) -> Mask:
    """Which words are in a window that has a place, (m,)."""
    covered = np.zeros(len(place), dtype=bool)
    for k in range(min(WINDOW_WORDS, len(place))):
        covered[k:] |= place[: len(place) - k] >= 0
    return covered


def _stand_in(place: Counts, which: Mask, first: Counts, end: Counts) -> Mask:
    """Whether one of `which` windows begins between each `first` and `end`, (g,)."""
    before = np.concatenate([[0], np.cumsum((place >= 0) & which[place])])
    near: Mask = before[end] > before[first]
    return near
