"""A pipeline author's own distilabel Pipeline, of any shape, driven as durably as ours."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, RunMismatch, TeacherError
from synth_stack.files import count_rows, write_table
from synth_stack.generation.authored_rows import RowMapping, has_spoken
from synth_stack.generation.column_choice import check_columns
from synth_stack.generation.column_writers import trace_columns
from synth_stack.generation.driver import (
    MAX_BATCHES,
    digest_pipeline,
    find_teacher,
    is_mute,
    load_step,
    refuse_mute,
    stop_when_down,
)
from synth_stack.generation.flow import Flow, lay_out
from synth_stack.generation.flow_run import AFTER_ROWS, STAGES, FlowRun, LeafRows
from synth_stack.generation.parts import batch_file
from synth_stack.progress import Progress
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.committed import commit_candidates
from synth_stack.runs.folder import list_made, remove_folder
from synth_stack.teachers.teacher import Teacher

Row = dict[str, Any]

MAX_SILENT_ROWS = 8
"""Rows without a text, in batches that have nothing else, after which the teacher counts as dead: as many as
the failures in a row of teachers/health.py."""

_PLACE_CHARS = len("part-00-0000000-")


def generate_authored(
    pipeline: Any, folder: Path, progress: Progress, columns: Mapping[str, str] | None = None
) -> None:
    """Every row of the pipeline as committed parts in `folder`/candidates; goes on where it stopped.

    Its columns are understood as a foreign dataset's are, or as `columns` says (field to column). Raises
    ConfigError for a pipeline that cannot be driven or whose columns leave open what the answer is,
    RunMismatch when it starts from other rows than those in the folder, WorkError for a step without which
    there is nothing, and TeacherError for batches in which no model wrote a text: their teacher is dead,
    which distilabel would take for a finished run. Those batches are not committed.
    """
    flow = lay_out(pipeline)
    named = dict(columns or {})
    given = {leaf.name: trace_columns(flow, leaf) for leaf in flow.leaves}
    for columns_of in given.values():
        check_columns(pipeline.name, [*columns_of.steps], named, columns_of.written)
    for llm in list_llms(flow):
        if isinstance(llm, Teacher):
            llm.check()
    origin = {
        "generator": pipeline.name,
        "generator_version": digest_pipeline(pipeline)[:12],
        "teacher": " ".join(llm.model_name for llm in list_llms(flow)) or None,
        "replayable": False,
    }
    journal = _Journal(flow, folder / "candidates", RowMapping(pipeline.name, named, origin, given), progress)
    at_once = count_at_once(flow)
    with ThreadPoolExecutor(at_once, "batch") as pool, ExitStack() as loaded:
        for step in flow.order:
            if step not in flow.sinks:
                loaded.callback(step.unload)  # first: a step that is refused has loaded its LLM by then
                load_step(pipeline, step)
        run = FlowRun(
            flow,
            folder,
            journal.is_there,
            journal.pass_over,
            journal.commit,
            stop_when_down,
            journal.hold,
            journal.settle,
            pool,
            at_once,
        )
        run.run()
    journal.refuse_others()
    commit_candidates(folder)
    remove_folder(folder / STAGES)


def take_arguments(pipeline: Any, parameters: Mapping[str, Mapping[str, Any]] | None, dataset: Any) -> None:
    """Give a pipeline what its own `run` would be given.

    Raises ConfigError for a step that there is not, and for a dataset beside a step that makes rows.
    """
    unknown = [name for name in parameters or () if name not in pipeline.dag.G]
    if unknown:
        raise ConfigError(
            f"pipeline {pipeline.name}: parameters names a step that there is not",
            seen=", ".join(unknown),
            allowed=", ".join(pipeline.dag.G),
        )
    if parameters:
        pipeline._set_runtime_parameters({name: dict(values) for name, values in parameters.items()})
    if dataset is None:
        return
    roots = [pipeline.dag.get_step(name)["step"] for name in pipeline.dag.root_steps]
    if any(root.is_generator for root in roots):
        raise ConfigError(
            f"pipeline {pipeline.name} has a step that makes rows, and a dataset besides",
            seen=", ".join(root.name for root in roots if root.is_generator),
            mend="Leave one of them out.",
        )
    pipeline._add_dataset_generator_step(dataset)


def list_llms(flow: Flow) -> list[Any]:
    """The distinct LLMs of the steps, in order."""
    found = [llm for step in flow.order if (llm := getattr(step, "llm", None)) is not None]
    return list({id(llm): llm for llm in found}.values())


def count_at_once(flow: Flow) -> int:
    """Batches that are under way at a time: twice as many requests as the teachers take, and a batch more.

    One where an LLM of a step is no teacher of ours: it is not known to bear several threads.
    """
    llms = list_llms(flow)
    slots = max((llm.concurrency for llm in llms if isinstance(llm, Teacher)), default=1)
    if slots == 1 or not all(isinstance(llm, Teacher) for llm in llms):
        return 1
    roots = {root.batch_size for segment in flow.segments for root in segment.roots}
    batch_rows = min(roots, default=AFTER_ROWS)
    several = max(getattr(step, "num_generations", 1) for step in flow.order)
    return min(math.ceil(2 * slots / (batch_rows * several)) + 1, MAX_BATCHES)


@dataclass(slots=True)
class _Journal:
    """What was committed of a run, and what waits to be."""

    flow: Flow
    target: Path
    mapping: RowMapping
    progress: Progress
    position: int = 0
    made: set[str] = field(default_factory=set)
    held: list[tuple[tuple[int, ...], Callable[[], None]]] = field(default_factory=list)
    silent: list[tuple[Path, list[Row]]] = field(default_factory=list)
    advance: Callable[[int], None] = field(init=False)

    def __post_init__(self) -> None:
        self.advance = self.progress.begin("generate", 0)

    def is_there(self, level: int, number: int, items: list[Any]) -> bool:
        part = batch_file(self.target, level, number, items)
        self.made.add(part.name)
        if part.exists():
            return True
        self._refuse(list(self.target.glob(f"{part.name[:_PLACE_CHARS]}*")))
        return False

    def pass_over(self, level: int, number: int, items: list[Any]) -> None:
        self.settle()  # what is before it is no outage: the numbers of its rows follow on
        rows = count_rows(batch_file(self.target, level, number, items))
        self.position += rows
        self.advance(rows)

    def hold(self, keep: Callable[[], None]) -> None:
        """Keep a batch once its failures are known to be those of its rows, and not of an outage."""
        self.held.append((tuple(health.failures for health in self._healths()), keep))
        while self.held and all(
            health.forgiven >= seen for health, seen in zip(self._healths(), self.held[0][0], strict=True)
        ):
            self.held.pop(0)[1]()

    def settle(self) -> None:
        """Keep all that waits. Raises TeacherError where no model has written a text at all."""
        while self.held:
            self.held.pop(0)[1]()
        if self.silent:
            if not list_made(self.target):
                raise self._dead_teacher()
            self._write_silent()

    def commit(self, level: int, number: int, items: list[Any], leaves: LeafRows) -> None:
        candidates: list[Row] = []
        spoken = False
        for leaf, rows in leaves:
            for row in rows:
                made = list(self.mapping.read(row, leaf))
                candidates += made
                spoken = spoken or has_spoken(row) or any(not each["failure"] for each in made)
        numbered = [{**each, "draw": self.position + i} for i, each in enumerate(candidates)]
        self.position += len(numbered)
        self.silent.append((batch_file(self.target, level, number, items), numbered))
        if not numbered or spoken:
            self._write_silent()
        elif sum(len(waiting) for _, waiting in self.silent) >= MAX_SILENT_ROWS:
            raise self._dead_teacher()

    def refuse_others(self) -> None:
        """Raises RunMismatch for parts that this run has not made: the data are not in a pipeline's dump."""
        self._refuse([part for part in list_made(self.target) if part.name not in self.made])

    def _write_silent(self) -> None:
        while self.silent:
            part, rows = self.silent.pop(0)
            write_table(part, build_candidates(rows))
            self.advance(len(rows))

    def _healths(self) -> list[Any]:
        teachers = [teacher for step in self.flow.order if (teacher := find_teacher(step)) is not None]
        return [teacher.health for teacher in teachers if teacher.health is not None]

    def _refuse(self, others: list[Path]) -> None:
        if others:
            raise RunMismatch(
                f"{self.target.parent} was made from other rows than {self.flow.name} now starts from",
                seen=others[0].name,
                mend="Choose another folder with out=, or remove this one.",
            )

    def _dead_teacher(self) -> TeacherError | ConfigError:
        for step in self.flow.order:
            teacher = find_teacher(step)
            if teacher is not None and is_mute(teacher):
                refused = refuse_mute(teacher)
                assert isinstance(refused, TeacherError | ConfigError)
                return refused
        rows = [row for _, waiting in self.silent for row in waiting]
        return TeacherError(
            f"pipeline {self.flow.name}: {len(rows)} rows in a row have no text; is its teacher dead?",
            seen=rows[0]["failure"],
            mend="Every finished batch is kept; mend the teacher and run the same script again.",
        )
