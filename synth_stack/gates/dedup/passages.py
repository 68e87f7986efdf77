"""Whether two questions differ by a whole passage: a sentence exchanged for another, and not a word in it.

Of two rows alone, unlike of many, no text can be seen that they share. But two questions on one passage
differ in one place, by several words in a row that have little in common; edits differ by single words.
"""

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.dedup.row_parts import list_distinct
from synth_stack.gates.dedup.slots import find_longest_runs
from synth_stack.text.ragged import Counts, Mask, Ragged, count_shared, find_shared, offsets_of, spread
from synth_stack.text.words import hash_ngrams

_RUN_WORDS = 4
"""A run of so many words that the other row does not have is a passage of its own, as long as the runs that
are looked for: of two words exchanged closer together than that, the words between count as not had."""
_OTHER = 0.5
"""Below this share of common words two passages are others: two words exchanged in a run of four leave it."""
_BLOCK_PAIRS = 1 << 11


def compare_passages(words: Ragged, i: Counts, j: Counts) -> NDArray[np.float64]:
    """How near the words are that each of p pairs of rows does not share, (p,), where they are other
    passages.

    1 where they are not: where one has no passage of its own, or both have more than half of it in common.
    """
    near = np.ones(len(i))
    for first in range(0, len(i), _BLOCK_PAIRS):
        block = slice(first, first + _BLOCK_PAIRS)
        left, right = (_widen(words.take(rows[block])) for rows in (i, j))
        own = _find_own(left, right), _find_own(right, left)
        runs = [find_longest_runs(mask, some.offsets) for mask, some in zip(own, (left, right), strict=True)]
        apart = np.minimum(*[run.end - run.first for run in runs]) >= _RUN_WORDS
        sets = [_keep(some, mask) for mask, some in zip(own, (left, right), strict=True)]
        pairs = np.arange(len(apart))
        sizes = sets[0].lengths + sets[1].lengths
        alike = 2 * count_shared(sets[0], pairs, sets[1], pairs) / np.maximum(sizes, 1)
        near[block] = np.where(apart & (alike < _OTHER), alike, 1)
    return near


def _widen(words: Ragged) -> Ragged:
    return Ragged(words.values.astype(np.uint64), words.offsets)


def _find_own(left: Ragged, right: Ragged) -> Mask:
    """Which words of each row of `left` are in no run of four that the same row of `right` has, (m,)."""
    grams, others = hash_ngrams(left, _RUN_WORDS), list_distinct(hash_ngrams(right, _RUN_WORDS))
    pairs = np.arange(len(left.lengths))
    shared = find_shared(grams, pairs, others, pairs)
    at = spread(left.offsets[:-1], grams.lengths)[shared]
    own = np.ones(len(left.values), dtype=bool)
    for k in range(_RUN_WORDS):
        own[at + k] = False
    return own


def _keep(words: Ragged, mask: Mask) -> Ragged:
    lengths = np.concatenate([[0], np.cumsum(mask)])[words.offsets]
    return list_distinct(Ragged(words.values[mask], offsets_of(np.diff(lengths))))
