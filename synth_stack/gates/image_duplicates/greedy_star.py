"""Which images stay: each is compared with those that stay already, the largest first, and never with others.

So no chain of likenesses joins two images that are not alike, whatever lies between them. The order is that
of the images themselves (most pixels, then the hash of the row_id), so it does not matter in which order or
in which shards the rows came.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.image_duplicates.alignment import Likeness
from synth_stack.gates.image_duplicates.band_index import Numbers64
from synth_stack.gates.image_duplicates.candidate_pairs import (
    HashedImages,
    Matches,
    Small,
    hash_images,
    match_images,
)
from synth_stack.gates.image_duplicates.perceptual_hash import Hashes64, Thumbnails

LEAST = 0.5
"""The lowest likeness that is kept, as a score: benchmarks/images.py has pairs of different images up to
0.7."""
_BLOCK = 1000
"""Images that are compared with one another at once: a batch of copies of one image makes a million pairs."""
NONE = -1

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """n rows: `thumbnails` (n, SIDE, SIDE), digests of pixels, areas (0 where there is no image), whether
    there is enough in it to be `told` from others, hashes of row_ids, which are planted, and the row_ids.
    """

    thumbnails: Thumbnails
    digests: Hashes64
    area: Numbers64
    told: Mask
    ids: Hashes64
    canary: Mask
    names: pa.Array


@dataclass(frozen=True, slots=True)
class KnownImages:
    """m images that stay whatever comes: of which set each is, and which item of it."""

    thumbnails: Thumbnails
    digests: Hashes64
    told: Mask
    sets: list[int]
    items: list[str]


@dataclass(frozen=True, slots=True)
class Twins:
    """Of n rows: the greatest likeness to an image that stays; the twin of a row that does not stay, a `row`
    of the batch or one of the `known` images, NONE for neither; and how they lie on one another (Matches).
    """

    likeness: Likeness
    row: Numbers64
    known: Numbers64
    orientation: Small
    window: Small
    within: Mask


def find_twins(batch: ImageBatch, known: KnownImages, threshold: float) -> Twins:
    """The twins of a batch: a row with a likeness above `threshold` to an image that stays does not stay."""
    n = len(batch.area)
    twins = Twins(
        np.zeros(n, np.float32),
        np.full(n, NONE, np.int64),
        np.full(n, NONE, np.int64),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
        np.zeros(n, bool),
    )
    order = np.lexsort((batch.ids, -batch.area, batch.canary))
    waiting = _settle_copies(batch, known, order[batch.area[order] > 0], twins)
    waiting = waiting[batch.told[waiting]]
    named = np.flatnonzero(known.told)
    star = _Star(threshold, twins, hash_images(known.thumbnails[named]), [NONE] * len(named), named.tolist())
    planted = batch.canary[waiting]
    for group, stays in ((waiting[~planted], True), (waiting[planted], False)):
        for begin in range(0, len(group), _BLOCK):
            block = group[begin : begin + _BLOCK]
            star.compare(block, hash_images(batch.thumbnails[block]), stays=stays)
    _follow_copies(twins)
    return twins


def _settle_copies(batch: ImageBatch, known: KnownImages, order: Numbers64, twins: Twins) -> Numbers64:
    """The rows of other pixels than the known images and the rows before them; the others get their twin.

    A planted row takes no part in what is said of others, not even of planted ones.
    """
    first_known: dict[int, int] = {}
    for number, digest in enumerate(known.digests.tolist()):
        first_known.setdefault(digest, number)
    first_row: dict[int, int] = {}
    left: list[int] = []
    for row, digest, planted in zip(
        order.tolist(), batch.digests[order].tolist(), batch.canary[order].tolist(), strict=True
    ):
        if digest in first_known:
            twins.known[row], twins.likeness[row] = first_known[digest], 1
        elif digest in first_row:
            twins.row[row], twins.likeness[row] = first_row[digest], 1
        else:
            left.append(row)
            if not planted:
                first_row[digest] = row
    return np.array(left, np.int64)


def _follow_copies(twins: Twins) -> None:
    """A copy of a row that did not stay gets the twin of that row."""
    copies = np.flatnonzero(twins.row != NONE)
    of = twins.row[copies]
    gone = (twins.row[of] != NONE) | (twins.known[of] != NONE)
    copies, of = copies[gone], of[gone]
    for column in (twins.likeness, twins.known, twins.orientation, twins.window, twins.within, twins.row):
        column[copies] = column[of]


@dataclass(slots=True)
class _Star:
    """The images that stay so far: `kept` with their hashes, and which row or known image each is."""

    threshold: float
    twins: Twins
    kept: HashedImages
    rows: list[int]
    known: list[int]

    def compare(self, block: Numbers64, images: HashedImages, *, stays: bool) -> None:
        """Settle the rows of a block, in order; those that stay are added, where planted ones do not."""
        away = np.zeros(len(block), bool)
        self._note(match_images(images, self.kept, LEAST), block, away, self.rows, self.known)
        if not stays:
            return
        within = match_images(images, images, LEAST, same=True)
        order = np.argsort(within.first, kind="stable")
        bounds = np.searchsorted(within.first[order], np.arange(len(block) + 1))
        for place in np.flatnonzero(np.diff(bounds)):
            some = order[bounds[place] : bounds[place + 1]]
            some = some[~away[within.second[some]]]
            self._note(within.take(some), block, away, block.tolist(), [NONE] * len(block))
        left = np.flatnonzero(~away)
        self.kept = self.kept.join(images.take(left))
        self.rows += block[left].tolist()
        self.known += [NONE] * len(left)

    def _note(
        self, matches: Matches, block: Numbers64, away: Mask, rows: list[int], known: list[int]
    ) -> None:
        """The best match of each row; the first of each is the best one."""
        firsts, best = np.unique(matches.first, return_index=True)
        for place, match in zip(firsts.tolist(), best.tolist(), strict=True):
            row, like = int(block[place]), matches.likeness[match]
            if away[place] or like <= self.twins.likeness[row]:
                continue
            self.twins.likeness[row] = like
            if like > self.threshold:
                other = int(matches.second[match])
                away[place] = True
                self.twins.row[row], self.twins.known[row] = rows[other], known[other]
                self.twins.orientation[row] = matches.orientation[match]
                self.twins.window[row], self.twins.within[row] = matches.window[match], matches.within[match]
