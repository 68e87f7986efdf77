"""Runs any distilabel Pipeline durably in this process, batch by batch.

distilabel's own runner loses its work when killed (and hangs on the next start), and takes a dead teacher
for a finished one. Here the pipeline's own steps are called in topological order for one batch after another,
and each finished batch is handed to `commit` before the next begins.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.generators.parts import to_json
from synth_stack.rows import Digest, digest_json

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

Row = dict[str, Any]


def drive(
    pipeline: "Pipeline",
    *,
    is_done: Callable[[int, list[Row]], bool],
    commit: Callable[[int, list[Row], list[Row]], None],
) -> None:
    """Calls `commit(number, items, rows)` for every batch of items that is not done, in order.

    Raises ConfigError for a pipeline that cannot be driven batch by batch, TeacherError as soon as a teacher
    is down; the batch in flight is then not committed, nor are the batches before it that its last failures
    in a row reach back to: what an outage cost is asked again by the next run.
    """
    order, predecessors = plan_steps(pipeline)
    root, *others = order
    held: list[tuple[int, list[Row], list[Row]]] = []
    with _loaded(pipeline, order):
        # distilabel's LoadDataFromDicts eats its rows: a copy, so that the same object can be driven again
        for number, (items, _) in enumerate(copy(root).process_applying_mappings()):
            if is_done(number, items):
                continue
            outputs: dict[str, list[Row]] = {root.name: items}
            for step in others:
                # a step may write into the rows that it is given: neither another branch nor the name of
                # the batch, which is made from its items, may see that
                inputs = [deepcopy(outputs[name]) for name in predecessors[step.name]]
                outputs[step.name] = [row for rows in step.process_applying_mappings(*inputs) for row in rows]
                _stop_when_down(step)
            held.append((number, items, outputs[order[-1].name]))
            while held and not _is_failing(order):
                commit(*held.pop(0))
    for batch in held:
        commit(*batch)


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


def find_teachers(pipeline: "Pipeline") -> list[Any]:
    """The distinct LLMs of the pipeline's steps, in order."""
    order, _ = plan_steps(pipeline)
    found = [step.llm for step in order if getattr(step, "llm", None) is not None]
    return list({id(llm): llm for llm in found}.values())


def digest_pipeline(pipeline: "Pipeline") -> Digest:
    """The digest of what the pipeline does: its dump, without where its servers are and how they are asked.

    distilabel's own signature is the same for different parameters, so it cannot tell two runs apart. The
    rows that a pipeline starts from are not in its dump.
    """
    return digest_json(to_json(_without_addresses(pipeline.dump()["pipeline"])))


_ADDRESSES = frozenset(
    """base_url weights api_key_env timeout_s concurrency retries threads jobs_ids
    runtime_parameters_info""".split()
)


def _without_addresses(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_addresses(v) for k, v in value.items() if k not in _ADDRESSES}
    return [_without_addresses(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def _loaded(pipeline: "Pipeline", steps: list[Any]) -> Iterator[None]:
    from distilabel.errors import DistilabelUserError

    loaded: list[Any] = []
    try:
        for step in steps:
            try:
                step.load()
            except DistilabelUserError as exc:
                raise _refused(pipeline, exc) from exc
            loaded.append(step)
        yield
    finally:
        for step in reversed(loaded):
            step.unload()


def _is_failing(steps: list[Any]) -> bool:
    healths = [getattr(getattr(step, "llm", None), "health", None) for step in steps]
    return any(health is not None and health.failures_in_a_row > 0 for health in healths)


def _stop_when_down(step: Any) -> None:
    llm = getattr(step, "llm", None)
    health = getattr(llm, "health", None)
    if llm is not None and health is not None and health.down is not None:
        raise TeacherError(
            f"the teacher {llm.model_name} is down: it {health.down}",
            mend="Every finished batch is kept; mend the teacher and run the same command again.",
        )
