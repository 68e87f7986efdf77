"""The tokens of many texts, of which each different word is tokenised once.

A tokenizer that puts a mark in the place of each space and never joins across it (SentencePiece's, without a
pre-tokenizer) gives a text the tokens of its words, one after the other. Words repeat: to look them up takes
a quarter of the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from synth_stack.text.hash_index import HashIndex
from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged, offsets_of, spread
from synth_stack.text.words import UNSPACED, hash_words

_KEPT_WORDS = 1_000_000  # 50 MB with their tokens; then it starts anew

Encode = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class CodedTokens:
    """n rows of tokens as `codes`, (m,) in the order of the rows: the places of the tokens in `distinct`,
    which is sorted. Row i is `codes[offsets[i]:offsets[i + 1]]`.
    """

    codes: Counts
    offsets: Counts
    distinct: Hashes

    @property
    def tokens(self) -> Ragged:
        """The tokens themselves."""
        return Ragged(self.distinct[self.codes], self.offsets)


class TokenTable:
    """Looks up the tokens of words, and adds those of new ones; may be used by several threads."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._lock = Lock()
        self._clear()

    def read(self, texts: Sequence[str]) -> CodedTokens:
        """The tokens of each text, in order.

        A text with spaces side by side or at an end, or in a script without spaces, is tokenised whole. What
        the table was asked before shows in `distinct`, which may hold more than these tokens, and nowhere
        else.
        """
        import polars as pl

        said = pl.Series(texts, dtype=pl.String)
        odd = said.str.contains(f"^ |  | $|[{UNSPACED}]")
        words = hash_words(said.zip_with(~odd, pl.Series([""], dtype=pl.String)) if odd.any() else said)
        where = odd.arg_true().to_numpy().astype(np.int64)
        whole = self._encode([texts[k] for k in where.tolist()]) if len(where) else []
        with self._lock:
            place = self._look_up(words, texts)
            flat, lengths = self._number(whole)
            sizes = np.diff(self._offsets)[place]
            codes, distinct = self._codes[spread(self._offsets[place], sizes)], self._distinct
        ends = offsets_of(sizes)[words.offsets]
        return _fill(CodedTokens(codes, ends, distinct), where, flat, lengths)

    def _clear(self) -> None:
        self._words = HashIndex.of(np.zeros(0, dtype=np.uint64))
        self._places: Counts = np.zeros(0, dtype=np.int64)
        self._distinct: Hashes = np.zeros(0, dtype=np.uint64)
        self._codes: Counts = np.zeros(0, dtype=np.int64)
        self._offsets: Counts = np.zeros(1, dtype=np.int64)

    def _look_up(self, words: Ragged, texts: Sequence[str]) -> Counts:
        """The place of each word in the table, (m,); new ones are added."""
        if max(len(self._words.hashes), len(self._distinct)) > _KEPT_WORDS:
            self._clear()
        at, known = self._words.find(words.values)
        if not known.all():
            self._learn(words, ~known, texts)
            at, _ = self._words.find(words.values)
        return self._places[at]

    def _learn(self, words: Ragged, new: Mask, texts: Sequence[str]) -> None:
        where = np.flatnonzero(new)
        hashes, first = np.unique(words.values[where], return_index=True)
        first = where[first]
        row = np.searchsorted(words.offsets, first, side="right") - 1
        spelt = {k: texts[k].split(" ") for k in np.unique(row).tolist()}
        place = first - words.offsets[row]
        encoded = self._encode([spelt[r][p] for r, p in zip(row.tolist(), place.tolist(), strict=True)])
        codes, lengths = self._number(encoded)
        self._offsets = np.concatenate([self._offsets, self._offsets[-1] + np.cumsum(lengths)])
        self._codes = np.concatenate([self._codes, codes])
        places = np.concatenate([self._places, len(self._places) + np.arange(len(hashes))])
        every = np.concatenate([self._words.hashes, hashes])
        order = np.argsort(every, kind="stable")
        self._words, self._places = HashIndex.of(every[order]), places[order]

    def _number(self, encoded: list[list[int]]) -> tuple[Counts, Counts]:
        """The codes of all tokens, flat, and how many each list has; new tokens are added."""
        lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
        flat = np.fromiter((i for ids in encoded for i in ids), dtype=np.uint64, count=int(lengths.sum()))
        every = np.union1d(self._distinct, flat)
        if len(every) > len(self._distinct):
            self._codes = np.searchsorted(every, self._distinct)[self._codes]
            self._distinct = every
        return np.searchsorted(every, flat), lengths


def _fill(rows: CodedTokens, places: Counts, codes: Counts, lengths: Counts) -> CodedTokens:
    """The rows with those at `places`, which are empty, filled."""
    if not len(places):
        return rows
    before = np.diff(rows.offsets)
    after = before.copy()
    after[places] = lengths
    offsets = offsets_of(after)
    filled = np.zeros(offsets[-1], dtype=np.int64)
    filled[spread(offsets[:-1], before)] = rows.codes
    filled[spread(offsets[places], lengths)] = codes
    return CodedTokens(filled, offsets, rows.distinct)
