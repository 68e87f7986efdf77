"""Parts of rows that are not parted: they are told by their shingles alone."""

import numpy as np

from synth_stack.gates.dedup.jaccard import PartWords
from synth_stack.text.ragged import Ragged


def not_parted(rows: int) -> PartWords:
    """The parts of so many rows without any."""
    nothing = Ragged(np.zeros(0, dtype=np.uint64), np.zeros(rows + 1, dtype=np.int64))
    unmarked = np.zeros(rows, dtype=bool)
    return PartWords(nothing, nothing, nothing, nothing, nothing, ~unmarked, unmarked)
