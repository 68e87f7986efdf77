"""Overlap by words: rows that repeat an evaluation item word for word, and the exact span.

Case, punctuation and white space never count (`text.normalise`), and a word of a script without spaces is one
character. When a shared run is proof says the rule (overlap_rules.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.contamination.eval_sets import EvalItems, Fault, name_item, show_item
from synth_stack.gates.contamination.ngram_table import (
    Flags,
    GramTable,
    build_table,
    pack_grams,
    roll_ngrams,
    scan,
)
from synth_stack.gates.contamination.overlap_rules import OverlapRule
from synth_stack.text.ragged import Counts, Hashes, Ragged, find_shared, sort_rows
from synth_stack.text.spans import find_longest_spans
from synth_stack.text.words import hash_words, normalise

if TYPE_CHECKING:
    import polars as pl

_SHOWN_CHARS = 500
_LIKELIEST = 4  # parts that a row is compared with word by word
_INDEXED = _ROWS = 2_000  # items and rows hashed at a time: a few MB of working memory
_HITS = 1 << 16  # n-grams traced at once, to MAX_OWNERS parts each at most: some 100 MB at the worst
_COMPARED = 1 << 10  # pairs compared at once
_PARTS = ("prompt", "answer")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a text shares with a part of an item: the longest shared run stands from `start` to `end`, in
    characters, and of the part's `words` so many stand in shared n-grams.
    """

    part: int
    start: int
    end: int
    shared_words: int
    words: int


@dataclass(frozen=True, slots=True)
class WordIndex:
    """The prompts and answers of all eval items by their word n-grams.

    Part 2 * k is the prompt of item k, counted over all sets, and part 2 * k + 1 its answer. `tables` has one
    for n and one for each smaller length at which a part has to occur whole. `grams` (parts,) is how many
    n-grams a part has; `skipped` says for each set how many of its items are too short to be looked for.
    """

    rule: OverlapRule
    sets: Sequence[EvalItems]
    starts: Counts
    tables: Sequence[GramTable]
    grams: NDArray[np.int32]
    skipped: Sequence[int]

    def locate(self, part: int) -> tuple[EvalItems, int, str]:
        """The set, the item's number in it, and "prompt" or "answer"."""
        k = int(np.searchsorted(self.starts, part // 2, side="right")) - 1
        return self.sets[k], part // 2 - int(self.starts[k]), _PARTS[part % 2]

    def read(self, part: int) -> str | None:
        """The part's text."""
        eval_set, item, kind = self.locate(part)
        return eval_set.prompts[item] if kind == "prompt" else eval_set.answers[item]


def index_words(sets: Sequence[EvalItems], rule: OverlapRule) -> WordIndex:
    """Every n-gram of every part and whose it is; a part of fewer than n words as one of its own length."""
    n_parts = 2 * sum(len(s.ids) for s in sets)
    long, size = np.empty(_guess_words(sets), dtype=np.uint64), 0
    short: dict[int, list[Hashes]] = {}
    lengths = [np.zeros(0, dtype=np.int64)]
    for first, contents in _read_parts(sets):
        words = _hash_words(contents)
        parts = first + np.arange(len(contents))
        packed = pack_grams(roll_ngrams(words, rule.n), parts, n_parts)
        if size + len(packed) > len(long):
            long = np.concatenate([long[:size], np.empty(size + len(packed), dtype=np.uint64)])
        long[size : size + len(packed)] = packed
        size += len(packed)
        lengths.append(words.lengths)
        for length in range(rule.min_words, rule.n):
            mine = np.flatnonzero(words.lengths == length)
            if len(mine):
                whole = roll_ngrams(words.take(mine), length)
                short.setdefault(length, []).append(pack_grams(whole, parts[mine], n_parts))
    tables = [build_table(rule.n, long[:size], n_parts)]
    tables += [build_table(n, np.concatenate(short[n]), n_parts) for n in sorted(short, reverse=True)]
    starts = np.cumsum([0, *(len(s.ids) for s in sets)])
    words_of_parts = np.concatenate(lengths)
    too_short = words_of_parts.reshape(-1, 2).max(axis=1, initial=0) < rule.min_words
    skipped = [int(too_short[a:b].sum()) for a, b in pairwise(starts.tolist())]
    grams = np.maximum(words_of_parts - rule.n + 1, 1).astype(np.int32)
    return WordIndex(rule, sets, starts[:-1], tables, grams, skipped)


def find_overlaps(index: WordIndex, texts: "pl.Series") -> tuple[dict[int, Overlap], Flags]:
    """Each text that repeats an item, with the part that it repeats most of; and which have words, (n,)."""
    found: dict[int, Overlap] = {}
    readable = np.zeros(len(texts), dtype=bool)
    for first in range(0, len(texts), _ROWS):
        some = texts[first : first + _ROWS]
        words = hash_words(normalise(some, punctuation=False))
        readable[first : first + _ROWS] = words.lengths > 0
        found.update((first + row, overlap) for row, overlap in _find_in(index, some, words).items())
    return found, readable


def describe_overlap(index: WordIndex, overlap: Overlap, content: str) -> Fault:
    """What to say of a text that repeats an item.

    Evidence names eval set, item and part, the longest shared span with its character offsets in the text,
    how many of the part's words stand in shared n-grams (`shared_words`), and their share of the part
    (`coverage`).
    """
    eval_set, item, kind = index.locate(overlap.part)
    evidence = {
        "part": kind,
        **show_item(eval_set, item, index.read(overlap.part)),
        "span": content[overlap.start : min(overlap.end, overlap.start + _SHOWN_CHARS)],
        "start": overlap.start,
        "end": overlap.end,
        "shared_words": overlap.shared_words,
        "coverage": round(overlap.shared_words / overlap.words, 6),
    }
    return f"shared n-gram: with the {kind} of {name_item(eval_set, item)}", evidence


@dataclass(frozen=True, slots=True)
class _Pairs:
    """p pairs of a row and a part, (p,) each, by row and then the likeliest first."""

    rows: Counts
    parts: Counts


def _find_in(index: WordIndex, texts: "pl.Series", words: Ragged) -> dict[int, Overlap]:
    best: dict[int, Overlap] = {}
    for table, (rows, _, hashes) in zip(index.tables, scan(words, index.tables), strict=True):
        for pairs in _list_likeliest(index, table, rows, hashes):
            for row, overlap in _compare(index, table.n, texts, words, pairs):
                if row not in best or overlap.shared_words > best[row].shared_words:
                    best[row] = overlap
    return dict(sorted(best.items()))


def _guess_words(sets: Sequence[EvalItems]) -> int:
    """About twice the words of all parts: memory that is never written is never taken."""
    columns = [column for s in sets for column in (s.prompts, s.answers)]
    return sum(len(content or "") // 3 + 1 for column in columns for content in column)


def _read_parts(sets: Sequence[EvalItems]) -> Iterator[tuple[int, list[str | None]]]:
    """(number of the first part, the texts of _INDEXED items), prompt and answer in turn."""
    first = 0
    for s in sets:
        for k in range(0, len(s.ids), _INDEXED):
            pairs = zip(s.prompts[k : k + _INDEXED], s.answers[k : k + _INDEXED], strict=True)
            contents = [content for pair in pairs for content in pair]
            yield first, contents
            first += len(contents)


def _hash_words(contents: Sequence[str | None]) -> Ragged:
    import polars as pl

    return hash_words(normalise(pl.Series(contents, dtype=pl.String), punctuation=False))


def _list_likeliest(index: WordIndex, table: GramTable, rows: Counts, hashes: Hashes) -> Iterator[_Pairs]:
    """Of each row the _LIKELIEST parts that share most n-grams with it, the first among equals.

    Most is the number, or where a part has to be covered, the share of the part. Rows come in blocks, in
    order, and each n-gram of a row counts once: a text that repeats itself a million times costs no more.
    """
    order = np.lexsort((hashes, rows))
    rows, hashes = rows[order], hashes[order]
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (rows[1:] != rows[:-1]) | (hashes[1:] != hashes[:-1])
    rows, hashes = rows[fresh], hashes[fresh]
    for first, stop in _cut(rows, _HITS):
        which, parts = table.find(hashes[first:stop])
        pairs, times = np.unique(rows[first:stop][which] << 32 | parts, return_counts=True)
        row, part = pairs >> 32, pairs & 0xFFFFFFFF
        most = times if index.rule.is_run else times / index.grams[part]
        ranked = np.lexsort((part, -most, row))
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = ranked[rank < _LIKELIEST]
        yield _Pairs(row[kept], part[kept])


def _cut(rows: Counts, size: int) -> Iterator[tuple[int, int]]:
    """Bounds of blocks of about `size` of the sorted `rows`, none of which cuts a row."""
    first = 0
    while first < len(rows):
        stop = int(np.searchsorted(rows, rows[min(first + size, len(rows)) - 1], side="right"))
        yield first, stop
        first = stop


def _compare(
    index: WordIndex, n: int, texts: "pl.Series", words: Ragged, pairs: _Pairs
) -> Iterator[tuple[int, Overlap]]:
    """Each row that repeats a part, with the part of which it repeats most."""
    for first, stop in _cut(pairs.rows, _COMPARED):
        some = _Pairs(pairs.rows[first:stop], pairs.parts[first:stop])
        yield from _compare_some(index, n, texts, words, some)


def _compare_some(
    index: WordIndex, n: int, texts: "pl.Series", words: Ragged, pairs: _Pairs
) -> Iterator[tuple[int, Overlap]]:
    rows, i = np.unique(pairs.rows, return_inverse=True)
    parts, j = np.unique(pairs.parts, return_inverse=True)
    theirs = _hash_words([index.read(part) for part in parts.tolist()])
    row_grams, part_grams = roll_ngrams(words.take(rows), n), roll_ngrams(theirs, n)
    found = find_shared(part_grams, j, _sort(row_grams), i)
    spread = Ragged(np.zeros(len(found), dtype=np.uint64), _offsets(part_grams.lengths[j]))
    shared, covered = _count_true(found, spread.offsets), _count_covered(found, spread, n)
    enough = index.rule.holds(covered, theirs.lengths[j], shared, part_grams.lengths[j])
    order = np.lexsort((pairs.parts, -covered, i))
    order = order[enough[order] & (shared[order] > 0)]
    _, at = np.unique(i[order], return_index=True)
    best = order[at]
    marks = find_shared(row_grams, i[best], _sort(part_grams), j[best])
    spans = find_longest_spans(
        texts.gather(rows[i[best]]), marks, row_grams.take(i[best]), n, punctuation=False
    )
    bounds = spans.select("start", "end").iter_rows()
    for k, (start, end) in zip(best.tolist(), bounds, strict=True):
        overlap = Overlap(int(pairs.parts[k]), start, end, int(covered[k]), int(theirs.lengths[j[k]]))
        yield int(pairs.rows[k]), overlap


def _sort(grams: Ragged) -> Ragged:
    rows = np.repeat(np.arange(len(grams.lengths)), grams.lengths)
    return sort_rows(grams.values, rows, len(grams.lengths))


def _count_true(flags: Flags, offsets: Counts) -> Counts:
    """How many flags of each row are set, (rows,)."""
    running = np.concatenate([[0], np.cumsum(flags)])
    counts: Counts = running[offsets[1:]] - running[offsets[:-1]]
    return counts


def _count_covered(shared: Flags, grams: Ragged, n: int) -> Counts:
    """How many words of each row stand in its shared n-grams, (rows,).

    A shared n-gram adds its n words, less those that it has in common with the shared one before it.
    """
    at = np.flatnonzero(shared)
    row = np.searchsorted(grams.offsets, at, side="right") - 1
    step = np.diff(at, prepend=-n)
    new = np.where(np.diff(row, prepend=-1) != 0, n, np.minimum(step, n))
    covered: Counts = np.bincount(row, weights=new, minlength=len(grams.lengths)).astype(np.int64)
    return covered


def _offsets(lengths: Counts) -> Counts:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
