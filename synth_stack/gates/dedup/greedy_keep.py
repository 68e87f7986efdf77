"""Who stays: rows in order, each compared with the rows kept before it, by exact Jaccard similarity.

The rule is the sequential one: a row stays unless it is too similar to a row that stays. It is carried out
in rounds. In a round the rows that come first, and stand at the head of all their meetings, are compared
with all that they meet; then it is known who of them stays, and whom that turns away. So a meeting of
50,000 copies is over after one round, and only rows that really stay are compared with all the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.dedup.jaccard import Shingled, Similarities
from synth_stack.gates.dedup.lsh import Meetings, pair_up
from synth_stack.text.ragged import Counts, Mask

NO_TWIN = -1

_OPEN, _KEPT, _REJECTED = 0, 1, 2

_ROUND_PAIRS = 1 << 22
"""Pairs of a round, about: they take some 200 MB."""
_FIRST_HEADS = 4
"""So many at the head of each meeting in the first round: enough to end a meeting of copies."""
_CANARY_HEADS = 64


@dataclass(frozen=True, slots=True)
class Contest:
    """m rows in order of precedence: who meets whom in each band, and how they are compared.

    The first `fixed` stay whatever they are like: rows of earlier packs. `canary` (m,): rows that turn nobody
    away and are compared with every row, kept or not, for the row that one copies may be gone. A row goes
    when its similarity to a row that stays is above `threshold`; of similarities up to `floor` nothing is
    told.
    """

    shingled: Shingled
    bands: Sequence[Meetings]
    fixed: int
    canary: Mask
    threshold: float
    floor: float


@dataclass(frozen=True, slots=True)
class Settled:
    """Of m rows: the highest similarity to a row that stays before it, and a row that has it, or NO_TWIN.

    `kept` (m,) bool, `best` (m,) float64, `twin` (m,) int64.
    """

    kept: Mask
    best: Similarities
    twin: Counts


@dataclass(frozen=True, slots=True)
class _Round:
    """The heads of a round: rows before `until`, as far as fewer than `places` of a meeting precede them."""

    until: int
    places: int

    def heads(self, band: Meetings) -> Mask:
        """Which entries they are, (e,)."""
        return (band.rows < self.until) & (band.places < self.places)


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left to compare when it is known who stays, so that every row's best is its best.

    `early` (m,): rows that were turned away before they were compared with all that stay before them.
    `pairs`: pairs with their bounds, of which it was not known whether the earlier row stays.
    """

    early: Mask
    pairs: list[tuple[Counts, Counts, Similarities]]

    def add(self, more: "_Left") -> None:
        """Take in what another round left."""
        self.early[more.early] = True
        self.pairs.extend(more.pairs)


def settle(contest: Contest) -> Settled:
    """Who of the rows stays, and how similar the others are to them; `best` is exact, or 0 up to the floor.

    Each pair is compared once, but for some within meetings of thousands. Memory: about 100 bytes a row, and
    some 200 MB for the pairs of a round.
    """
    m = len(contest.canary)
    states = np.full(m, _OPEN, dtype=np.uint8)
    states[: contest.fixed] = _KEPT
    found = Settled(np.zeros(m, dtype=bool), np.zeros(m), np.full(m, NO_TWIN, dtype=np.int64))
    left = _Left(np.zeros(m, dtype=bool), [])
    live = [_leave_open(band.only(~contest.canary[band.rows]), states) for band in contest.bands]
    places = _FIRST_HEADS
    while any(len(band.rows) for band in live):
        now = _Round(_choose_until(live, places, m), places)
        left.add(_compare(contest, live, now, states, found))
        live = [_leave_open(_drop_settled(band, now, states), states) for band in live]
        if now.until == m:
            places *= _FIRST_HEADS
    states[states == _OPEN] = _KEPT  # nobody is left whom they meet
    _complete(contest, states, found, left)
    _match_canaries(contest, found)
    found.kept[:] = (states == _KEPT) & ~(contest.canary & (found.best > contest.threshold))
    return found


def _compare(
    contest: Contest, live: Sequence[Meetings], now: _Round, states: NDArray[np.uint8], found: Settled
) -> "_Left":
    """One round: the heads with all that they meet, and what follows for the states of either."""
    i, j = _join_pairs([pair_up(band, now.heads(band), band.rows >= contest.fixed) for band in live])
    bound = contest.shingled.bound(i, j)
    near = bound > contest.threshold
    similar = contest.shingled.measure(i[near], j[near])
    close = similar > contest.threshold
    blocked = _find_blocked(live, now, len(states))
    _decide(states, blocked, i[near][close], j[near][close])
    stays = states[j[near]] == _KEPT
    _improve(found, i[near][stays], j[near][stays], _above(similar[stays], contest.floor))
    below = ~near & (states[j] == _KEPT) & (states[i] != _REJECTED)
    _tell(contest, found, i[below], j[below], bound[below])
    unsure = (bound > contest.floor) & (states[j] == _OPEN)
    return _Left(blocked & (states == _REJECTED), [(i[unsure], j[unsure], bound[unsure])])


def _choose_until(live: Sequence[Meetings], places: int, m: int) -> int:
    """The row before which all heads of a round stand: as far as the budget of pairs allows."""
    cost = np.zeros(m)
    for band in live:
        heads = np.flatnonzero(band.places < places)
        behind = band.count(np.ones(len(band.rows), dtype=bool))[heads] - band.places[heads] - 1
        cost += np.bincount(band.rows[heads], behind, minlength=m)
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


def _find_blocked(live: Sequence[Meetings], now: _Round, m: int) -> Mask:
    """Rows that are no head in some meeting: not compared with all before them."""
    blocked = np.zeros(m, dtype=bool)
    for band in live:
        blocked[band.rows[~now.heads(band)]] = True
    return blocked


def _decide(states: NDArray[np.uint8], blocked: Mask, i: Counts, j: Counts) -> None:
    """Settle what the close pairs settle; they come ordered by `i`, and `j` precedes `i`.

    A row goes when a row that stays is close to it. It stays when it was compared with all rows before it
    and those that are close to it go. Else it is open, and so is who depends on it.
    """
    states[(states == _OPEN) & ~blocked] = _KEPT
    view = memoryview(states.data)  # plain integers, at a third of the price of NumPy's
    for row, mate in zip(i.tolist(), j.tolist(), strict=True):
        if view[mate] == _KEPT:
            view[row] = _REJECTED
        elif view[mate] == _OPEN and view[row] == _KEPT:
            view[row] = _OPEN


def _drop_settled(band: Meetings, now: _Round, states: NDArray[np.uint8]) -> Meetings:
    """Without rejected rows, and without kept ones that all behind them have been compared with."""
    state = states[band.rows]
    return band.only((state == _OPEN) | ((state == _KEPT) & ~now.heads(band)))


def _leave_open(band: Meetings, states: NDArray[np.uint8]) -> Meetings:
    """The meetings in which somebody is still open."""
    return band.only(band.count(states[band.rows] == _OPEN) > 0)


def _tell(contest: Contest, found: Settled, i: Counts, j: Counts, bound: Similarities) -> None:
    """Raise `best` by pairs of which only a bound is known, the most promising of each row first.

    A pair whose bound is no higher than what the row has, or than the floor, is not measured.
    """
    hopeful = bound > np.maximum(found.best[i], contest.floor)
    i, j, bound = i[hopeful], j[hopeful], bound[hopeful]
    order = np.lexsort((j, -bound, i))
    i, j, bound = i[order], j[order], bound[order]
    while len(i):
        first = np.ones(len(i), dtype=bool)
        first[1:] = i[1:] != i[:-1]
        similar = contest.shingled.measure(i[first], j[first])
        _improve(found, i[first], j[first], _above(similar, contest.floor))
        rest = ~first & (bound > found.best[i])
        i, j, bound = i[rest], j[rest], bound[rest]


def _complete(contest: Contest, states: NDArray[np.uint8], found: Settled, left: _Left) -> None:
    """Compare what is left with the rows that stay: one may be more similar than the best."""
    for i, j, bound in left.pairs:
        stays = states[j] == _KEPT
        _tell(contest, found, i[stays], j[stays], bound[stays])
    for band in contest.bands:
        rest = band.only(((states[band.rows] == _KEPT) | left.early[band.rows]) & ~contest.canary[band.rows])
        # those that stay first
        rest = Meetings(rest.rows[np.lexsort((states[rest.rows], rest.firsts))], rest.firsts)
        stays, asks = states[rest.rows] == _KEPT, left.early[rest.rows]
        spent = np.cumsum(np.where(asks, rest.count(stays), 0)) // _ROUND_PAIRS
        for part in range(int(spent[-1]) + 1 if asks.any() else 0):
            i, j = pair_up(rest, stays, asks & (spent == part))
            i, j = i[j < i], j[j < i]
            _tell(contest, found, i, j, contest.shingled.bound(i, j))


def _match_canaries(contest: Contest, found: Settled) -> None:
    canary = contest.canary
    if canary.any():
        i, j = _join_pairs([pair_up(b, b.places < _CANARY_HEADS, canary[b.rows]) for b in contest.bands])
        i, j = i[~canary[j]], j[~canary[j]]
        _improve(found, i, j, _above(contest.shingled.measure(i, j), contest.floor))


def _above(similar: Similarities, floor: float) -> Similarities:
    return np.where(similar > floor, similar, 0)


def _improve(found: Settled, i: Counts, j: Counts, similar: Similarities) -> None:
    """Raise `best[i]` to the highest `similar`, the row `j` of highest precedence first among equals."""
    i, j, similar = i[similar > 0], j[similar > 0], similar[similar > 0]
    order = np.lexsort((j, -similar, i))
    rows, first = np.unique(i[order], return_index=True)
    top, mate = similar[order][first], j[order][first]
    before = found.best[rows]
    better = (top > before) | ((top == before) & (mate < found.twin[rows]))
    found.best[rows[better]], found.twin[rows[better]] = top[better], mate[better]
