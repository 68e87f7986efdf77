"""The tokens of many texts, of which each different word is tokenised once.

A tokenizer that puts a mark in the place of each space and never joins across it (SentencePiece's, without a
pre-tokenizer) gives a text the tokens of its words, one after the other. Words repeat: to look them up takes
a quarter of the time.
"""

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np

from synth_stack.text.ragged import Counts, Hashes, Ragged, offsets_of, spread
from synth_stack.text.words import UNSPACED, hash_words

_KEPT_WORDS = 1_000_000  # 30 MB with their tokens; then it starts anew

Encode = Callable[[Sequence[str]], list[list[int]]]


class TokenTable:
    """Looks up the tokens of words, and adds those of new ones; may be used by several threads."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._lock = Lock()
        self._clear()

    def read(self, texts: Sequence[str]) -> Ragged:
        """The tokens of each text, in order.

        A text with spaces side by side or at an end, or in a script without spaces, is tokenised whole.
        """
        import polars as pl

        said = pl.Series(texts, dtype=pl.String)
        odd = said.str.contains(f"^ |  | $|[{UNSPACED}]").to_numpy()
        words = hash_words(pl.Series(np.where(odd, "", np.array(texts, dtype=object)), dtype=pl.String))
        with self._lock:
            self._learn(words, texts, odd)
            at = np.searchsorted(self._hashes, words.values)
            place = self._places[at] if len(at) else at
            tokens = Ragged(self._tokens, self._offsets).take(place)
        ends = offsets_of(tokens.lengths)[words.offsets]
        whole = self._encode([texts[k] for k in np.flatnonzero(odd).tolist()]) if odd.any() else []
        return _fill(Ragged(tokens.values, ends), np.flatnonzero(odd), whole)

    def _clear(self) -> None:
        self._hashes: Hashes = np.zeros(0, dtype=np.uint64)
        self._places: Counts = np.zeros(0, dtype=np.int64)
        self._tokens: Hashes = np.zeros(0, dtype=np.uint64)
        self._offsets: Counts = np.zeros(1, dtype=np.int64)

    def _learn(self, words: Ragged, texts: Sequence[str], odd: Counts) -> None:
        if len(self._hashes) > _KEPT_WORDS:
            self._clear()
        every, first = np.unique(words.values, return_index=True)
        at = np.minimum(np.searchsorted(self._hashes, every), max(len(self._hashes) - 1, 0))
        known = self._hashes[at] == every if len(self._hashes) else np.zeros(len(every), dtype=bool)
        new, first = every[~known], first[~known]
        if not len(new):
            return
        row = np.searchsorted(words.offsets, first, side="right") - 1
        spelt = {k: texts[k].split(" ") for k in np.unique(row).tolist()}
        place = first - words.offsets[row]
        encoded = self._encode([spelt[r][p] for r, p in zip(row.tolist(), place.tolist(), strict=True)])
        lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
        flat = np.fromiter((i for ids in encoded for i in ids), dtype=np.uint64, count=int(lengths.sum()))
        self._offsets = np.concatenate([self._offsets, self._offsets[-1] + np.cumsum(lengths)])
        self._tokens = np.concatenate([self._tokens, flat])
        hashes = np.concatenate([self._hashes, new])
        places = np.concatenate([self._places, len(self._places) + np.arange(len(new))])
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._places = hashes[order], places[order]


def _fill(rows: Ragged, places: Counts, whole: list[list[int]]) -> Ragged:
    """The rows with those at `places`, which are empty, filled."""
    if not len(places):
        return rows
    lengths = rows.lengths.copy()
    lengths[places] = [len(ids) for ids in whole]
    offsets = offsets_of(lengths)
    values = np.zeros(offsets[-1], dtype=np.uint64)
    values[spread(offsets[:-1], rows.lengths)] = rows.values
    filled = np.fromiter((i for ids in whole for i in ids), dtype=np.uint64)
    values[spread(offsets[places], lengths[places])] = filled
    return Ragged(values, offsets)
