"""What of each row is compared: its question without what many rows share, and its answer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.dedup.jaccard import PartWords
from synth_stack.gates.dedup.lsh import Buckets, choose_bands, find_buckets, sign_bands
from synth_stack.gates.dedup.row_parts import PartedWords, list_distinct
from synth_stack.gates.dedup.shared_text import know_nothing, learn_shared
from synth_stack.gates.dedup.slots import LongestRuns, find_longest_runs, part_rows
from synth_stack.text.ragged import Counts, Mask, Ragged, offsets_of, sort_rows
from synth_stack.text.words import mix

_FEW_SLOTTED = 32
"""Rows with slots of one key that are compared with all others of that key: 500 pairs."""
_ANSWERED = np.uint64(0x616E73776572 << 16)
"""Tells a word of an answer from the same word of a question."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The parts of n rows, and of their questions the longest runs that are set apart and that stand in a
    slot.
    """

    parts: PartWords
    apart: LongestRuns
    slot: LongestRuns

    def show(self, rows: Counts) -> NDArray[np.int32]:
        """Of p rows with slots, (p, 6): the longest run set apart and all words set apart, the longest run in
        a slot and all words in slots. Zeros of others.
        """
        columns = [some for run in (self.apart, self.slot) for some in (run.first, run.end, run.words)]
        return np.stack([column[rows] for column in columns], axis=1).astype(np.int32)


def compare_parts(words: PartedWords, learners: Counts, shared_rows: int | None) -> Compared:
    """What is compared of n rows; what many of the `learners` among them share is set apart in all of
    them.
    """
    known = know_nothing()
    if shared_rows is not None:
        known = learn_shared(words.asked.take(learners), shared_rows)
    parted = part_rows(words.asked, known)
    offsets = words.asked.offsets
    slotted = parted.find_slotted(offsets)
    lengths = words.asked.lengths
    in_slot = np.concatenate([[0], np.cumsum(parted.slot)])[offsets]
    slots = Ragged(words.asked.values[parted.slot], in_slot)
    # a row that is not parted is told by its shingles, where not by its slots
    parts = np.flatnonzero(~words.whole)
    asked = Ragged(words.asked.take(parts).values, offsets_of(np.where(words.whole, 0, lengths)))
    return Compared(
        parts=PartWords(
            in_order=asked,
            asked=list_distinct(asked),
            slots=list_distinct(slots),
            slot_pairs=list_distinct(_pair_words(slots)),
            answered=words.answered,
            whole=words.whole,
            slotted=slotted,
        ),
        apart=find_longest_runs(parted.apart, offsets),
        slot=find_longest_runs(parted.slot, offsets),
    )


def _pair_words(words: Ragged) -> Ragged:
    """Each word of a row with the one before it, and the last with nothing after it; none of an empty row."""
    some = words.lengths > 0
    values = words.values.astype(np.uint64) + np.uint64(1)
    before = np.append(np.zeros(1, dtype=np.uint64), values[:-1])[: len(values)]
    before[words.offsets[:-1][some]] = 0
    last = values[words.offsets[1:][some] - 1]
    offsets = words.offsets + np.concatenate([[0], np.cumsum(some)])
    paired = np.insert(mix(mix(before) + values), words.offsets[1:][some], mix(mix(last)))
    return Ragged((paired >> np.uint64(32)).astype(np.uint32), offsets)


def leave_few_slotted(band: Buckets, slotted: Mask, canary: Mask) -> Buckets:
    """The bucket of each key less the rows with slots, where these are more than a few.

    `slotted` and `canary` (m,). They are then compared with one another by what stands in their slots
    (find_slot_buckets). Where they are few a row that was not seen to have a slot is compared with them too.
    """
    few = band.count((slotted & ~canary)[band.rows]) <= _FEW_SLOTTED
    return band.only(few | ~slotted[band.rows])


def find_slot_buckets(parts: PartWords, at: Counts, threshold: float, seed: int) -> list[Buckets]:
    """Which of the m rows `at` share a band key of what is compared of them, of those with slots.

    Two rows whose questions and answers each share `threshold` of the larger set of words have a Jaccard
    similarity of at least threshold / (2 - threshold) in the words of both.
    """
    rows = np.flatnonzero(parts.slotted[at])
    asked, answered = parts.slots.take(at[rows]), parts.answered.take(at[rows])
    values = [mix(asked.values.astype(np.uint64)), mix(answered.values.astype(np.uint64) | _ANSWERED)]
    owner = [np.repeat(np.arange(len(rows)), some.lengths) for some in (asked, answered)]
    sets = sort_rows(np.concatenate(values), np.concatenate(owner), len(rows))
    bands, hashes = choose_bands(threshold / (2 - threshold))
    keys = sign_bands(sets, bands, hashes, seed)
    number = rows.astype(np.int32)
    return [Buckets(number[band.rows], band.firsts) for band in map(find_buckets, keys.T)]
