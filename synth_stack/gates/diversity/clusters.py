"""Clusters of a batch that say one thing in a wording that they repeat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.diversity.wording import WORDING_ROWS, measure_known
from synth_stack.stats.diversity import Vectors, distinct_rows, owner_of
from synth_stack.stats.intervals import wilson
from synth_stack.stats.spherical_kmeans import find_nearest, fit_centres
from synth_stack.text.ragged import Counts, Hashes, Ragged

CLUSTER_ROWS = 128
"""Rows of the sample a cluster: half as many again as its wording is measured over."""
MAX_CLUSTERS = 128
FAMILIAR = 0.6
"""A row is of a cluster when so many of its n-grams are among those that the cluster repeats: 96% of 5,000
rewordings among 10,000 messages of banking77 are, and under 0.3% of the messages (docs/diversity.md)."""
MOST_COLLAPSED = 64
"""Collapsed clusters that are told apart; what is beyond counts as one with the last."""


@dataclass(frozen=True, slots=True)
class CollapsedCluster:
    """A cluster of the sample whose wording repeats itself: its `rows`, the place of its centre, the
    `known` share of its wording with an interval, its share of the batch with a 95% interval, and its
    repeated n-grams, sorted.
    """

    rows: Counts
    centre: int
    known: tuple[float, float, float]
    share: tuple[float, float, float]
    grams: Hashes


def cluster_rows(vectors: Vectors, seed: int) -> Counts:
    """The cluster of each of n rows, (n,)."""
    count = min(MAX_CLUSTERS, max(1, len(vectors) // CLUSTER_ROWS))
    nearest, _ = find_nearest(vectors, fit_centres(vectors, count, seed))
    return nearest


def find_collapsed(
    vectors: Vectors, grams: Ragged, homes: Counts, max_known: float, seed: int
) -> list[CollapsedCluster]:
    """The clusters that surely repeat more than `max_known` of their wording, the largest first.

    Those that repeat one another's wording are one. What every second row of the whole sample says (a
    template) is no wording of a cluster, and has to be gone from `grams`.
    """
    found: list[Counts] = []
    for home in range(int(homes.max(initial=-1)) + 1):
        rows = np.flatnonzero(homes == home)
        if len(rows) >= WORDING_ROWS and measure_known(grams.take(rows), seed)[1] > max_known:
            found.append(rows)
    joined = _join_alike(found, grams)
    return [_describe(rows, vectors, grams, seed) for rows in sorted(joined, key=len, reverse=True)]


def measure_familiar(grams: Ragged, known: Hashes) -> NDArray[np.float64]:
    """The share of the n-grams of each row that are `known` (sorted), (n,); 0 for a row without any."""
    if not len(known):
        return np.zeros(len(grams.lengths))
    place = np.minimum(np.searchsorted(known, grams.values), len(known) - 1)
    hits = np.bincount(owner_of(grams), known[place] == grams.values, minlength=len(grams.lengths))
    share: NDArray[np.float64] = hits / np.maximum(grams.lengths, 1)
    return share


def list_repeated(grams: Ragged) -> Hashes:
    """The n-grams that stand in at least two rows, sorted."""
    values, counts = np.unique(distinct_rows(grams).values, return_counts=True)
    repeated: Hashes = values[counts > 1]
    return repeated


def _join_alike(found: Sequence[Counts], grams: Ragged) -> list[Counts]:
    """The sets of rows, those joined of which one is familiar with the other's wording."""
    groups: list[tuple[Counts, Hashes]] = []
    for rows in sorted(found, key=len, reverse=True):
        mine = grams.take(rows)
        for k, (others, known) in enumerate(groups):
            last = k == MOST_COLLAPSED - 1
            if last or np.median(measure_familiar(mine, known)) >= FAMILIAR:
                joined = np.sort(np.concatenate([others, rows]))
                groups[k] = joined, list_repeated(grams.take(joined))
                break
        else:
            groups.append((rows, list_repeated(mine)))
    return [rows for rows, _ in groups]


def _describe(rows: Counts, vectors: Vectors, grams: Ragged, seed: int) -> CollapsedCluster:
    mean = vectors[rows].mean(axis=0)
    low, high = wilson(len(rows), len(vectors))
    return CollapsedCluster(
        rows=rows,
        centre=int(rows[(vectors[rows] @ mean).argmax()]),
        known=measure_known(grams.take(rows), seed),
        share=(len(rows) / len(vectors), low, high),
        grams=list_repeated(grams.take(rows)),
    )
