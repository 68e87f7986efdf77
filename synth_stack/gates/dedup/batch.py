"""What becomes of the rows of a batch: read for their prints, read again where they meet, then settled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.dedup.greedy_keep import NO_TWIN, Contest, Settled, settle
from synth_stack.gates.dedup.jaccard import Shingled, Similarities, sketch_sets
from synth_stack.gates.dedup.lsh import Keys, Meetings, find_meetings
from synth_stack.gates.dedup.signatures import NAMES, Source, join_sets, map_ahead
from synth_stack.text.ragged import Counts, Hashes, Mask, Ragged

Number = TypeVar("Number", bound=np.generic)

ACCEPT, REJECT, HOLD, ABSTAIN = range(4)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a row goes, how far below that a similarity is still told, and when a cluster is held."""

    threshold: float
    floor: float
    max_cluster_share: float
    max_cluster_min_rows: int


@dataclass(frozen=True, slots=True)
class Decided:
    """The k rows of a batch of which there is more to say than that nothing is like them.

    `ids` (k,) sorted, the hashes of their row_ids; `outcomes` (k,) uint8; `scores` (k,); `twins` (k,), a row
    of `names`, or NO_TWIN; `cluster_rows` and `cluster_shares` (k,), 0 where the row is not held. Of the
    twin in row t of `names` the shingles are row `set_of[t]` of `sets`, or not there: nobody but exact
    copies named it.
    """

    ids: Hashes
    outcomes: NDArray[np.uint8]
    scores: Similarities
    twins: Counts
    cluster_rows: Counts
    cluster_shares: Similarities
    names: pa.Table
    sets: Ragged
    set_of: Counts

    def find(self, ids: Hashes) -> Counts:
        """Where the rows of these ids stand here, (n,); NO_TWIN: nothing is like them."""
        if not len(self.ids):
            return np.full(len(ids), NO_TWIN, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[place] == ids, place, NO_TWIN)


@dataclass(frozen=True, slots=True)
class _Read:
    """All prints together, n rows in the order in which they were read; the last `own` are the batch's.

    `lengths` are the rows of each table, source by source; `keys` the keys table by table, which are the bulk
    and leave once they were used. `order` (n,): the rows by precedence. The other fields are those of Prints.
    """

    lengths: list[list[int]]
    keys: list[Keys]
    own: slice
    order: Counts
    content: Hashes
    readable: Mask
    ids: Hashes
    slices: Hashes
    canary: Mask


@dataclass(frozen=True, slots=True)
class _Distinct:
    """The p rows with something to read by precedence, and the d of them that no row before them equals.

    `rows` (p,), the row that it is; `firsts` (d,), positions in `rows`; `first_of` (p,), which of `firsts`
    each one equals.
    """

    rows: Counts
    firsts: Counts
    first_of: Counts

    @property
    def places(self) -> Counts:
        """The rows that the distinct ones are, (d,)."""
        return self.rows[self.firsts]


@dataclass(frozen=True, slots=True)
class _Picked:
    """Names of the rows in `named` (n,) and shingles of those in `chosen` (n,), in the order of reading."""

    named: Mask
    chosen: Mask
    names: pa.Table
    sets: Ragged

    def name_of(self, rows: Counts) -> Counts:
        """The rows of `names` that name these."""
        return (np.cumsum(self.named) - 1)[rows]

    def set_of(self, rows: Counts) -> Counts:
        """The rows of `sets` that are theirs."""
        return (np.cumsum(self.chosen) - 1)[rows]


@dataclass(frozen=True, slots=True)
class _Fates:
    """Of p rows by precedence: whether each goes, its highest similarity, and the distinct row it is to."""

    goes: Mask
    scores: Similarities
    twins: Counts


def decide(sources: Sequence[Source], bands: int, rule: Rule) -> Decided:
    """What becomes of each row of the last source, given that all rows of the others stay.

    The same for the same rows, whatever tables they come in. Memory: some 110 bytes a row at 17 bands, and
    8 bytes a word of the distinct rows that meet another.
    """
    read = _read_prints(sources)
    distinct = _collapse(read)
    places = distinct.places
    meetings, met = _meet(read, places, bands)
    named, chosen = np.zeros(len(read.ids), dtype=bool), np.zeros(len(read.ids), dtype=bool)
    copied = np.bincount(distinct.first_of, minlength=len(places)) > 1
    named[places[met | copied]] = True
    chosen[places[met]] = True
    picked = _pick(sources, read, named, chosen)
    contest = Contest(
        shingled=Shingled(picked.sets, sketch_sets(picked.sets), picked.set_of(places[met])),
        bands=meetings,
        fixed=int((places[met] < read.own.start).sum()),
        canary=read.canary[places[met]],
        threshold=rule.threshold,
        floor=rule.floor,
    )
    settled = settle(contest)
    return _gather(read, distinct, _spread_fates(read, distinct, settled, met), picked, rule)


def _read_prints(sources: Sequence[Source]) -> _Read:
    tables = [list(source.prints()) for source in sources]
    parts = [part for source in tables for part in source]
    none = np.zeros(0, dtype=np.uint64)
    canary = np.concatenate([np.zeros(0, dtype=bool), *[part.canary for part in parts]])
    n, own = len(canary), sum(len(part.ids) for part in tables[-1])
    # earlier packs, then the batch by rank and position, then its canaries
    kind = np.where(canary, 2, np.arange(n) >= n - own).astype(np.uint8)
    score = np.concatenate([np.zeros(0), *[part.score for part in parts]])
    tie = np.concatenate([none, *[part.tie for part in parts]])
    return _Read(
        lengths=[[len(part.ids) for part in source] for source in tables],
        keys=[part.keys for part in parts],
        own=slice(n - own, n),
        order=np.lexsort((tie, -score, kind)) if tie.any() else np.argsort(kind, kind="stable"),
        content=np.concatenate([none, *[part.content for part in parts]]),
        readable=np.concatenate([np.zeros(0, dtype=bool), *[part.readable for part in parts]]),
        ids=np.concatenate([none, *[part.ids for part in parts]]),
        slices=np.concatenate([none, *[part.slices for part in parts]]),
        canary=canary,
    )


def _collapse(read: _Read) -> _Distinct:
    rows = read.order[read.readable[read.order]]
    content = read.content[rows]
    by_content = np.argsort(content, kind="stable")
    ordered = content[by_content]
    opens = np.ones(len(rows), dtype=bool)
    opens[1:] = ordered[1:] != ordered[:-1]
    first = np.empty(len(rows), dtype=np.int64)
    first[by_content] = by_content[np.flatnonzero(opens)][np.cumsum(opens) - 1]
    is_first = first == np.arange(len(rows))
    return _Distinct(rows, np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[first])


def _meet(read: _Read, places: Counts, bands: int) -> tuple[list[Meetings], Mask]:
    """Who meets whom in each band, numbered among those that meet anybody; and who those are, (d,)."""

    def meet(band: int) -> Meetings:
        keys = np.concatenate([np.zeros(0, dtype=np.uint32), *[table[:, band] for table in read.keys]])
        return find_meetings(keys[places])

    found = list(map_ahead(meet, range(bands)))
    read.keys.clear()
    met = np.zeros(len(places), dtype=bool)
    for band in found:
        met[band.rows] = True
    number = (np.cumsum(met) - 1).astype(np.int32)
    return [Meetings(number[band.rows], band.firsts) for band in found], met


def _pick(sources: Sequence[Source], read: _Read, named: Mask, chosen: Mask) -> _Picked:
    names = [NAMES.empty_table()]

    def pick() -> Iterator[Ragged]:
        first = 0
        for source, lengths in zip(sources, read.lengths, strict=True):
            cuts = list(pairwise(np.cumsum([first, *lengths]).tolist()))
            picked = source.pick((named[a:b] for a, b in cuts), (chosen[a:b] for a, b in cuts))
            for table, shingles in picked:
                names.append(table)
                yield shingles
            first += sum(lengths)

    sets = join_sets(pick())
    return _Picked(named, chosen, pa.concat_tables(names).combine_chunks(), sets)


def _spread_fates(read: _Read, distinct: _Distinct, settled: Settled, met: Mask) -> _Fates:
    """What was settled among the distinct rows that meet, for every row: a copy of a row that stays goes."""
    d = len(distinct.firsts)
    kept, best, twin = np.ones(d, dtype=bool), np.zeros(d), np.full(d, NO_TWIN, dtype=np.int64)
    number = np.flatnonzero(met)
    kept[number], best[number] = settled.kept, settled.best
    has_twin = settled.twin != NO_TWIN
    twin[number[has_twin]] = number[settled.twin[has_twin]]
    mine = distinct.first_of
    is_copy = (kept & ~read.canary[distinct.places])[mine]
    is_copy[distinct.firsts] = False
    return _Fates(
        goes=is_copy | ~kept[mine],
        scores=np.where(is_copy, 1.0, best[mine]),
        twins=np.where(is_copy, mine, twin[mine]),
    )


def _gather(read: _Read, distinct: _Distinct, fates: _Fates, picked: _Picked, rule: Rule) -> Decided:
    """The batch's rows that go or come near another, and those with nothing to read."""
    told = np.flatnonzero(_find_told(read, distinct, fates))
    rows, goes = distinct.rows[told], fates.goes[told]
    twins, number = np.unique(distinct.places[fates.twins[told[goes]]], return_inverse=True)
    twin = np.full(len(told), NO_TWIN, dtype=np.int64)
    twin[goes] = number
    size, share = _find_giants(read, rows, twin, rule)
    outcomes = np.where(size > 0, HOLD, np.where(goes, REJECT, ACCEPT))
    empty = np.flatnonzero(~read.readable[read.own]) + read.own.start
    ids = read.ids[np.concatenate([rows, empty])]
    order = np.argsort(ids, kind="stable")
    has_set = picked.chosen[twins]

    def complete(values: NDArray[Number], of_empty: int) -> NDArray[Number]:
        return np.concatenate([values, np.full(len(empty), of_empty, dtype=values.dtype)])[order]

    return Decided(
        ids=ids[order],
        outcomes=complete(outcomes.astype(np.uint8), ABSTAIN),
        scores=complete(fates.scores[told], 0),
        twins=complete(twin, NO_TWIN),
        cluster_rows=complete(size, 0),
        cluster_shares=complete(share, 0),
        names=picked.names.take(pa.array(picked.name_of(twins))).combine_chunks(),
        sets=picked.sets.take(picked.set_of(twins[has_set])),
        set_of=np.where(has_set, np.cumsum(has_set) - 1, NO_TWIN),
    )


def _find_told(read: _Read, distinct: _Distinct, fates: _Fates) -> Mask:
    """Of p rows, those of the batch with a fate to tell.

    One and the same row twice is told of once, as the one that stays: a row_id cannot have two verdicts.
    """
    told: Mask = (distinct.rows >= read.own.start) & (fates.goes | (fates.scores > 0))
    goes = np.flatnonzero(told & fates.goes)
    twins = distinct.places[fates.twins[goes]]
    told[goes[(twins >= read.own.start) & (read.ids[twins] == read.ids[distinct.rows[goes]])]] = False
    return told


def _find_giants(read: _Read, rows: Counts, twins: Counts, rule: Rule) -> tuple[Counts, Similarities]:
    """Of each row the size of its cluster and the share of its slice, 0 where that is no giant.

    A cluster is what falls to one twin in one slice; rows without a slice count against the whole batch.
    """
    real = ~read.canary[read.own]
    slices, sizes = np.unique(read.slices[read.own][real], return_counts=True)
    sizes = np.where(slices == 0, real.sum(), sizes)
    held_rows, held_shares = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows))
    falls = np.flatnonzero((twins != NO_TWIN) & ~read.canary[rows])
    number = np.searchsorted(slices, read.slices[rows[falls]])
    clusters = twins[falls] * len(slices) + number
    _, index, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    size, share = counts[index], counts[index] / sizes[number]
    giant = (share > rule.max_cluster_share) & (size >= rule.max_cluster_min_rows)
    held_rows[falls[giant]], held_shares[falls[giant]] = size[giant], share[giant]
    return held_rows, held_shares
