"""Clusters of like vectors, by spherical k-means on a sample: what keeps the comparison of rows linear."""

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.embedders import Vectors
from synth_stack.text.ragged import Counts

_CLUSTER_ROWS = 1_000
_WHOLE_ROWS = 4_000
"""Fewer rows than these are one cluster: nothing is missed, and they are compared in half a second."""
_SAMPLE_PER_CLUSTER = 64
_ITERATIONS = 8
_BLOCK_ROWS = 1_024


def count_clusters(rows: int) -> int:
    """How many clusters so many rows are split into."""
    return 1 if rows < _WHOLE_ROWS else rows // _CLUSTER_ROWS


def find_centres(vectors: NDArray[np.float16], rows: Counts, seed: int) -> Vectors:
    """The centres of clusters of about a thousand of these rows of `vectors`, (c, d); one for few rows."""
    count = count_clusters(len(rows))
    if count == 1:
        return np.zeros((1, vectors.shape[1]), dtype=np.float32)
    drawn = np.random.default_rng(seed).choice(
        rows, min(len(rows), count * _SAMPLE_PER_CLUSTER), replace=False
    )
    sample = vectors[drawn].astype(np.float32)
    centres: Vectors = sample[:count]
    for _ in range(_ITERATIONS):
        nearest = _find_nearest(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        empty = ~sums.any(axis=1)
        sums[empty] = centres[empty]
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centres


def split_rows(vectors: NDArray[np.float16], rows: Counts, centres: Vectors) -> list[Counts]:
    """The rows of each cluster, in order: those that are nearest to its centre."""
    home = np.zeros(len(rows), dtype=np.int64)
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = vectors[rows[first : first + _BLOCK_ROWS]].astype(np.float32)
        home[first : first + _BLOCK_ROWS] = _find_nearest(block, centres)
    order = np.argsort(home, kind="stable")
    bounds = np.searchsorted(home[order], np.arange(1, len(centres)))
    return np.split(rows[order], bounds)


def _find_nearest(vectors: Vectors, centres: Vectors) -> Counts:
    blocks = range(0, len(vectors), _BLOCK_ROWS)
    return np.concatenate([(vectors[k : k + _BLOCK_ROWS] @ centres.T).argmax(axis=1) for k in blocks])
