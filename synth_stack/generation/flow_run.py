"""Runs a flow: batches through the segments, all rows at once through each barrier, sinks at the end.

Several batches are under way where teachers of ours answer: while one waits another one works (turns.py).
Steps that ask no such teacher work in the main thread, where they were loaded (main_thread.py).
They are kept in their order, and their answers as they come, so that a run that is killed asks again only for
what was in flight.

A step that raises gives its outputs as None for its batch, as in distilabel; here the rows also say why. A
barrier that raises ends the run. What is drawn at random within a step depends on its batch alone, so that a
run that was stopped makes the rows that it would have made.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from synth_stack.errors import ConfigError, StoreError, SynthStackError, WorkError
from synth_stack.files import write_bytes
from synth_stack.generation.driver import find_teacher
from synth_stack.generation.flow import Flow, Segment
from synth_stack.generation.kept_answers import KeptAnswers, StepCall, calling
from synth_stack.generation.main_thread import MainThread
from synth_stack.generation.parts import copy_json, to_json
from synth_stack.generation.turns import Turn, seeded
from synth_stack.rows.canonical import digest_json
from synth_stack.teachers.server_words import tell_exception

Row = dict[str, Any]

log = logging.getLogger(__name__)

STAGES = ".stages"
"""In a run folder: what waits for a barrier or a sink. Hidden, and removed when the run is whole."""

STEP_FAILURE = "synth_stack_failure"
"""The column of a row that says which step raised, and what."""

AFTER_ROWS = 50
"""Rows of a batch after a barrier: what a distilabel step takes at a time unless it is told otherwise."""

LeafRows = list[tuple[str, list[Row]]]
"""The rows of each leaf that a batch gave."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A flow at work in a folder.

    `is_there(level, number, items)` finds a batch whose rows are kept, which `pass_over` is then told of, and
    `commit(level, number, items, rows)` keeps what the leaves of another gave; `after_step` is told of each
    step that was called. What keeps a batch goes through `hold`, which may wait with it until it is known to
    be no outage; `settle` ends the waiting. `pool` has a thread for each of the `at_once` batches that are
    under way at a time.
    """

    flow: Flow
    folder: Path
    is_there: Callable[[int, int, list[Any]], bool]
    pass_over: Callable[[int, int, list[Any]], None]
    commit: Callable[[int, int, list[Any], LeafRows], None]
    after_step: Callable[[Any], None]
    hold: Callable[[Callable[[], None]], None]
    settle: Callable[[], None]
    pool: ThreadPoolExecutor
    at_once: int = 1
    turn: Turn = field(default_factory=Turn)
    main: MainThread = field(default_factory=MainThread)
    under_way: "deque[tuple[Future[dict[str, list[Row]]], Callable[[dict[str, list[Row]]], None]]]" = field(
        default_factory=deque
    )
    kept: dict[str, list[Path]] = field(default_factory=dict)

    def run(self) -> None:
        """Every batch that is not there. Raises WorkError for a barrier that raises, and what commits do."""
        try:
            self._run_all()
        finally:
            self.main.close()

    def _run_all(self) -> None:
        for segment in self.flow.segments:
            if segment.after is not None:
                continue
            for number, batch in enumerate(self._draw(segment)):
                self._pass(segment, number, batch)
        for level, barrier in enumerate(self.flow.barriers):
            self._finish()
            self.settle()
            rows = self._cross(barrier)
            if barrier in self.flow.leaves:
                self._keep_barrier_rows(level, barrier, rows)
            for segment in self.flow.segments:
                if segment.after is barrier:
                    for number, start in enumerate(range(0, len(rows), AFTER_ROWS)):
                        self._pass(segment, number, {barrier.name: rows[start : start + AFTER_ROWS]})
        self._finish()
        self.settle()
        for sink in self.flow.sinks:
            self._send(sink)

    def _draw(self, segment: Segment) -> Iterator[dict[str, list[Row]]]:
        """The batches of the roots, side by side: the first of each, then the second, while there are any."""
        sources = {root.name: self._read_root(root) for root in segment.roots}
        while sources:
            batch: dict[str, list[Row]] = {}
            for name in list(sources):
                rows = next(sources[name], None)
                if rows is None:
                    del sources[name]
                else:
                    batch[name] = rows
            if batch:
                yield batch

    def _read_root(self, root: Any) -> Iterator[list[Row]]:
        """The batches of a root. Those of one that asks a model are kept: they are not paid for twice."""
        asks = getattr(root, "llm", None) is not None
        number = done = 0
        while asks and (path := self._stage(root.name, number)).exists():
            rows = _load(path)
            yield rows
            number, done = number + 1, done + len(rows)
            if _last(path).exists():
                return
        # distilabel's LoadDataFromDicts eats its rows: a copy, so that the same object can be driven again
        batches = copy(root).process_applying_mappings(offset=done)
        while True:
            with self.turn.taken(), seeded(root.name, number):
                try:
                    rows, is_last = next(batches)
                except StopIteration:
                    return
                except SynthStackError:
                    raise
                except Exception as exc:  # whatever an author's step raises: distilabel stops there too
                    raise _stopped(self.flow, root, exc) from exc
            if asks:
                self.after_step(root)
                if is_last:
                    write_bytes(_last(self._stage(root.name, number)), b"")
                _store(self._stage(root.name, number), rows)
            yield rows
            number += 1
            if is_last:
                return

    def _pass(self, segment: Segment, number: int, batch: dict[str, list[Row]]) -> None:
        """One batch through a segment, unless all that it gives is there."""
        items: list[Any] = next(iter(batch.values())) if len(batch) == 1 else [to_json(batch)]
        waiting = [name for name in segment.names if self.flow.is_kept(name)]
        paths = {name: self._stage(name, number) for name in waiting}
        for name, path in paths.items():
            self.kept.setdefault(name, []).append(path)
        there = self.is_there(segment.level, number, items)
        if there:
            self._finish()
            self.pass_over(segment.level, number, items)
            if all(path.exists() for path in paths.values()):
                return
        digest = digest_json(to_json(items))
        kept = KeptAnswers(self.folder / STAGES / f"{segment.level:02d}-{number:07d}-{digest[:12]}.answers")

        def take(outputs: dict[str, list[Row]]) -> None:
            leaves = [(leaf.name, outputs[leaf.name]) for leaf in self.flow.leaves if leaf.name in outputs]

            def keep() -> None:
                for name, path in paths.items():
                    _store(path, outputs.get(name, []))
                if not there:
                    self.commit(segment.level, number, items, leaves)
                kept.drop()

            self.hold(keep)

        while len(self.under_way) >= self.at_once:
            self._take_first()
        self.under_way.append((self.pool.submit(self._call_all, segment, batch, digest, kept), take))

    def _take_first(self) -> None:
        """Wait for the first batch that is under way, and keep it."""
        future, take = self.under_way.popleft()
        take(self.main.wait(future))

    def _finish(self) -> None:
        while self.under_way:
            self._take_first()

    def _call_all(
        self, segment: Segment, batch: dict[str, list[Row]], digest: str, kept: KeptAnswers
    ) -> dict[str, list[Row]]:
        """What the steps of a segment make of a batch, in a thread of its own."""
        try:
            with self.turn.taken():
                return self._call_steps(segment, batch, digest, kept)
        finally:
            kept.close()

    def _call_steps(
        self, segment: Segment, batch: dict[str, list[Row]], digest: str, kept: KeptAnswers
    ) -> dict[str, list[Row]]:
        outputs = dict(batch)
        sent: dict[str, list[str]] = {}
        for name in batch:
            sent[name] = self._route(name, digest)
        for step in segment.steps:
            givers = [
                name
                for name in self.flow.predecessors[step.name]
                if name in outputs and step.name in sent[name]
            ]
            if not givers:
                continue  # it was routed elsewhere, or a root has no more rows
            # a step may write into the rows that it is given: no other branch may see that
            inputs = [copy_json(outputs[name]) for name in givers]
            if find_teacher(step) is None:
                with self.turn.left():
                    outputs[step.name] = self.main.call(partial(self._call_in_turn, step, inputs, digest))
            else:
                with calling(StepCall(step.name, self.turn, kept)):
                    outputs[step.name] = self._call(step, inputs, digest)
            sent[step.name] = self._route(step.name, digest)
        return outputs

    def _route(self, name: str, digest: str) -> list[str]:
        """The steps that get this batch of a step."""
        after = self.flow.successors(name)
        router = self.flow.routers.get(name)
        if router is None or not after:
            return after
        with seeded(name, digest):
            chosen = router.routing_function(after)
        return [step for step in after if step in set(chosen)]

    def _call_in_turn(self, step: Any, inputs: list[list[Row]], digest: str) -> list[Row]:
        with self.turn.taken():
            return self._call(step, inputs, digest)

    def _call(self, step: Any, inputs: list[list[Row]], digest: str) -> list[Row]:
        with seeded(step.name, digest):
            try:
                rows = [row for made in step.process_applying_mappings(*inputs) for row in made]
            except (SynthStackError, CancelledError):
                raise
            except Exception as exc:  # noqa: BLE001  (as distilabel treats it: without these outputs)
                words = tell_exception(exc)
                log.warning("step %r raised %s", step.name, words)
                said = f"step {step.name} raised {words}"
                return [{STEP_FAILURE: said, **row} for row in step.impute_step_outputs(inputs[0])]
        self.after_step(step)
        return rows

    def _cross(self, barrier: Any) -> list[Row]:
        """The rows of a global step, which are made once and kept."""
        path = self._stage(barrier.name, 0)
        self.kept.setdefault(barrier.name, []).append(path)
        if path.exists():
            return _load(path)
        inputs = [self._collect(name) for name in self.flow.predecessors[barrier.name]]
        with seeded(barrier.name, 0):
            try:
                rows = [row for made in barrier.process_applying_mappings(*inputs) for row in made]
            except SynthStackError:
                raise
            except Exception as exc:  # distilabel stops there too
                raise _stopped(self.flow, barrier, exc) from exc
        self.after_step(barrier)
        _store(path, rows)
        return rows

    def _keep_barrier_rows(self, level: int, barrier: Any, rows: list[Row]) -> None:
        for number, start in enumerate(range(0, len(rows), AFTER_ROWS)):
            items: list[Any] = rows[start : start + AFTER_ROWS]
            if self.is_there(BARRIER_LEVEL + level, number, items):
                self.pass_over(BARRIER_LEVEL + level, number, items)
            else:
                self.commit(BARRIER_LEVEL + level, number, items, [(barrier.name, items)])

    def _send(self, sink: Any) -> None:
        """Send the rows where the pipeline wants them; that it cannot be done is no failure of the run."""
        inputs = [self._collect(name) for name in self.flow.predecessors[sink.name]]
        try:
            sink.load()
            for _ in sink.process_applying_mappings(*inputs):
                pass
        except Exception as exc:  # noqa: BLE001  (an Argilla or a Hub that is not there)
            log.warning("step %r was left out: %s", sink.name, tell_exception(exc))

    def _collect(self, name: str) -> list[Row]:
        return [row for path in self.kept.get(name, []) for row in _load(path)]

    def _stage(self, name: str, number: int) -> Path:
        return self.folder / STAGES / f"{digest_json(name)[:12]}-{number:07d}.json"


BARRIER_LEVEL = 50
"""What is added to the number of a barrier that is a leaf, for the names of its parts."""


def _stopped(flow: Flow, step: Any, exc: Exception) -> WorkError:
    return WorkError(
        f"pipeline {flow.name}: step {step.name!r} raised, and all rows go through it",
        seen=tell_exception(exc),
        mend="Every finished batch is kept; mend the step and run the same script again.",
    )


def _last(path: Path) -> Path:
    """Stands there when a batch of a root is its last one."""
    return path.with_suffix(".last")


def _store(path: Path, rows: Sequence[Row]) -> None:
    try:
        data = orjson.dumps(list(rows), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, TypeError) as exc:
        raise ConfigError(
            f"a row that waits for a step that needs all of them holds what cannot be kept: {exc}",
            mend="Leave the column out with KeepColumns before that step.",
        ) from exc
    write_bytes(path, data)


def _load(path: Path) -> list[Row]:
    try:
        rows: list[Row] = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as exc:
        raise StoreError(f"{path} cannot be read", mend="Remove the folder and run again.") from exc
    return rows
