"""Clusters of unit vectors by spherical k-means (Dhillon and Modha 2001), the same for the same rows in
order.
"""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_BLOCK_ROWS = 4_096


def fit_centres(vectors: Vectors, count: int, seed: int, iterations: int = 10) -> Vectors:
    """`count` centres of unit length, (count, d), fewer where there are fewer rows; the first are drawn."""
    count = min(count, len(vectors))
    drawn = np.sort(np.random.default_rng(seed).choice(len(vectors), count, replace=False))
    centres: Vectors = vectors[drawn].astype(np.float32)
    for _ in range(iterations if count > 1 else 1):
        nearest, _ = find_nearest(vectors, centres)
        order = np.argsort(nearest, kind="stable")
        starts = np.searchsorted(nearest[order], np.arange(count))
        padded = np.concatenate(
            [vectors[order].astype(np.float32), np.zeros((1, vectors.shape[1]), np.float32)]
        )
        sums = np.add.reduceat(padded, starts)
        sums[np.bincount(nearest, minlength=count) == 0] = 0
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return centres


def find_nearest(vectors: Vectors, centres: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest centre of each of n vectors and the cosine to it, (n,) both; the first of equals."""
    nearest = np.zeros(len(vectors), dtype=np.int64)
    cosine = np.zeros(len(vectors), dtype=np.float32)
    for first in range(0, len(vectors), _BLOCK_ROWS):
        cosines = vectors[first : first + _BLOCK_ROWS].astype(np.float32) @ centres.T
        best = cosines.argmax(axis=1)
        nearest[first : first + _BLOCK_ROWS] = best
        cosine[first : first + _BLOCK_ROWS] = cosines[np.arange(len(best)), best]
    return nearest, cosine
