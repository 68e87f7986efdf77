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
from synth_stack.text.hash_index import HashIndex
from synth_stack.text.ragged import Counts, Hashes, offsets_of, spread
from synth_stack.text.words import hash_texts

_MICRO = 1e6
_NUMBER = np.uint64(1 << 63)
"""The bit that marks a number."""

_RAREST = 16  # words of a passage that are looked up
_OWNERS = 200  # items that a word is traced to; what more have tells none of them
_EXPANDED = 1 << 20  # pairs of a word and an item held at once: what is summed of them stays in the cache
_CELLS = 1 << 22  # a byte for each word of items, of as many passages at once as this has room for
_COMPARED = 1 << 20  # words of items looked up at once


@dataclass(frozen=True, slots=True)
class SaidWords:
    """The distinct words of n texts: those of text i are `codes[offsets[i]:offsets[i + 1]]`, ascending places
    in `distinct`, sorted hashes, which may hold more. `weights` is what each of these tells, in millionths of
    a nat; what the words of a text tell together is `told` (n,), and `numbers` (n,) is how many are numbers.
    """

    codes: Counts
    offsets: Counts
    distinct: Hashes
    weights: Counts
    told: Counts
    numbers: Counts

    def take(self, texts: Counts) -> "SaidWords":
        """The named texts, in the order named."""
        lengths = np.diff(self.offsets)[texts]
        codes = self.codes[spread(self.offsets[texts], lengths)]
        told, numbers = self.told[texts], self.numbers[texts]
        return SaidWords(codes, offsets_of(lengths), self.distinct, self.weights, told, numbers)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What each word tells: `weights` beside the sorted hashes of `words`; what any other does."""

    table: TokenTable
    words: HashIndex[np.uint64]
    weights: Counts
    unseen: int

    def read(self, texts: Sequence[str]) -> SaidWords:
        """The distinct words of each text, sorted."""
        said = self.table.read(texts)
        texts_of = np.repeat(np.arange(len(texts), dtype=np.int64), np.diff(said.offsets))
        key = np.sort(texts_of << 32 | said.codes)
        key = key[np.diff(key, prepend=-1) != 0]
        codes, row = key & 0xFFFFFFFF, key >> 32
        offsets = offsets_of(np.bincount(row, minlength=len(texts)))
        weights, meant = self.weigh(said.distinct), find_meant(said.distinct)
        told, numbers = (_sum(each[codes], offsets) for each in (weights, meant))
        return SaidWords(codes, offsets, said.distinct, weights, told, numbers)

    def weigh(self, words: Hashes) -> Counts:
        """What each word tells, in millionths of a nat, (n,)."""
        at, known = self.words.find(words)
        weights: Counts = np.where(known, self.weights[at], self.unseen)
        return weights


@dataclass(frozen=True, slots=True)
class ItemWords:
    """The words of m passages of items: those of passage k are `codes[offsets[k]:offsets[k + 1]]`, places in
    `words`. Word w stands in the passages `owners[held[w]:held[w + 1]]`.

    `weights` is what each of the words tells, as in SaidWords; `told` (m,) what those of a passage do. So
    many of a passage are `numbers` (m,), and so many `meant` (m,) numbers that say something.
    """

    words: HashIndex[np.uint64]
    weights: Counts
    codes: Counts
    offsets: Counts
    owners: Counts
    held: Counts
    told: Counts
    numbers: Counts
    meant: Counts


def read_vocabulary(lexicon: Lexicon) -> Vocabulary:
    """The words of a lexicon, which says what they tell."""
    known = sorted(lexicon.weights)
    hashes = _hash_words(known)
    order = np.argsort(hashes)
    weights = np.array([round(lexicon.weights[word] * _MICRO) for word in known], dtype=np.int64)
    words = HashIndex.of(hashes[order])
    return Vocabulary(TokenTable(_encode), words, weights[order], round(lexicon.unseen * _MICRO))


def find_numbers(words: Hashes) -> Flags:
    """Which words are numbers, (n,)."""
    numbers: Flags = (words & _NUMBER) > 0
    return numbers


def find_meant(words: Hashes) -> Flags:
    """Which words are numbers that say something, (n,)."""
    meant: Flags = find_numbers(words) & (words != _hash_words([STRAY_NUMBER])[0])
    return meant


def index_item_words(vocabulary: Vocabulary, texts: Sequence[str]) -> ItemWords:
    """The words of items, ready for `propose_items`."""
    said = vocabulary.read(texts)
    used, codes = np.unique(said.codes, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    owners = np.repeat(np.arange(len(texts)), np.diff(said.offsets))[order]
    held = offsets_of(np.bincount(codes, minlength=len(used)))
    words = HashIndex.of(said.distinct[used])
    numbers, meant = (_sum(find(words.hashes)[codes], said.offsets) for find in (find_numbers, find_meant))
    return ItemWords(words, said.weights[used], codes, said.offsets, owners, held, said.told, numbers, meant)


def propose_items(items: ItemWords, said: SaidWords, n: int) -> tuple[Counts, Counts]:
    """Pairs (passage, item) of the `n` items with which each passage shares most by its rarest words.

    Words that tell nothing do not count.
    """
    passage, word = _find_known(items, said)
    held = np.diff(items.held)[word]
    few = np.flatnonzero(held <= _OWNERS)
    # by passage, then the rarest first; equally rare ones in the order of their hashes
    key = np.sort(passage[few] << 40 | held[few] << 32 | word[few])
    passage, word = key >> 40, key & 0xFFFFFFFF
    rank = np.arange(len(key)) - np.searchsorted(passage, passage)
    traced = _Traced(passage[rank < _RAREST], word[rank < _RAREST])
    none = np.zeros(0, dtype=np.int64)
    pairs = [(none, none), *(_rank_items(items, part, n) for part in _cut(items, traced))]
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def compare_words(said: SaidWords, i: Counts, items: ItemWords, j: Counts) -> dict[str, Figures]:
    """The figures of `Measured` that words give, of p pairs of a passage (`i` of `said`, ascending) and an
    item (`j`): `covered`, `nats`, `lost`, `echoed`, `rare` and `differ`, (p,) each.
    """
    number, meant = find_numbers(items.words.hashes), find_meant(items.words.hashes)
    rare = np.where((items.weights >= RARE_NATS * _MICRO) | number, items.weights, 0)
    pair, word = _find_shared(said, i, items, j)
    told, telling, kept, common = (
        np.bincount(pair, weights=each[word], minlength=len(i)).astype(np.int64)
        for each in (items.weights, rare, number, meant)
    )
    numbers, theirs = items.numbers[j], items.meant[j]
    own = said.numbers[i]
    either = theirs + own - common
    differ = np.where((theirs > 0) & (own > 0), (either - common) / np.maximum(either, 1), 0.0)
    return {
        "covered": told / np.maximum(items.told[j], 1),
        "nats": told / _MICRO,
        "lost": (numbers - kept) / np.maximum(numbers, 1),
        "echoed": told / np.maximum(said.told[i], 1),
        "rare": telling / _MICRO,
        "differ": differ,
    }


def _find_known(items: ItemWords, said: SaidWords) -> tuple[Counts, Counts]:
    """(passage, word) of every word of passages that an item has, in order."""
    place, known = items.words.find(said.distinct)
    at = np.flatnonzero(known[said.codes])
    passages = np.repeat(np.arange(len(said.told), dtype=np.int64), np.diff(said.offsets))
    return passages[at], place[said.codes[at]]


def _find_shared(said: SaidWords, i: Counts, items: ItemWords, j: Counts) -> tuple[Counts, Counts]:
    """(pair, word) of every word that both of a pair have; `i` ascends.

    A table of flags, a byte for each passage and word, is written for some passages at a time and read at the
    words of their items.
    """
    used, rows = np.unique(i, return_inverse=True)
    passage, word = _find_known(items, said.take(used))
    width = len(items.words.hashes)
    step = max(1, _CELLS // max(width, 1))
    flags = np.zeros(min(step, len(used)) * width, dtype=bool)
    lengths = np.diff(items.offsets)[j]
    ends = np.cumsum(lengths)
    none = np.zeros(0, dtype=np.int64)
    found = [(none, none)]
    for first in range(0, len(used), step):
        a, b = np.searchsorted(passage, [first, first + step])
        marks = (passage[a:b] - first) * width + word[a:b]
        flags[marks] = True
        start, stop = np.searchsorted(rows, [first, first + step]).tolist()
        while start < stop:
            done = ends[start - 1] if start else 0
            last = min(max(int(np.searchsorted(ends, done + _COMPARED)), start + 1), stop)
            theirs = items.codes[spread(items.offsets[j[start:last]], lengths[start:last])]
            at = np.flatnonzero(
                flags[np.repeat((rows[start:last] - first) * width, lengths[start:last]) + theirs]
            )
            found.append((np.searchsorted(ends[start:last] - done, at, side="right") + start, theirs[at]))
            start = last
        flags[marks] = False
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


@dataclass(frozen=True, slots=True)
class _Traced:
    """k words of passages, sorted by passage: (k,) each."""

    passages: Counts
    words: Counts


def _rank_items(items: ItemWords, traced: _Traced, n: int) -> tuple[Counts, Counts]:
    """The `n` items with which each passage shares most, (passage, item) in order."""
    from scipy import sparse

    used, row = np.unique(traced.passages, return_inverse=True)
    words, column = np.unique(traced.words, return_inverse=True)
    counts = np.diff(items.held)[words]
    owners = items.owners[spread(items.held[words], counts)]
    shape = (len(words), len(items.told))
    holders = sparse.csr_array(
        (np.ones(len(owners), dtype=np.int64), owners, offsets_of(counts)), shape=shape
    )
    offsets = offsets_of(np.bincount(row, minlength=len(used)))
    shape = (len(used), len(words))
    scored = sparse.csr_array((items.weights[traced.words], column, offsets), shape=shape) @ holders
    # one sort of numbers made of all three: the passage, how much is missing to the highest score, the item
    item_bits, score_bits = _count_bits(items)
    passage = np.repeat(np.arange(len(used), dtype=np.int64), np.diff(scored.indptr))
    missing = (1 << score_bits) - 1 - scored.data
    key = np.sort((passage << score_bits | missing) << item_bits | scored.indices)
    passage = key >> (score_bits + item_bits)
    best = np.flatnonzero(np.arange(len(key)) - scored.indptr[passage] < n)
    pairs = np.sort(passage[best] << item_bits | key[best] & ((1 << item_bits) - 1))
    return used[pairs >> item_bits], pairs & ((1 << item_bits) - 1)


def _count_bits(items: ItemWords) -> tuple[int, int]:
    """The bits that hold the number of an item, and the score of one."""
    return len(items.told).bit_length(), (_RAREST * int(items.weights.max(initial=0))).bit_length()


def _cut(items: ItemWords, traced: _Traced) -> Iterator[_Traced]:
    """Runs of words that are traced to some million items together, no passage cut; of so few passages that
    their numbers, a score and an item fit into 63 bits.
    """
    running = np.cumsum(np.diff(items.held)[traced.words])
    most = 1 << (62 - sum(_count_bits(items)))
    start = 0
    while start < len(running):
        done = running[start - 1] if start else 0
        stop = max(int(np.searchsorted(running, done + _EXPANDED)), start + 1)
        last = min(traced.passages[min(stop, len(running)) - 1], traced.passages[start] + most - 1)
        stop = int(np.searchsorted(traced.passages, last, side="right"))
        yield _Traced(traced.passages[start:stop], traced.words[start:stop])
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
