"""Lines of batches, and in which order those of several come: by share, each after what it starts from.

A line that grows is one whose later items start from rows that it made before, as in Self-Instruct. Its first
step says in which iteration a batch is; a batch waits until all of the iterations before it are committed. So
what it starts from is a pure function of committed rows, whatever was under way when a run was killed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from synth_stack.rows.schemas import build_candidates

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A pipeline: `is_done(number, items)` skips a batch, `commit(number, items, rows)` keeps one.

    `share` says how often its batches come round among those of other lines. For one that grows `read`
    gives the rows of a batch that is done, and `earlier` those that were made of it before this call.
    """

    pipeline: "Pipeline"
    is_done: Callable[[int, list[Row]], bool]
    commit: Callable[[int, list[Row], list[Row]], None]
    share: float = 1.0
    read: Callable[[int, list[Row]], pa.Table] | None = None
    earlier: Callable[[], Iterable[pa.Table]] = tuple


@runtime_checkable
class GrowingStep(Protocol):
    """The first step of a pipeline that grows."""

    def find_iteration(self, items: Sequence[Row]) -> int:
        """The iteration of a batch, from 0 on; that of a later batch is never lower."""

    def learn(self, rows: pa.Table) -> bool:
        """Take in the candidates of a batch.

        False where they start from rows that are not there (any more): then nothing was taken in, and the
        batch has to be made again.
        """


class Planned(NamedTuple):
    """A batch that may be begun: the place of its line, its number in the line, and its items."""

    line: int
    number: int
    items: list[Row]


class BatchQueue:
    """The batches of several lines that are not done, each as soon as it may be begun."""

    def __init__(self, lines: Sequence[Line], roots: Sequence[Any]) -> None:
        self._tracks = [_Track(line, root) for line, root in zip(lines, roots, strict=True)]
        self.found_done = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to begin, now or later."""
        return all(track.following is None for track in self._tracks)

    def take(self) -> Planned | None:
        """The next batch; None where there is none that may be begun now.

        Of several lines the one is next that is behind its share the most.
        """
        while ready := [place for place, track in enumerate(self._tracks) if track.may_begin()]:
            place = min(ready, key=lambda place: self._tracks[place].rank)
            begun = self._tracks[place].begin()
            if begun is not None:
                return Planned(place, *begun)
            self.found_done = True
        return None

    def settle(self, line: int, rows: list[Row]) -> None:
        """Note that a batch of a line is committed, with its rows."""
        self._tracks[line].settle(rows)


class _Track:
    """A line on its way: the batch that follows, and how many of the iteration are under way."""

    def __init__(self, line: Line, root: Any) -> None:
        self._line = line
        # distilabel's LoadDataFromDicts eats its rows: a copy, so that the same object can be driven again
        step = copy(root)
        self._growing = step if isinstance(step, GrowingStep) else None
        self._planned: Iterator[tuple[int, Any]] = enumerate(step.process_applying_mappings())
        self._iteration = 0
        self._open = 0
        if self._growing is not None:
            for rows in line.earlier():
                self._growing.learn(rows)
        self.following = next(self._planned, None)

    @property
    def rank(self) -> float:
        """How much of the line was begun with the batch that follows, by its share."""
        assert self.following is not None
        return (self.following[0] + 1) / self._line.share

    def may_begin(self) -> bool:
        """Whether there is a batch, and what it starts from is there."""
        if self.following is None:
            return False
        if self._growing is None or not self._open:
            return True
        return self._growing.find_iteration(self.following[1][0]) <= self._iteration

    def begin(self) -> tuple[int, list[Row]] | None:
        """The batch that follows; None for one that is done."""
        assert self.following is not None
        number, (items, _) = self.following
        if self._growing is not None:
            self._iteration = self._growing.find_iteration(items)
        is_done = self._line.is_done(number, items) and self._is_sound(number, items)
        self.following = next(self._planned, None)
        if is_done:
            return None
        self._open += 1
        return number, items

    def settle(self, rows: list[Row]) -> None:
        self._open -= 1
        if self._growing is not None:
            self._growing.learn(build_candidates(rows))

    def _is_sound(self, number: int, items: list[Row]) -> bool:
        """Whether a batch that is done may stay, as far as its rows start from others."""
        if self._growing is None or self._line.read is None:
            return True
        return self._growing.learn(self._line.read(number, items))
