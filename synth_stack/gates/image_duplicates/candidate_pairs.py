"""Pairs of images that may be the same: found by their hashes, decided by their pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.image_duplicates.alignment import Likeness, Pairs, measure_likeness
from synth_stack.gates.image_duplicates.band_index import Numbers64, index_hashes, pack_bits
from synth_stack.gates.image_duplicates.perceptual_hash import (
    ORIENTATIONS,
    WINDOWS,
    Hashes64,
    Thumbnails,
    orient,
    orient_pixels,
    read_bits,
    transform_windows,
)

Small = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class HashedImages:
    """n images: thumbnails (n, SIDE, SIDE), the hashes (8, n) of each as it would lie in each of
    ORIENTATIONS, and those (w, n) of its WINDOWS.
    """

    thumbnails: Thumbnails
    lying: Hashes64
    parts: Hashes64

    def take(self, rows: Numbers64) -> "HashedImages":
        """Some of the images."""
        return HashedImages(self.thumbnails[rows], self.lying[:, rows], self.parts[:, rows])

    def join(self, more: "HashedImages") -> "HashedImages":
        """These images, and more after them."""
        return HashedImages(
            np.concatenate([self.thumbnails, more.thumbnails]),
            np.concatenate([self.lying, more.lying], axis=1),
            np.concatenate([self.parts, more.parts], axis=1),
        )


def hash_images(thumbnails: Thumbnails) -> HashedImages:
    """The images of thumbnails (n, SIDE, SIDE) with their hashes."""
    parts: list[Hashes64] = []
    lying: list[Hashes64] = []
    for coefficients in transform_windows(thumbnails):
        if not parts:
            lying = [pack_bits(read_bits(orient(coefficients, each))) for each in ORIENTATIONS]
        parts.append(pack_bits(read_bits(coefficients)))
    return HashedImages(thumbnails, np.stack(lying), np.stack(parts))


@dataclass(frozen=True, slots=True)
class Matches:
    """p pairs of a row of one set of images with one of another: how alike they are, in which of ORIENTATIONS
    one lies on which of WINDOWS of the other, and whether it is the first that lies on a part of the second.
    """

    first: Numbers64
    second: Numbers64
    likeness: Likeness
    orientation: Small
    window: Small
    within: NDArray[np.bool_]

    def take(self, some: Numbers64) -> "Matches":
        """Some of the pairs."""
        return Matches(
            self.first[some],
            self.second[some],
            self.likeness[some],
            self.orientation[some],
            self.window[some],
            self.within[some],
        )


def match_images(mine: HashedImages, others: HashedImages, least: float, *, same: bool = False) -> Matches:
    """The pairs of an image of `mine` and one of `others` whose likeness is at least `least`, each once.

    Either may be a part of the other. Sorted by the first, and then from the most alike, ties by the second.
    `same`: both are the same images, and the second of each pair comes before the first.
    """
    found = [
        _compare(mine, others, within=True, same=same),
        _compare(others, mine, within=False, same=same),
    ]
    joined = [np.concatenate([each[k] for each in found]) for k in range(6)]
    first, second, likeness, orientation, window, within = joined
    order = np.lexsort((~within, window, orientation, second, -likeness, first))
    order = order[likeness[order] >= least]
    pairs = np.stack([first[order], second[order]], axis=1)
    _, once = np.unique(pairs, axis=0, return_index=True)
    chosen = order[np.sort(once)]
    return Matches(
        first[chosen],
        second[chosen],
        likeness[chosen],
        orientation[chosen],
        window[chosen],
        within[chosen].astype(bool),
    )


def _compare(
    whole: HashedImages, parted: HashedImages, *, within: bool, same: bool
) -> tuple[Numbers64, Numbers64, Likeness, Small, Small, NDArray[np.bool_]]:
    """Images that lie on a part of others: first and second of each pair, and how. `within` is said of the
    first; where it is not, first and second change places.
    """
    query, part, orientation, window = _propose(whole, parted)
    if same:
        ordered = np.flatnonzero(query > part if within else query < part)
        query, part = query[ordered], part[ordered]
        orientation, window = orientation[ordered], window[ordered]
    likeness = np.zeros(len(query), np.float32)
    for lie in range(len(ORIENTATIONS)):
        some = np.flatnonzero(orientation == lie)
        likeness[some] = _measure(whole, parted, (query[some], part[some], window[some]), lie)
    pair = (query, part) if within else (part, query)
    return *pair, likeness, orientation, window, np.full(len(query), within)


def _measure(
    whole: HashedImages, parted: HashedImages, pairs: tuple[Numbers64, Numbers64, Small], lie: int
) -> Likeness:
    """The likeness of each pair, (p,); thumbnails are gathered a few thousand at a time."""
    query, part, window = pairs
    spans = np.asarray([[*down, *across] for down, across in WINDOWS], np.float32)
    measured = [np.zeros(0, np.float32)]
    for begin in range(0, len(query), 4096):
        some = slice(begin, begin + 4096)
        first = orient_pixels(whole.thumbnails[query[some]], ORIENTATIONS[lie])
        measured.append(measure_likeness(Pairs(first, parted.thumbnails[part[some]], spans[window[some]])))
    return np.concatenate(measured)


def _propose(whole: HashedImages, parted: HashedImages) -> tuple[Numbers64, Numbers64, Small, Small]:
    """The nearest orientation and window of each pair whose hashes are near: query, part, orientation,
    window.
    """
    pieces = list(_search(whole, parted))
    if not pieces:
        none, few = np.zeros(0, np.int64), np.zeros(0, np.uint8)
        return none, none, few, few
    query, part, orientation, window, apart = (np.concatenate(each) for each in zip(*pieces, strict=True))
    return _keep_nearest(query, part, orientation, window, apart)[:4]


Proposals = tuple[Numbers64, Numbers64, Small, Small, Small]


def _search(whole: HashedImages, parted: HashedImages) -> Iterator[Proposals]:
    count = parted.parts.shape[1]
    index = index_hashes(parted.parts.reshape(-1))
    for lie in range(len(ORIENTATIONS)):
        pieces = [
            _keep_nearest(
                query,
                place % count,
                np.full(len(query), lie, np.uint8),
                (place // count).astype(np.uint8),
                apart,
            )
            for query, place, apart in index.find_near(whole.lying[lie])
        ]
        if pieces:
            yield _keep_nearest(*(np.concatenate(each) for each in zip(*pieces, strict=True)))


def _keep_nearest(query: Numbers64, part: Numbers64, lie: Small, window: Small, apart: Small) -> Proposals:
    """Of each pair the proposal with the fewest bits apart; ties by orientation and window."""
    order = np.lexsort((window, lie, apart, part, query))
    q, p = query[order], part[order]
    new = np.ones(len(order), bool)
    new[1:] = (q[1:] != q[:-1]) | (p[1:] != p[:-1])
    kept = order[new]
    return query[kept], part[kept], lie[kept], window[kept], apart[kept]
