"""What several items of an eval set have in common: its own boilerplate, and passages that they share.

"Which of the following is", "Answer with A, B, C or D", a worked example before every question: an n-gram of
many items is the form of an exam and no item of it, in whatever language. What a few items share is what they
are asked of, a passage: it counts once, and apart from what is asked.
"""

from dataclasses import dataclass

import numpy as np

from synth_stack.gates.contamination.ngram_table import Flags
from synth_stack.text.ragged import Counts, Hashes, Ragged

PARTS = ("prompt", "answer", "passage")
"""The parts of an item, in the order of their numbers."""

FEW_ITEMS = 3
"""From so many items of a set on an n-gram belongs to none of them. Two may be one item in two forms."""

MANY_ITEMS = 10
"""From so many on it is no passage either: SQuAD asks 5 questions of a passage, RACE 4, MMLU's law exam 2."""


@dataclass(frozen=True, slots=True)
class Stock:
    """The n-grams that are common in a set: sorted hashes, whose low bits are the set's number.

    `few` are shared by FEW_ITEMS or more, `many` by MANY_ITEMS or more.
    """

    id_bits: int
    few: Hashes
    many: Hashes

    def holds(self, grams: Ragged, sets: Counts, passage: Flags) -> Flags:
        """Which n-grams are common in the set of their row, flat; of a passage those of many items."""
        low = np.uint64((1 << self.id_bits) - 1)
        owners = np.repeat(sets, grams.lengths).astype(np.uint64)
        keys = (grams.values & ~low) | owners
        found: Flags = np.where(
            np.repeat(passage, grams.lengths), _are_in(keys, self.many), _are_in(keys, self.few)
        )
        return found


def part_stock(entries: Hashes, n_parts: int, starts: Counts, *, with_stock: bool) -> tuple[Hashes, Stock]:
    """The entries (`pack_grams`) of what belongs to an item, and what is common in the sets.

    `starts` are the numbers of each set's first item. What a few items share stays once, as the passage of
    the first of them. Without `with_stock` every entry stays as it is. The entries are sorted in place.
    """
    entries.sort()
    bits = max(1, (n_parts - 1).bit_length())
    none = np.zeros(0, dtype=np.uint64)
    twice = np.flatnonzero(entries[1:] >> np.uint64(bits) == entries[:-1] >> np.uint64(bits))
    if not with_stock or not len(twice):
        return entries, Stock(bits, none, none)
    low = np.uint64((1 << bits) - 1)
    at = np.union1d(twice, twice + 1)
    high, item = entries[at] & ~low, (entries[at] & low).astype(np.int64) // len(PARTS)
    owner = np.searchsorted(starts, item, side="right") - 1
    opens = np.ones(len(at), dtype=bool)
    opens[1:] = (high[1:] != high[:-1]) | (owner[1:] != owner[:-1])
    another = opens.copy()
    another[1:] |= item[1:] != item[:-1]
    group = np.cumsum(opens) - 1
    items = np.bincount(group, weights=another)
    keys = high[opens] | owner[opens].astype(np.uint64)
    few, many = items >= FEW_ITEMS, items >= MANY_ITEMS
    passage = opens & (few & ~many)[group]
    parts = (item[passage] * len(PARTS) + PARTS.index("passage")).astype(np.uint64)
    entries[at[passage]] = high[passage] | parts
    dropped = at[few[group] & ~passage]
    return np.delete(entries, dropped), Stock(bits, np.sort(keys[few]), np.sort(keys[many]))


def _are_in(keys: Hashes, known: Hashes) -> Flags:
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    found: Flags = known[at] == keys
    return found
