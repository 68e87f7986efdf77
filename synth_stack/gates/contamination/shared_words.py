"""Which eval items a passage shares telling words with, and what these tell: flat arrays, no object a pair.

A rephrased item keeps words that few items have. So the items that a passage is compared with more closely
are found by its rarest words, in time that hardly grows with the number of items. Weights are whole
millionths of a nat: their sums are the same in every order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synth_stack.gates.contamination.likelihood import (
    RARE_NATS,
    STRAY_NUMBER,
    Figures,
    Lexicon,
    read_words,
)
from synth_stack.gates.contamination.ngram_table import Flags
from synth_stack.models.token_table import TokenTable
from synth_stack.text.ragged import Counts, Hashes, Ragged, find_shared, offsets_of, sort_rows, spread
from synth_stack.text.words import hash_texts

_MICRO = 1e6
_NUMBER = np.uint64(1 << 63)
"""The bit that marks a number."""

_RAREST = 16  # words of a passage that are looked up
_OWNERS = 200  # items that a word is traced to; what more have tells none of them
_EXPANDED = 1 << 21  # pairs of a word and an item held at once


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The distinct words of texts as hashes, and what each tells: `words` sorted, `weights` beside them."""

    table: TokenTable
    words: Hashes
    weights: Counts
    unseen: int

    def read(self, texts: Sequence[str]) -> Ragged:
        """The distinct words of each text, sorted."""
        said = self.table.read(texts)
        rows = np.repeat(np.arange(len(texts)), said.lengths)
        return sort_rows(said.values, rows, len(texts))

    def weigh(self, words: Hashes) -> Counts:
        """What each word tells, in millionths of a nat, (n,)."""
        at = np.minimum(np.searchsorted(self.words, words), len(self.words) - 1)
        weights: Counts = np.where(self.words[at] == words, self.weights[at], self.unseen)
        return weights


@dataclass(frozen=True, slots=True)
class ItemWords:
    """The words of m passages of items, and where each word stands: `owners` of the sorted `postings`."""

    words: Ragged
    postings: Hashes
    owners: Counts


def read_vocabulary(lexicon: Lexicon) -> Vocabulary:
    """The words of a lexicon, which says what they tell."""
    known = sorted(lexicon.weights)
    hashes = _hash_words(known)
    order = np.argsort(hashes)
    weights = np.array([round(lexicon.weights[word] * _MICRO) for word in known], dtype=np.int64)
    return Vocabulary(TokenTable(_encode), hashes[order], weights[order], round(lexicon.unseen * _MICRO))


def index_item_words(vocabulary: Vocabulary, texts: Sequence[str]) -> ItemWords:
    """The words of items, ready for `propose_items`."""
    words = vocabulary.read(texts)
    order = np.argsort(words.values, kind="stable")
    owners = np.repeat(np.arange(len(texts)), words.lengths)
    return ItemWords(words, words.values[order], owners[order])


def propose_items(vocabulary: Vocabulary, items: ItemWords, said: Ragged, n: int) -> tuple[Counts, Counts]:
    """Pairs (passage, item) of the `n` items with which each passage shares most by its rarest words."""
    first = np.searchsorted(items.postings, said.values)
    held = np.searchsorted(items.postings, said.values, side="right") - first
    rows = np.repeat(np.arange(len(said.lengths)), said.lengths)
    kept = np.flatnonzero((held > 0) & (held <= _OWNERS))
    kept = kept[np.lexsort((said.values[kept], held[kept], rows[kept]))]
    rank = np.arange(len(kept)) - np.searchsorted(rows[kept], rows[kept])
    kept = kept[rank < _RAREST]
    traced = _Traced(rows[kept], first[kept], held[kept], vocabulary.weigh(said.values[kept]))
    none = np.zeros(0, dtype=np.int64)
    pairs = [(none, none), *(_rank_items(items.owners, part, n) for part in _cut(traced))]
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def compare_words(
    vocabulary: Vocabulary, said: Ragged, i: Counts, items: Ragged, j: Counts
) -> dict[str, Figures]:
    """The figures of `Measured` that words give, of p pairs of a passage (`i` of `said`) and an item (`j`):
    `covered`, `nats`, `lost`, `echoed`, `rare` and `differ`, (p,) each.
    """
    theirs = items.take(j)
    shared = find_shared(items, j, said, i)
    weights, number = vocabulary.weigh(theirs.values), (theirs.values & _NUMBER) > 0
    rare = shared & ((weights >= RARE_NATS * _MICRO) | number)
    told, whole, telling = (_sum(weights * flags, theirs.offsets) for flags in (shared, np.True_, rare))
    numbers, lost = _sum(number, theirs.offsets), _sum(number & ~shared, theirs.offsets)
    mine = _sum(vocabulary.weigh(said.values), said.offsets)[i]
    return {
        "covered": told / np.maximum(whole, 1),
        "nats": told / _MICRO,
        "lost": lost / np.maximum(numbers, 1),
        "echoed": told / np.maximum(mine, 1),
        "rare": telling / _MICRO,
        "differ": _compare_numbers(said, i, theirs, shared),
    }


def _compare_numbers(said: Ragged, i: Counts, theirs: Ragged, shared: Flags) -> Figures:
    """The share of the numbers of both that only one has, (p,); 0 where either has none."""
    stray = _hash_words([STRAY_NUMBER])[0]
    meant, mine = (((words & _NUMBER) > 0) & (words != stray) for words in (theirs.values, said.values))
    common, numbers = _sum(meant & shared, theirs.offsets), _sum(meant, theirs.offsets)
    own = _sum(mine, said.offsets)[i]
    every = numbers + own - common
    differ: Figures = np.where((numbers > 0) & (own > 0), (every - common) / np.maximum(every, 1), 0.0)
    return differ


@dataclass(frozen=True, slots=True)
class _Traced:
    """k words of passages (`rows`, sorted): where the postings of each begin, how many it has, its weight."""

    rows: Counts
    first: Counts
    held: Counts
    weights: Counts

    def slice(self, start: int, stop: int) -> "_Traced":
        part = slice(start, stop)
        return _Traced(self.rows[part], self.first[part], self.held[part], self.weights[part])


def _rank_items(owners: Counts, traced: _Traced, n: int) -> tuple[Counts, Counts]:
    """The `n` items with which each passage shares most, (passage, item) in order."""
    key = np.repeat(traced.rows, traced.held) << 32 | owners[spread(traced.first, traced.held)]
    pairs, place = np.unique(key, return_inverse=True)
    score = np.bincount(place, weights=np.repeat(traced.weights, traced.held))
    passage, item = pairs >> 32, pairs & 0xFFFFFFFF
    order = np.lexsort((item, -score, passage))
    rank = np.arange(len(order)) - np.searchsorted(passage, passage)
    best = np.sort(order[rank < n])
    return passage[best], item[best]


def _cut(traced: _Traced) -> Iterator[_Traced]:
    """Runs of words that are traced to some two million items together, no passage cut."""
    running = np.cumsum(traced.held)
    start = 0
    while start < len(running):
        done = running[start - 1] if start else 0
        stop = max(int(np.searchsorted(running, done + _EXPANDED)), start + 1)
        last = traced.rows[min(stop, len(running)) - 1]
        stop = int(np.searchsorted(traced.rows, last, side="right"))
        yield traced.slice(start, stop)
        start = stop


def _sum(values: Counts | Flags, offsets: Counts) -> Counts:
    """The sum of each row, (rows,)."""
    running = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    totals: Counts = running[offsets[1:]] - running[offsets[:-1]]
    return totals


def _encode(chunks: Sequence[str]) -> list[list[int]]:
    """The hashes of the words of each piece of text between spaces."""
    words = [sorted(read_words(chunk)) for chunk in chunks]
    hashes = _hash_words([word for each in words for word in each])
    offsets = offsets_of(np.array([len(each) for each in words], dtype=np.int64))
    return [hashes[a:b].tolist() for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]


def _hash_words(words: Sequence[str]) -> Hashes:
    import polars as pl

    hashes = hash_texts(pl.Series(words, dtype=pl.String)) & ~_NUMBER
    number = np.array([word[0].isdigit() for word in words], dtype=bool)
    marked: Hashes = np.where(number, hashes | _NUMBER, hashes)
    return marked
