"""Text that many rows share, found in the batch itself: a passage, a template, a list of labels.

    known = learn_shared(words, min_rows)      from the rows that met many others
    parted = part_rows(words, known)           of any rows (slots.py)

A run of words is shared when at least `min_rows` different rows have it and it goes on for RUN_WORDS words.
Of each of its windows it is learnt whether the rows that have it go on alike. So a cluster of copies, whose
rows go on alike but for a word here and there, does not hide itself.

What is learnt does not depend on the order of the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from synth_stack.gates.dedup.slots import (
    AHEAD_WORDS,
    BESIDE_WORDS,
    MANY_ROWS,
    RUN_WORDS,
    SharedText,
    drop_strays,
    find_gaps,
    hash_beside,
)
from synth_stack.gates.dedup.word_blocks import (
    WINDOW_WORDS,
    HashTable,
    PlacedBlocks,
    WordBlock,
    WordBlocks,
    find_firsts,
    list_different,
)
from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged, spread

_SORTED_AT_ONCE = 1 << 24
"""Windows that are counted at once: some 130 MB."""
_PLACE_BITS = 24
"""A window this far into its row, and further, counts as at the same place."""


def know_nothing() -> SharedText:
    """That no text is shared."""
    return _know(np.zeros(0, dtype=np.uint64))


def learn_shared(words: Ragged, min_rows: int) -> SharedText:
    """The runs that at least `min_rows` of these rows share; every row counts once.

    Memory: some 400 MB, and some 60 bytes a window of the runs.
    """
    blocks = WordBlocks(words)
    counted = _count_rows(blocks, len(words.lengths), len(words.values), min_rows)
    if not len(counted.table.keys):
        return know_nothing()
    found = [list_different(_find_shared(block, counted)) for block in blocks]
    known = _know(list_different(np.concatenate(found)))
    if not len(known.windows.keys):
        return known
    placed = PlacedBlocks(blocks, known.windows)
    rows = counted.find(known.windows.keys)
    known.opens[:] = 2 * _count_agreeing(placed, len(rows), forward=True) <= rows
    known.closes[:] = 2 * _count_agreeing(placed, len(rows), forward=False) <= rows
    known.many[:] = rows >= MANY_ROWS
    known.places[:] = _find_places(placed, len(rows))
    return replace(known, usual=HashTable(_find_usual(placed, known, rows)))


def _know(windows: Hashes) -> SharedText:
    w = len(windows)
    opens, closes, many = (np.zeros(w, dtype=bool) for _ in range(3))
    nothing = HashTable(np.zeros(0, dtype=np.uint64))
    return SharedText(HashTable(windows), opens, closes, many, np.zeros(w, dtype=np.int64), nothing)


@dataclass(frozen=True, slots=True)
class _RowCounts:
    """How many rows have a window, of those that enough have; windows without their lowest bits."""

    table: HashTable
    rows: Counts
    dropped: int

    def find(self, windows: Hashes) -> Counts:
        """How many rows have each window, (m,); 0 where too few have it."""
        return np.append(self.rows, 0)[self.table.find(windows >> np.uint64(self.dropped))]


def _count_rows(blocks: WordBlocks, n_rows: int, n_words: int, min_rows: int) -> _RowCounts:
    """How many rows have each window: sorted with the number of the row in the low bits, a part at a time."""
    dropped = max(n_rows - 1, 1).bit_length()
    parts = 1 + n_words // _SORTED_AT_ONCE
    keys, rows = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for part in range(parts):
        packed = np.concatenate([np.zeros(0, dtype=np.uint64), *_pack_windows(blocks, dropped, part, parts)])
        packed.sort()
        key = packed[find_firsts(packed)] >> np.uint64(dropped)
        first = find_firsts(key)
        count = np.diff(first, append=len(key))
        keys.append(key[first[count >= min_rows]])
        rows.append(count[count >= min_rows])
    every = np.concatenate(keys)
    order = np.argsort(every)
    return _RowCounts(HashTable(every[order]), np.concatenate(rows)[order], dropped)


def _pack_windows(blocks: WordBlocks, dropped: int, part: int, parts: int) -> Iterator[Hashes]:
    for block in blocks:
        key = block.windows >> np.uint64(dropped)
        mine = np.flatnonzero((block.windows != 0) & (key % np.uint64(parts) == part))
        yield key[mine] << np.uint64(dropped) | block.row[mine].astype(np.uint64)


def _find_shared(block: WordBlock, counted: _RowCounts) -> Hashes:
    """The windows in long runs of shared ones, without those that reach from a run into what fewer share.

    Such a window has the end of a template and the beginning of what stands in the slot, which some rows may
    have in common: it is in seven eighths of the rows of a window beside it, or fewer.
    """
    rows = counted.find(block.windows)
    rows[block.windows == 0] = 0
    highest = rows.copy()
    for k in range(1, min(WINDOW_WORDS, len(rows))):
        np.maximum(highest[k:], rows[:-k], out=highest[k:])
        np.maximum(highest[:-k], rows[k:], out=highest[:-k])
    shared = (rows > 0) & (8 * rows > 7 * highest)
    edges = np.flatnonzero(np.diff(shared, prepend=False, append=False))
    first, end = edges[::2], edges[1::2]
    long = end - first > RUN_WORDS - WINDOW_WORDS
    found: Hashes = block.windows[spread(first[long], (end - first)[long])]
    return found


def _count_agreeing(placed: PlacedBlocks, n_windows: int, *, forward: bool) -> Counts:
    """Of the places where each window stands, how many at most agree in what follows it, or comes before."""
    tally = _Tally()
    for block, place in placed:
        at = np.flatnonzero(place >= 0)
        if forward:
            run = block.hash_runs(at, np.minimum(at + AHEAD_WORDS, block.ends[at]))
        else:
            run = block.hash_runs(
                np.maximum(at + WINDOW_WORDS - AHEAD_WORDS, block.starts[at]), at + WINDOW_WORDS
            )
        tally.add(run, place[at])
    _, counts, windows = tally.sum()
    agreeing = np.zeros(n_windows, dtype=np.int64)
    np.maximum.at(agreeing, windows, counts)
    return agreeing


def _find_places(placed: PlacedBlocks, n_windows: int) -> Counts:
    """Where each window stands in the row whose words have the lowest hash, of those that have it: the hash
    in the high bits, the words before it in the low ones.
    """
    lowest = np.full(n_windows, np.iinfo(np.uint64).max)
    for block, place in placed:
        at = np.flatnonzero(place >= 0)
        row = block.hash_runs(block.starts[at], block.ends[at]) >> np.uint64(1 + _PLACE_BITS)
        before = np.minimum(at - block.starts[at], (1 << _PLACE_BITS) - 1).astype(np.uint64)
        np.minimum.at(lowest, place[at], row << np.uint64(_PLACE_BITS) | before)
    return lowest.astype(np.int64)


def _find_usual(placed: PlacedBlocks, known: SharedText, rows: Counts) -> Hashes:
    """The words that more than half of the rows that have a window have beside it, hashed with it, sorted.

    Of the windows beside a gap where rows part ways.
    """
    opening, closing = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for block, place in placed:
        gaps = find_gaps(block, drop_strays(place, block, known), known)
        opening[gaps.before[gaps.opens]] = True
        closing[gaps.after[gaps.closes]] = True
    tally = _Tally()
    for block, place in placed:
        for which, forward in ((opening, True), (closing, False)):
            for pairs in (False, True):
                _tally_beside(tally, block, place, known, which, forward=forward, pairs=pairs)
    keys, counts, windows = tally.sum()
    usual: Hashes = keys[2 * counts > rows[windows]]
    return usual


def _tally_beside(
    tally: "_Tally",
    block: WordBlock,
    place: Counts,
    known: SharedText,
    which: Mask,
    *,
    forward: bool,
    pairs: bool,
) -> None:
    """Count the words beside `which` windows, each once where it stands there several times."""
    at = np.flatnonzero((place >= 0) & which[place])
    first = at + WINDOW_WORDS if forward else np.maximum(at - BESIDE_WORDS, block.starts[at])
    end = np.minimum(at + WINDOW_WORDS + BESIDE_WORDS, block.ends[at]) if forward else at
    lengths = np.maximum(end - first - pairs, 0)
    owner = np.repeat(np.arange(len(at)), lengths)
    window, words = place[at][owner], spread(first, lengths)
    key = hash_beside(block, known.windows.keys[window], words, forward=forward, pairs=pairs)
    order = np.lexsort((owner, key))
    key, owner, window = key[order], owner[order], window[order]
    fresh = np.ones(len(key), dtype=bool)
    fresh[1:] = (key[1:] != key[:-1]) | (owner[1:] != owner[:-1])
    tally.add(key[fresh], window[fresh])


class _Tally:
    """How often each key was added, and the window that it was added with (the same for the same key)."""

    def __init__(self) -> None:
        self._keys = [np.zeros(0, dtype=np.uint64)]
        self._counts, self._windows = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]

    def add(self, keys: Hashes, windows: Counts) -> None:
        """Count some keys."""
        order = np.argsort(keys)
        first = find_firsts(keys[order])
        self._keys.append(keys[order[first]])
        self._counts.append(np.diff(first, append=len(order)))
        self._windows.append(windows[order[first]])

    def sum(self) -> tuple[Hashes, Counts, Counts]:
        """Every key, sorted, its count and its window."""
        keys, counts = np.concatenate(self._keys), np.concatenate(self._counts)
        windows = np.concatenate(self._windows)
        order = np.argsort(keys)
        first = find_firsts(keys[order])
        if not len(first):
            return keys, counts, windows
        return keys[order[first]], np.add.reduceat(counts[order], first), windows[order[first]]
