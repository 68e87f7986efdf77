"""The pool of Self-Instruct's filter: the texts that were taken so far, and which is nearest to another one.

A search is exact: the words that two texts share, in whatever order, bound their ROUGE-L from above, and no
text is left out whose bound reaches the best that was found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.novelty.rouge_l import count_common, mark_places
from synth_stack.text.ragged import Counts, Ragged, spread

_FIRST = 8
"""Texts that are compared before the others are sorted out by the best of them."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The text of a pool with the highest ROUGE-L, the earliest of equals; -1 and 0.0 where none has any."""

    text: int
    rouge_l: float


class TextPool:
    """A growing choice among the texts of `words`, named by their numbers.

    All texts are known beforehand, so that each word has its own stretch of one array for the texts that
    hold it.
    """

    def __init__(self, words: Ragged) -> None:
        self._words = _number(words.values)
        self._offsets = words.offsets
        self._lengths = words.lengths
        self._shared = _number_occurrences(self._words, words.lengths)
        holders = np.bincount(self._shared)
        self._starts = np.concatenate([[0], np.cumsum(holders)]).astype(np.int64)
        self._held = np.zeros(len(holders), dtype=np.int64)
        self._holders = np.zeros(len(self._shared), dtype=np.int32)

    def add(self, number: int) -> None:
        """Take text `number` into the pool."""
        words = self._shared[self._span(number)]
        self._holders[self._starts[words] + self._held[words]] = number
        self._held[words] += 1

    def find_nearest(self, number: int, without: Sequence[int] = ()) -> Nearest:
        """The nearest of the pool to text `number`; the texts `without` are passed over."""
        words = self._shared[self._span(number)]
        holders = self._holders[spread(self._starts[words], self._held[words])]
        counts = np.bincount(holders)
        for other in without:
            if 0 <= other < len(counts):
                counts[other] = 0
        texts = np.flatnonzero(counts)
        if not len(texts):
            return Nearest(-1, 0.0)
        bounds = 2 * counts[texts] / (self._lengths[number] + self._lengths[texts])
        first = _pick_highest(bounds, _FIRST)
        best = self._compare(number, texts[first], bounds[first], Nearest(-1, 0.0))
        rest = bounds >= best.rouge_l
        rest[first] = False
        return self._compare(number, texts[rest], bounds[rest], best)

    def _compare(self, number: int, texts: Counts, bounds: NDArray[np.float64], best: Nearest) -> Nearest:
        """The best of `best` and of `texts`, those with the highest bounds first."""
        length = int(self._lengths[number])
        places = mark_places(self._words[self._span(number)])
        order = np.argsort(-bounds, kind="stable")
        for other, bound in zip(texts[order].tolist(), bounds[order].tolist(), strict=True):
            if bound < best.rouge_l:
                break
            common = count_common(places, length, self._words[self._span(other)].tolist())
            rouge_l = 2 * common / (length + int(self._lengths[other]))
            if rouge_l > best.rouge_l or (rouge_l == best.rouge_l and other < best.text):
                best = Nearest(other, rouge_l)
        return best

    def _span(self, number: int) -> slice:
        return slice(int(self._offsets[number]), int(self._offsets[number + 1]))


def _pick_highest(bounds: NDArray[np.float64], count: int) -> Counts:
    if len(bounds) <= count:
        return np.arange(len(bounds))
    picked: Counts = np.argpartition(-bounds, count)[:count]
    return picked


def _number(values: NDArray[np.uint64]) -> Counts:
    """Each value as a small number, the same for the same value."""
    _, numbers = np.unique(values, return_inverse=True)
    return numbers.astype(np.int64)


def _number_occurrences(words: Counts, lengths: Counts) -> Counts:
    """Each word with how often it occurred before in its text, as a number: no text holds one twice.

    So what two texts share of these numbers is what they share of words, each as often as both have it.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((words, rows))
    fresh = np.ones(len(words), dtype=bool)
    fresh[1:] = (words[order][1:] != words[order][:-1]) | (rows[order][1:] != rows[order][:-1])
    runs = np.flatnonzero(fresh)
    before = np.empty(len(words), dtype=np.int64)
    before[order] = np.arange(len(words)) - np.repeat(runs, np.diff(np.append(runs, len(words))))
    return _number((words * (len(words) + 1) + before).astype(np.uint64))
