"""Which rows are kept: in order, each compared with the rows kept before it, by exact Jaccard similarity.

The rule is the sequential one: a row is kept unless it is too similar to a kept row. It is carried out in
rounds. In a round the rows that come first, and are at the head of all their buckets, are compared with every
row of those buckets; then it is known which of them are kept, and which rows that rejects. So a bucket of
50,000 copies is done after one round, and only rows that are really kept are compared with all the others.

How the rounds are cut does not show in the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.dedup.jaccard import Shingled, Similarities
from synth_stack.gates.dedup.lsh import Buckets, pair_up
from synth_stack.text.ragged import Counts, Mask

NO_TWIN = -1

_OPEN, _KEPT, _REJECTED = 0, 1, 2

_ROUND_PAIRS = 1 << 22
"""Pairs of a round, about: they take some 200 MB."""
_FIRST_HEADS = 4
"""So many at the head of each bucket in the first round: enough to be done with a bucket of copies."""
_CANARY_HEADS = 64


@dataclass(frozen=True, slots=True)
class KeepTask:
    """m rows in order of precedence: the buckets of each band, and how rows are compared.

    The first `fixed` are kept whatever they are like: rows of earlier packs. `canary` (m,): rows that reject
    no other row and are compared with every row, kept or not, since the row that one copies may not be kept.
    A row is rejected when its similarity to a kept row is above `threshold`; similarities up to `floor` count
    as 0.
    """

    shingled: Shingled
    bands: Sequence[Buckets]
    fixed: int
    canary: Mask
    threshold: float
    floor: float


@dataclass(frozen=True, slots=True)
class KeepResult:
    """Of m rows: the highest similarity to a kept row before it, and the first row that has it, or NO_TWIN.

    `kept` (m,) bool, `best` (m,) float64, `twin` (m,) int64.
    """

    kept: Mask
    best: Similarities
    twin: Counts


@dataclass(frozen=True, slots=True)
class _HeadRound:
    """The heads of a round: rows before `until`, where fewer than `places` of their bucket precede them."""

    until: int
    places: int

    def heads(self, band: Buckets) -> Mask:
        """Which entries they are, (e,)."""
        return (band.rows < self.until) & (band.places < self.places)


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """What is left to compare when it is known which rows are kept, so that every row's best is its best.

    `early` (m,): rows that were rejected before they were compared with all kept rows before them.
    `pairs`: pairs with their bounds, of which it was not known whether the earlier row is kept.
    """

    early: Mask
    pairs: list[tuple[Counts, Counts, Similarities]]

    def add(self, more: "_Unfinished") -> None:
        """Take in what another round left."""
        self.early[more.early] = True
        self.pairs.extend(more.pairs)


def settle(task: KeepTask) -> KeepResult:
    """Which rows are kept, and how similar the others are to them; `best` is exact, or 0 up to the floor.

    Each pair is compared once, but for some within buckets of thousands. Memory: about 100 bytes a row, and
    some 200 MB for the pairs of a round.
    """
    m = len(task.canary)
    states = np.full(m, _OPEN, dtype=np.uint8)
    states[: task.fixed] = _KEPT
    found = KeepResult(np.zeros(m, dtype=bool), np.zeros(m), np.full(m, NO_TWIN, dtype=np.int64))
    left = _Unfinished(np.zeros(m, dtype=bool), [])
    live = [_leave_open(band.only(~task.canary[band.rows]), states) for band in task.bands]
    places = _FIRST_HEADS
    while any(len(band.rows) for band in live):
        now = _HeadRound(_choose_until(live, places, m), places)
        left.add(_compare(task, live, now, states, found))
        live = [_leave_open(_drop_settled(band, now, states), states) for band in live]
        if now.until == m:
            places *= _FIRST_HEADS
    states[states == _OPEN] = _KEPT  # nothing is left that they share a bucket with
    _complete(task, states, found, left)
    _match_canaries(task, found)
    found.kept[:] = (states == _KEPT) & ~(task.canary & (found.best > task.threshold))
    return found


def _compare(
    task: KeepTask, live: Sequence[Buckets], now: _HeadRound, states: NDArray[np.uint8], found: KeepResult
) -> _Unfinished:
    """One round: the heads with every row of their buckets, and what follows for the states of both."""
    i, j = _join_pairs([pair_up(band, now.heads(band), band.rows >= task.fixed) for band in live])
    bound = task.shingled.bound(i, j)
    near = bound > task.threshold
    similar = task.shingled.measure(i[near], j[near])
    close = similar > task.threshold
    blocked = _find_blocked(live, now, len(states))
    _decide(states, blocked, i[near][close], j[near][close])
    kept = states[j[near]] == _KEPT
    _improve(found, i[near][kept], j[near][kept], _above(similar[kept], task.floor))
    below = ~near & (states[j] == _KEPT) & (states[i] != _REJECTED)
    _raise_best(task, found, i[below], j[below], bound[below])
    unsure = (bound > task.floor) & (states[j] == _OPEN)
    return _Unfinished(blocked & (states == _REJECTED), [(i[unsure], j[unsure], bound[unsure])])


def _choose_until(live: Sequence[Buckets], places: int, m: int) -> int:
    """The row before which all heads of a round come: as far as the budget of pairs allows."""
    cost = np.zeros(m)
    for band in live:
        heads = np.flatnonzero(band.places < places)
        after = band.count(np.ones(len(band.rows), dtype=bool))[heads] - band.places[heads] - 1
        cost += np.bincount(band.rows[heads], after, minlength=m)
    spent = np.cumsum(cost)
    first = int(np.argmax(spent > 0))
    return max(first + 1, int(np.searchsorted(spent, _ROUND_PAIRS)))


def _join_pairs(pairs: Sequence[tuple[Counts, Counts]]) -> tuple[Counts, Counts]:
    """Each pair once, ordered by its later and then by its earlier row."""
    packed = np.concatenate([np.zeros(0, dtype=np.int64), *[(i << 32) | j for i, j in pairs]])
    packed.sort()  # np.unique goes by hashes, and is twenty times slower on these
    fresh = np.ones(len(packed), dtype=bool)
    fresh[1:] = packed[1:] != packed[:-1]
    packed = packed[fresh]
    return packed >> 32, packed & 0xFFFFFFFF


def _find_blocked(live: Sequence[Buckets], now: _HeadRound, m: int) -> Mask:
    """Rows that are no head in some bucket: not compared with all before them."""
    blocked = np.zeros(m, dtype=bool)
    for band in live:
        blocked[band.rows[~now.heads(band)]] = True
    return blocked


def _decide(states: NDArray[np.uint8], blocked: Mask, i: Counts, j: Counts) -> None:
    """Settle what the close pairs settle; they come ordered by `i`, and `j` precedes `i`.

    A row is rejected when a kept row is close to it. It is kept when it was compared with all rows before it
    and those that are close to it are rejected. Otherwise it is open, and so are the rows that depend on it.
    """
    states[(states == _OPEN) & ~blocked] = _KEPT
    view = memoryview(states.data)  # plain integers, at a third of the price of NumPy's
    for row, mate in zip(i.tolist(), j.tolist(), strict=True):
        if view[mate] == _KEPT:
            view[row] = _REJECTED
        elif view[mate] == _OPEN and view[row] == _KEPT:
            view[row] = _OPEN


def _drop_settled(band: Buckets, now: _HeadRound, states: NDArray[np.uint8]) -> Buckets:
    """Without rejected rows, and without kept ones that all rows after them have been compared with."""
    state = states[band.rows]
    return band.only((state == _OPEN) | ((state == _KEPT) & ~now.heads(band)))


def _leave_open(band: Buckets, states: NDArray[np.uint8]) -> Buckets:
    """The buckets in which a row is still open."""
    return band.only(band.count(states[band.rows] == _OPEN) > 0)


def _raise_best(task: KeepTask, found: KeepResult, i: Counts, j: Counts, bound: Similarities) -> None:
    """Raise `best` by pairs of which only a bound is known, the most promising of each row first.

    A pair that its bound keeps from changing the row's best or its twin, or below the floor, is not measured.
    """
    hopeful = (bound > task.floor) & _may_improve(found, i, j, bound)
    i, j, bound = i[hopeful], j[hopeful], bound[hopeful]
    order = np.lexsort((j, -bound, i))
    i, j, bound = i[order], j[order], bound[order]
    while len(i):
        first = np.ones(len(i), dtype=bool)
        first[1:] = i[1:] != i[:-1]
        similar = task.shingled.measure(i[first], j[first])
        _improve(found, i[first], j[first], _above(similar, task.floor))
        rest = ~first & _may_improve(found, i, j, bound)
        i, j, bound = i[rest], j[rest], bound[rest]


def _may_improve(found: KeepResult, i: Counts, j: Counts, similar: Similarities) -> Mask:
    """Where `j` would become the twin of `i` at that similarity: of equals the earliest row is."""
    best = found.best[i]
    better: Mask = (similar > best) | ((similar == best) & (j < found.twin[i]))
    return better


def _complete(task: KeepTask, states: NDArray[np.uint8], found: KeepResult, left: _Unfinished) -> None:
    """Compare what is left with the kept rows: one may be more similar than the best."""
    for i, j, bound in left.pairs:
        kept = states[j] == _KEPT
        _raise_best(task, found, i[kept], j[kept], bound[kept])
    for band in task.bands:
        rest = band.only(((states[band.rows] == _KEPT) | left.early[band.rows]) & ~task.canary[band.rows])
        # kept rows first
        rest = Buckets(rest.rows[np.lexsort((states[rest.rows], rest.firsts))], rest.firsts)
        kept, queries = states[rest.rows] == _KEPT, left.early[rest.rows]
        spent = np.cumsum(np.where(queries, rest.count(kept), 0)) // _ROUND_PAIRS
        for part in range(int(spent[-1]) + 1 if queries.any() else 0):
            i, j = pair_up(rest, kept, queries & (spent == part))
            i, j = i[j < i], j[j < i]
            _raise_best(task, found, i, j, task.shingled.bound(i, j))


def _match_canaries(task: KeepTask, found: KeepResult) -> None:
    canary = task.canary
    if canary.any():
        i, j = _join_pairs([pair_up(b, b.places < _CANARY_HEADS, canary[b.rows]) for b in task.bands])
        i, j = i[~canary[j]], j[~canary[j]]
        _improve(found, i, j, _above(task.shingled.measure(i, j), task.floor))


def _above(similar: Similarities, floor: float) -> Similarities:
    return np.where(similar > floor, similar, 0)


def _improve(found: KeepResult, i: Counts, j: Counts, similar: Similarities) -> None:
    """Raise `best[i]` to the highest `similar`, the row `j` of highest precedence first among equals."""
    i, j, similar = i[similar > 0], j[similar > 0], similar[similar > 0]
    order = np.lexsort((j, -similar, i))
    rows, first = np.unique(i[order], return_index=True)
    top, mate = similar[order][first], j[order][first]
    better = _may_improve(found, rows, mate, top)
    found.best[rows[better]], found.twin[rows[better]] = top[better], mate[better]
