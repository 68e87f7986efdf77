"""The nearest kept row of each row of a cluster: in order, each is compared with the kept rows before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.embedders import Vectors
from synth_stack.text.ragged import Counts, Mask

Cosines = NDArray[np.float32]

NO_TWIN = -1
DECIMALS = 4
"""Cosines are rounded to what vectors in float16 hold, whatever order a matrix product adds in."""

_BLOCK_ROWS = 1_024
_KEPT_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class NearestKept:
    """Of n rows the highest cosine to a kept row, 0 without one, and which row that is, or NO_TWIN."""

    best: Cosines
    twin: Counts

    def improve(self, rows: Counts, cosines: Cosines, mates: Counts) -> None:
        """Take in the `cosines` (r, m) of `rows` to `mates`; the first of equals is the nearest."""
        nearest = cosines.argmax(axis=1)
        top = cosines[np.arange(len(rows)), nearest]
        better = top > self.best[rows]
        self.best[rows[better]], self.twin[rows[better]] = top[better], mates[nearest[better]]


def compare_cluster(
    vectors: NDArray[np.float16], rows: Counts, canaries: Counts, threshold: float, near: NearestKept
) -> None:
    """Fill in `near` for the `rows` of a cluster, and then for its canaries, which no row is compared with.

    At most some 40 MB at a time. Time grows with the rows times those of them that are kept.
    """
    kept = np.zeros(0, dtype=np.int64)
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = rows[first : first + _BLOCK_ROWS]
        mine = _compare_kept(vectors, block, kept, near)
        kept = np.concatenate([kept, block[_settle_block(mine, block, threshold, near)]])
    # apart from the rows: the shape of a matrix product may show in its last digit
    for first in range(0, len(canaries), _BLOCK_ROWS):
        _compare_kept(vectors, canaries[first : first + _BLOCK_ROWS], kept, near)


def _compare_kept(vectors: NDArray[np.float16], block: Counts, kept: Counts, near: NearestKept) -> Vectors:
    """The vectors of the block, once it was compared with the kept rows."""
    mine = vectors[block].astype(np.float32)
    for first in range(0, len(kept), _KEPT_ROWS):
        mates = kept[first : first + _KEPT_ROWS]
        near.improve(block, _measure(mine, vectors[mates].astype(np.float32)), mates)
    return mine


def _settle_block(vectors: Vectors, rows: Counts, threshold: float, near: NearestKept) -> Mask:
    """Which rows of a block are kept, one after the other: each is compared with the kept ones before it."""
    cosines = _measure(vectors, vectors)
    kept = np.zeros(len(rows), dtype=bool)
    for k in range(len(rows)):
        mates = np.flatnonzero(kept[:k])
        if len(mates):
            near.improve(rows[k : k + 1], cosines[k : k + 1, mates], rows[mates])
        kept[k] = near.best[rows[k]] <= threshold
    return kept


def _measure(vectors: Vectors, mates: Vectors) -> Cosines:
    return np.minimum(np.round(vectors @ mates.T, DECIMALS), np.float32(1))
