"""Overlap by words: rows that repeat an evaluation item word for word, and the exact span.

Case, punctuation and white space never count (`text.normalise`), and a character of a script without spaces
is a part of a word (`weigh_words`). When a shared run is proof says the rule (overlap_rules.py).

What many items of a set have in common is not what any of them asks (stock_phrases.py): it counts neither as
shared nor as a word of the item, and a passage that several items are asked of is a part of its own.
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
    Weighed,
    build_table,
    pack_grams,
    roll_ngrams,
    scan,
    weigh,
)
from synth_stack.gates.contamination.overlap_rules import OverlapRule, Shares
from synth_stack.gates.contamination.stock_phrases import PARTS, Stock, part_stock
from synth_stack.text.ragged import Counts, Hashes, Ragged, find_shared, offsets_of, sort_rows, spread
from synth_stack.text.spans import find_longest_spans
from synth_stack.text.words import WORD, hash_words, normalise, normalise_text, weigh_words

if TYPE_CHECKING:
    import polars as pl

_SHOWN_CHARS = 500
_MIN_QUESTION_CHARS = 12  # three words of English
_LIKELIEST = 4  # parts that a row is compared with word by word
_INDEXED = _ROWS = 2_000  # items and rows hashed at a time: a few MB of working memory
_HITS = 1 << 16  # n-grams traced at once, to MAX_OWNERS parts each at most: some 100 MB at the worst
_COMPARED = 1 << 10  # pairs compared at once


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a text shares with a part of an item: the longest shared run stands from `start` to `end`, in
    characters, and of the part's `words` so many stand in shared n-grams. `weak`: a short piece of a longer
    part, which others may have written as well.
    """

    part: int
    start: int
    end: int
    shared_words: int
    words: int
    weak: bool

    @property
    def is_passage(self) -> bool:
        """Whether what is shared is asked of and not asked."""
        return PARTS[self.part % len(PARTS)] == "passage"

    @property
    def rank(self) -> tuple[bool, int]:
        """Proof comes before the rest, and then what shares most."""
        return not (self.weak or self.is_passage), self.shared_words


@dataclass(frozen=True, slots=True)
class WordIndex:
    """The prompts, answers and passages of all eval items by their word n-grams.

    Part len(PARTS) * k + p is part PARTS[p] of item k, counted over all sets; an item that its set holds
    twice has parts once, and so has a passage. `tables` has one for n, and one in which a part of less than
    n words stands with its first few, since it has to occur whole; `stock` has what is common in each.
    `grams` (parts,) is how many n-grams a part has; `skipped` says for each set how many of its items are
    too short to be looked for.
    """

    rule: OverlapRule
    sets: Sequence[EvalItems]
    starts: Counts
    tables: Sequence[GramTable]
    stock: Sequence[Stock]
    grams: NDArray[np.int32]
    skipped: Sequence[int]

    def locate(self, part: int) -> tuple[EvalItems, int, str]:
        """The set, the item's number in it, and which of PARTS."""
        k = int(np.searchsorted(self.starts, part // len(PARTS), side="right")) - 1
        return self.sets[k], part // len(PARTS) - int(self.starts[k]), PARTS[part % len(PARTS)]

    def read(self, part: int) -> str | None:
        """The part's text; of a passage that stands in the prompts of its items, the first of these."""
        eval_set, item, kind = self.locate(part)
        if kind == "answer":
            return eval_set.answers[item]
        passage = eval_set.passages[item] if kind == "passage" else None
        return eval_set.prompts[item] if passage is None else passage


def index_words(sets: Sequence[EvalItems], rule: OverlapRule) -> WordIndex:
    """Every n-gram of every part and whose it is; of a part of less than n words the first `min_words`."""
    starts = np.cumsum([0, *(len(s.ids) for s in sets)])
    n_parts = len(PARTS) * int(starts[-1])
    long, size = np.empty(_guess_words(sets), dtype=np.uint64), 0
    short = [np.zeros(0, dtype=np.uint64)]
    weights, lengths = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for first, contents in _read_parts(sets):
        said = _say(contents)
        parts = first + np.arange(len(contents))
        grams, _ = roll_ngrams(said, rule.n)
        packed = pack_grams(grams, parts, n_parts)
        if size + len(packed) > len(long):
            long = np.concatenate([long[:size], np.empty(size + len(packed), dtype=np.uint64)])
        long[size : size + len(packed)] = packed
        size += len(packed)
        lengths.append(grams.lengths)
        weights.append(said.weights)
        brief = np.flatnonzero((said.weights >= rule.min_words * WORD) & (said.weights < rule.n * WORD))
        if len(brief):
            every, _ = roll_ngrams(said.take(brief), rule.min_words)
            begun = Ragged(every.values[every.offsets[:-1]], np.arange(len(brief) + 1))
            short.append(pack_grams(begun, parts[brief], n_parts))
    tables, stock = [], []
    for n, entries in ((rule.n, long[:size]), (rule.min_words, np.concatenate(short))):
        kept, common = part_stock(entries, n_parts, starts, with_stock=rule.is_run)
        tables.append(build_table(n, kept, n_parts))
        stock.append(common)
    most = np.concatenate(weights).reshape(-1, len(PARTS)).max(axis=1, initial=0)
    skipped = [
        int((most[a:b][_find_first(s)] < rule.min_words * WORD).sum())
        for s, (a, b) in zip(sets, pairwise(starts.tolist()), strict=True)
    ]
    counts = np.maximum(np.concatenate(lengths), 1).astype(np.int32)
    return WordIndex(rule, sets, starts[:-1], tables, stock, counts, skipped)


def find_overlaps(index: WordIndex, texts: "pl.Series") -> tuple[dict[int, Overlap], Flags]:
    """Each text that repeats an item, with the part that it repeats most of; and which have words, (n,)."""
    found: dict[int, Overlap] = {}
    readable = np.zeros(len(texts), dtype=bool)
    for first in range(0, len(texts), _ROWS):
        some = texts[first : first + _ROWS]
        said = _weigh_texts(some)
        readable[first : first + _ROWS] = said.words.lengths > 0
        found.update((first + row, overlap) for row, overlap in _find_in(index, some, said).items())
    return found, readable


def find_question(index: WordIndex, overlap: Overlap, content: str) -> int | None:
    """The item, in its set, whose question stands whole in a text beside the passage that they share.

    A question of two words may stand anywhere.
    """
    eval_set, first, _ = index.locate(overlap.part)
    passage, text = eval_set.passages[first], f" {normalise_text(content, punctuation=False)} "
    for item, prompt in enumerate(eval_set.prompts):
        if passage is not None and eval_set.passages[item] == passage:
            asked = normalise_text(prompt, punctuation=False)
            if len(asked) >= _MIN_QUESTION_CHARS and f" {asked} " in text:
                return item
    return None


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
        "coverage": round(overlap.shared_words / max(overlap.words, 1), 6),
    }
    return f"shared n-gram: with the {kind} of {name_item(eval_set, item)}", evidence


@dataclass(frozen=True, slots=True)
class _Pairs:
    """p pairs of a row and a part, (p,) each, by row and then the likeliest first."""

    rows: Counts
    parts: Counts


def _find_in(index: WordIndex, texts: "pl.Series", said: Weighed) -> dict[int, Overlap]:
    """The overlap of each text that has one: proof before what is weak, then what covers most."""
    best: dict[int, Overlap] = {}
    for number, (rows, _, hashes) in enumerate(scan(said, index.tables)):
        for pairs in _list_likeliest(index, index.tables[number], rows, hashes):
            for row, overlap in _compare(index, number, texts, said, pairs):
                if row not in best or overlap.rank > best[row].rank:
                    best[row] = overlap
    return dict(sorted(best.items()))


def _guess_words(sets: Sequence[EvalItems]) -> int:
    """About twice the words of all parts: memory that is never written is never taken."""
    columns = [column for s in sets for column in (s.prompts, s.answers)]
    return sum(len(content or "") // 3 + 1 for column in columns for content in column)


def _find_first(eval_set: EvalItems) -> Flags:
    """Which items are the first of those that ask the same, (n,)."""
    first: Flags = np.array(eval_set.find_repeats(), dtype=np.int64) == np.arange(len(eval_set.ids))
    return first


def _read_parts(sets: Sequence[EvalItems]) -> Iterator[tuple[int, list[str | None]]]:
    """(number of the first part, the texts of _INDEXED items), each item's PARTS in turn."""
    first = 0
    for s in sets:
        new = _find_first(s)
        passages: set[str | None] = set()
        for k in range(0, len(s.ids), _INDEXED):
            contents: list[str | None] = []
            for item in range(k, min(k + _INDEXED, len(s.ids))):
                passage = None if s.passages[item] in passages else s.passages[item]
                passages.add(passage)
                contents += [s.prompts[item], s.answers[item], passage] if new[item] else [None] * 3
            yield first, contents
            first += len(contents)


def _say(contents: Sequence[str | None]) -> Weighed:
    import polars as pl

    return _weigh_texts(pl.Series(contents, dtype=pl.String))


def _weigh_texts(texts: "pl.Series") -> Weighed:
    normalised = normalise(texts, punctuation=False)
    return weigh(hash_words(normalised), weigh_words(normalised))


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
    index: WordIndex, number: int, texts: "pl.Series", said: Weighed, pairs: _Pairs
) -> Iterator[tuple[int, Overlap]]:
    """Each row that repeats a part, with the part of which it repeats most."""
    for first, stop in _cut(pairs.rows, _COMPARED):
        some = _Pairs(pairs.rows[first:stop], pairs.parts[first:stop])
        yield from _compare_some(index, number, texts, said, some)


def _compare_some(
    index: WordIndex, number: int, texts: "pl.Series", said: Weighed, pairs: _Pairs
) -> Iterator[tuple[int, Overlap]]:
    n, stock = index.tables[number].n, index.stock[number]
    rows, i = np.unique(pairs.rows, return_inverse=True)
    parts, j = np.unique(pairs.parts, return_inverse=True)
    theirs = _PartGrams.of(_say([index.read(part) for part in parts.tolist()]), n)
    row_grams, row_sizes = roll_ngrams(said.take(rows), n)
    found = find_shared(theirs.grams, j, _sort(row_grams), i)
    shares = _measure(_Common(stock, _find_sets(index, pairs.parts), pairs.parts), theirs, j, found)
    enough = shares.shared > 0
    enough &= index.rule.holds(shares) if number == 0 else shares.shared == shares.grams
    order = np.lexsort((pairs.parts, -shares.covered, shares.passage | shares.weak, i))
    order = order[enough[order]]
    _, at = np.unique(i[order], return_index=True)
    best = order[at]
    marks = find_shared(row_grams, i[best], _sort(theirs.grams), j[best])
    mine = row_grams.take(i[best])
    marks &= ~stock.holds(mine, _find_sets(index, pairs.parts[best]), shares.passage[best])
    sizes = row_sizes[spread(row_grams.offsets[i[best]], mine.lengths)]
    spans = find_longest_spans(texts.gather(rows[i[best]]), marks, mine, sizes, punctuation=False)
    bounds = spans.select("start", "end").iter_rows()
    words = np.maximum(shares.words // WORD, 1)
    for k, (start, end) in zip(best.tolist(), bounds, strict=True):
        covered = int(shares.covered[k]) // WORD
        overlap = Overlap(int(pairs.parts[k]), start, end, covered, int(words[k]), bool(shares.weak[k]))
        yield int(pairs.rows[k]), overlap


def _find_sets(index: WordIndex, parts: Counts) -> Counts:
    return np.searchsorted(index.starts, parts // len(PARTS), side="right") - 1


@dataclass(frozen=True, slots=True)
class _PartGrams:
    """Parts of items: their words, their n-grams, and how many words each n-gram has."""

    said: Weighed
    grams: Ragged
    sizes: Counts

    @classmethod
    def of(cls, said: Weighed, n: int) -> "_PartGrams":
        return cls(said, *roll_ngrams(said, n))


@dataclass(frozen=True, slots=True)
class _Common:
    """What is common in the sets of p pairs: `sets` (p,) and `parts` (p,)."""

    stock: Stock
    sets: Counts
    parts: Counts

    @property
    def passage(self) -> Flags:
        """Which pairs are with a passage, (p,)."""
        asked_of: Flags = self.parts % len(PARTS) == PARTS.index("passage")
        return asked_of


def _measure(common: _Common, theirs: _PartGrams, j: Counts, found: Flags) -> Shares:
    """What each pair has in common, from the n-grams of its part (`j`) that were `found` in its row."""
    mine, said = theirs.grams.take(j), theirs.said
    usual = common.stock.holds(mine, common.sets, common.passage)
    words = offsets_of(said.words.lengths[j])
    weights = said.take(j).running
    weights = np.arange(words[-1] + 1) * WORD if weights is None else weights
    starts = spread(words[:-1], mine.lengths)
    stops = starts + theirs.sizes[spread(theirs.grams.offsets[j], mine.lengths)]
    proof = found & ~usual
    inside, stale = (_cover(flags, starts, stops, int(words[-1])) for flags in (proof, usual))
    return Shares(
        shared=_count_true(proof, mine.offsets),
        found=_count_true(found, mine.offsets),
        grams=mine.lengths,
        covered=_weigh_true(inside, weights, words),
        novel=_weigh_true(inside & ~stale, weights, words),
        words=said.weights[j],
        passage=common.passage,
    )


def _sort(grams: Ragged) -> Ragged:
    rows = np.repeat(np.arange(len(grams.lengths)), grams.lengths)
    return sort_rows(grams.values, rows, len(grams.lengths))


def _count_true(flags: Flags, offsets: Counts) -> Counts:
    """How many flags of each row are set, (rows,)."""
    running = np.concatenate([[0], np.cumsum(flags)])
    counts: Counts = running[offsets[1:]] - running[offsets[:-1]]
    return counts


def _cover(shared: Flags, starts: Counts, stops: Counts, n_words: int) -> Flags:
    """Which of n words stand in an n-gram that is `shared`, where gram k goes from `starts` to `stops`."""
    opened = np.bincount(starts[shared], minlength=n_words + 1)
    closed = np.bincount(stops[shared], minlength=n_words + 1)
    inside: Flags = np.cumsum(opened - closed)[:n_words] > 0
    return inside


def _weigh_true(flags: Flags, running: Counts, offsets: Counts) -> Counts:
    """What the words of each row that are set weigh, (rows,)."""
    weighed = np.concatenate([[0], np.cumsum(np.diff(running) * flags)])
    totals: Counts = weighed[offsets[1:]] - weighed[offsets[:-1]]
    return totals
