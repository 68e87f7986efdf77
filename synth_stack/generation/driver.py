"""Runs any distilabel Pipeline durably in this process, batch by batch.

distilabel's own runner loses its work when killed (and hangs on the next start), and takes a dead teacher
for a finished one. Here the pipeline's own steps are called in topological order for each batch, and each
finished batch is handed to `commit`. A batch waits for its slowest answer at every step, so several of them
are under way at a time, each in a thread that is asleep while its teacher writes.
"""

import math
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from synth_stack.errors import ConfigError, SynthStackError, TeacherError
from synth_stack.generation.lines import BatchQueue, Line
from synth_stack.generation.parts import copy_json, to_json
from synth_stack.rows.canonical import Digest, digest_json
from synth_stack.teachers.health import Health
from synth_stack.teachers.server_words import suggest_setting, tell_exception
from synth_stack.teachers.teacher import Teacher

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

Row = dict[str, Any]

MAX_BATCHES = 256
"""Batches under way at a time, whatever their size: each is a thread, and a killed run makes them again."""


def drive(
    pipeline: "Pipeline",
    *,
    is_done: Callable[[int, list[Row]], bool],
    commit: Callable[[int, list[Row], list[Row]], None],
) -> None:
    """Calls `commit(number, items, rows)` for every batch of items that is not done, one by one, in order.

    Raises what `drive_lines` raises.
    """
    drive_lines([Line(pipeline, is_done, commit)], overlap=False)


def drive_lines(
    lines: Sequence[Line],
    *,
    overlap: bool = True,
    stop: Callable[[int], bool] | None = None,
    proven: bool = False,
) -> None:
    """Commits every batch of several pipelines that is not done, in this thread, each as soon as it may be.

    While `stop(batches under way)` is true no batch is begun; those are finished and committed. `proven`
    says that the teachers have given texts before, so that a batch of nothing but failures may be kept.

    With `overlap` as many batches are under way as keep a teacher of ours busy, so their steps must work in
    several threads and keep nothing from one batch for the next; a pipeline of other LLMs goes one by one.

    Raises ConfigError for a pipeline that cannot be driven batch by batch, TeacherError as soon as a teacher
    is down, or at the end when it gave no text to anything (ConfigError when it never took us). A batch
    under way is then not committed, nor is a finished
    one that the failures at the end reach back to: what an outage cost is asked again by the next run.
    """
    routes = [_Route(line, *plan_steps(line.pipeline)) for line in lines]
    # polars, once imported, has Ctrl-C restart what it interrupts: we would wait here until an answer came
    signal.siginterrupt(signal.SIGINT, True)
    at_once = min((_count_at_once(route) for route in routes), default=1) if overlap else 1
    with ThreadPoolExecutor(at_once, "batch") as pool, _loaded(routes):
        queue = BatchQueue([route.line for route in routes], [route.order[0] for route in routes])
        _Batches(routes, queue, at_once, pool if at_once > 1 else None, stop, proven=proven).run()


@dataclass(frozen=True, slots=True)
class _Route:
    """A line with its steps in topological order and the predecessors of each."""

    line: Line
    order: list[Any]
    predecessors: dict[str, list[str]]

    def healths(self) -> list[Health]:
        """What is known of the teachers of its steps, in order; nothing of an LLM that is no teacher."""
        found = [teacher.health for step in self.order if (teacher := find_teacher(step)) is not None]
        return [health for health in found if health is not None]


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch of the line at `place` before its steps, or after them with `rows`.

    `failures`: how many each teacher had when it was finished.
    """

    route: _Route
    place: int
    number: int
    items: list[Row]
    rows: list[Row]
    failures: tuple[int, ...] = ()

    def may_be_kept(self) -> bool:
        """Whether the failures in it are those of its rows, and not the beginning of an outage."""
        healths = self.route.healths()
        return all(h.forgiven >= seen for h, seen in zip(healths, self.failures, strict=True))

    def find_mute(self) -> Teacher | None:
        """A teacher of its steps that was asked and has given no text to anything yet."""
        teachers = map(find_teacher, self.route.order)
        return next((teacher for teacher in teachers if teacher is not None and is_mute(teacher)), None)

    def commit(self) -> None:
        self.route.line.commit(self.number, self.items, self.rows)


class _Batches:
    """The batches under way, and those that wait for an answer after their failures."""

    def __init__(
        self,
        routes: Sequence[_Route],
        queue: BatchQueue,
        at_once: int,
        pool: ThreadPoolExecutor | None,
        stop: Callable[[int], bool] | None,
        *,
        proven: bool,
    ) -> None:
        self._routes = routes
        self._queue = queue
        self._proven = proven
        self._at_once = at_once
        self._pool = pool
        self._stop = stop or (lambda _: False)
        self._running: set[Future[_Batch]] = set()
        self._held: list[_Batch] = []

    def run(self) -> None:
        self._run_some()
        # batches have waited: of a line that grows for those held back, others for what those would cost
        while not self._queue.is_empty and not self._stop(0):
            self._run_some()

    def _run_some(self) -> None:
        """Everything that may be begun, to its end."""
        while self._start_some() or self._running:
            done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            finished = [future.result() for future in done if future.exception() is None]
            self._held += sorted(finished, key=lambda batch: batch.number)
            self._keep(at_the_end=False)
            for future in done:
                future.result()  # raises what stopped a batch
        self._keep(at_the_end=True)

    def _start_some(self) -> bool:
        """Starts batches until enough are under way or no more are wanted; whether one was started."""
        started = False
        while len(self._running) < self._at_once and not self._stop(len(self._running)):
            if (planned := self._queue.take()) is None:
                break
            started = True
            batch = _Batch(self._routes[planned.line], *planned, [])
            self._running.add(self._pool.submit(_run_batch, batch) if self._pool else _run_here(batch))
        return started

    def _keep(self, *, at_the_end: bool) -> None:
        held, self._held = self._held, []
        for batch in held:
            # what was committed before shows that its teachers do give texts
            mute = None if self._queue.found_done or self._proven else batch.find_mute()
            if mute is not None and at_the_end:
                raise refuse_mute(mute)
            if mute is None and (at_the_end or batch.may_be_kept()):
                batch.commit()
                self._queue.settle(batch.place, batch.rows)
            else:
                self._held.append(batch)


def _count_at_once(route: _Route) -> int:
    """Twice as many rows as requests in flight, and a batch more: no slot waits for a step to be complete.

    One for LLMs that are no teachers: they cannot be asked by several threads.
    """
    llms = [llm for step in route.order if (llm := find_llm(step)) is not None]
    teachers = [llm for llm in llms if isinstance(llm, Teacher)]
    slots = max((teacher.concurrency for teacher in teachers), default=1)
    if slots == 1 or len(teachers) < len(llms):
        return 1
    batch_rows: int = route.order[0].batch_size
    return min(math.ceil(2 * slots / batch_rows) + 1, MAX_BATCHES)


def _run_here(batch: _Batch) -> Future[_Batch]:
    future: Future[_Batch] = Future()
    try:
        future.set_result(_run_batch(batch))
    except (TeacherError, ConfigError) as exc:
        future.set_exception(exc)
    return future


def _run_batch(batch: _Batch) -> _Batch:
    root, *others = batch.route.order
    before = batch.route.predecessors
    users = Counter(name for names in before.values() for name in names)
    outputs: dict[str, list[Row]] = {root.name: batch.items}
    for step in others:
        # a step may write into the rows that it is given: neither another branch nor the name of the batch,
        # which is made from its items, may see that
        inputs = [
            copy_json(outputs[name]) if name == root.name or users[name] > 1 else outputs.pop(name)
            for name in before[step.name]
        ]
        outputs[step.name] = [row for rows in step.process_applying_mappings(*inputs) for row in rows]
        stop_when_down(step)
    failures = tuple(health.failures for health in batch.route.healths())
    return replace(batch, rows=outputs[batch.route.order[-1].name], failures=failures)


def plan_steps(pipeline: "Pipeline") -> tuple[list[Any], dict[str, list[str]]]:
    """The pipeline's steps in topological order, root first and leaf last, and each one's predecessors.

    Raises ConfigError when it has not exactly one root and one leaf, needs all rows at once (a GlobalStep),
    or routes batches: such a pipeline cannot be resumed batch by batch. Raises it too for what distilabel
    itself refuses, such as a step whose columns no step before it gives.
    """
    dag = pipeline.dag
    predecessors = {name: list(dag.get_step_predecessors(name)) for name in dag}
    # not by trophic level: that is a mean over paths, and puts a step before the longest way to it is done
    order = [dag.get_step(name)["step"] for name in TopologicalSorter(predecessors).static_order()]
    for step in order:
        if step.is_global:
            raise ConfigError(
                f"pipeline {pipeline.name}: step {step.name!r} needs all rows at once and cannot be resumed",
                mend="Run it with distilabel and hand the Distiset to synth_stack.curate.",
            )
        if dag.get_step(step.name).get("routing_batch_function") is not None:
            raise ConfigError(
                f"pipeline {pipeline.name}: step {step.name!r} routes batches, which is not driven"
            )
    if len(dag.root_steps) != 1 or len(dag.leaf_steps) != 1:
        raise ConfigError(
            f"pipeline {pipeline.name} must start in one step and end in one",
            seen=f"starts: {sorted(dag.root_steps)}, ends: {sorted(dag.leaf_steps)}",
        )
    try:
        dag.validate()
    except (ValueError, TypeError) as exc:
        raise _refused(pipeline, exc) from exc
    return order, predecessors


def _refused(pipeline: "Pipeline", exc: Exception) -> ConfigError:
    reason = str(exc).partition("\n")[0]
    return ConfigError(f"pipeline {pipeline.name} is not one that distilabel would run: {reason}")


def find_llms(pipeline: "Pipeline") -> list[Any]:
    """The distinct LLMs of the pipeline's steps, in order."""
    order, _ = plan_steps(pipeline)
    found = [find_llm(step) for step in order]
    return list({id(llm): llm for llm in found if llm is not None}.values())


def find_llm(step: Any) -> Any:
    """The distilabel LLM that a step asks; None for a step that asks none."""
    return getattr(step, "llm", None)


def find_teacher(step: Any) -> Teacher | None:
    """The teacher that a step asks; None for a step that asks none, or an LLM that is no teacher."""
    llm = find_llm(step)
    return llm if isinstance(llm, Teacher) else None


def digest_pipeline(pipeline: "Pipeline") -> Digest:
    """The digest of what the pipeline does: its dump, without where its servers are and how they are asked.

    distilabel's own signature is the same for different parameters, so it cannot tell two runs apart. The
    rows that a pipeline starts from are not in its dump.
    """
    return digest_json(to_json(_without_addresses(pipeline.dump()["pipeline"])))


_ADDRESSES = frozenset(
    """base_url weights api_key_env timeout_s concurrency retries requests_per_minute tokens_per_minute price
    allow_hosts threads jobs_ids runtime_parameters_info""".split()
)


def _without_addresses(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_addresses(v) for k, v in value.items() if k not in _ADDRESSES}
    return [_without_addresses(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def _loaded(routes: Sequence[_Route]) -> Iterator[None]:
    loaded: list[Any] = []
    try:
        for route in routes:
            for step in route.order:
                loaded.append(step)  # first: a step that is refused has loaded its LLM by then
                load_step(route.line.pipeline, step)
        yield
    finally:
        for step in reversed(loaded):
            step.unload()


def load_step(pipeline: "Pipeline", step: Any) -> None:
    """Make a step ready. Raises ConfigError for one that distilabel refuses only now, or cannot load."""
    from distilabel.errors import DistilabelUserError

    try:
        step.load()
    except SynthStackError:
        raise
    except DistilabelUserError as exc:
        raise _refused(pipeline, exc) from exc
    except Exception as exc:  # whatever a step of somebody else's needs: a package, a file, a server
        raise ConfigError(
            f"pipeline {pipeline.name}: step {step.name!r} cannot be loaded", seen=tell_exception(exc)
        ) from exc


def is_mute(teacher: Teacher) -> bool:
    """Whether a teacher was asked and has given no text to anything."""
    health = teacher.health
    return health is not None and not health.answers and health.textless > 0


def refuse_mute(teacher: Teacher) -> SynthStackError:
    """What to raise of a teacher that has answered nothing: nothing is committed."""
    health = teacher.health
    said = (health.trouble if health is not None else None) or "gave no reason"
    mend = suggest_setting(said)
    if health is not None and not health.empties and health.refusals:
        return ConfigError(
            f"the teacher {teacher.model_name} cannot be used: it {said}",
            mend=f"It answered nothing yet. {mend or 'Mend the teacher in the recipe.'}",
        )
    return TeacherError(
        f"the teacher {teacher.model_name} gave no text to any prompt",
        seen=said,
        mend=f"No row was kept. {mend or 'Mend the teacher in the recipe.'}",
    )


def stop_when_down(step: Any) -> None:
    """Raises TeacherError when the teacher of a step is down, ConfigError when it never took us."""
    teacher = find_teacher(step)
    if teacher is None or teacher.health is None or teacher.health.down is None:
        return
    down = teacher.health.down
    mend = suggest_setting(down)
    if teacher.health.mistake:
        raise ConfigError(
            f"the teacher {teacher.model_name} cannot be used: it {down}",
            mend=f"It answered nothing yet. {mend or 'Mend the teacher in the recipe.'}",
        )
    raise TeacherError(
        f"the teacher {teacher.model_name} is down: it {down}",
        mend=f"{mend} Every finished batch is kept; then run the same command again."
        if mend
        else "Every finished batch is kept; mend the teacher and run the same command again.",
    )
