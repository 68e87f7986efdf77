"""A distilabel pipeline of any shape, laid out so that it can be driven batch by batch and resumed.

A global step needs all rows at once, so it is a barrier: the steps before it are one segment, those after it
the next. Within a segment a batch of every root goes through all steps at once. What a segment hands to a
barrier is kept beside the run until that has been passed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from synth_stack.errors import ConfigError

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that a batch goes through at once, in topological order; `level` is its number in the flow.

    It starts from its `roots`, which make rows, or from the global step `after`, whose rows it takes.
    """

    level: int
    roots: tuple[Any, ...]
    steps: tuple[Any, ...]
    after: Any = None

    @property
    def names(self) -> frozenset[str]:
        return frozenset(step.name for step in (*self.roots, *self.steps))


@dataclass(frozen=True, slots=True)
class Flow:
    """The steps of a pipeline in topological order, and how rows go from one to the next.

    `leaves` give the rows of the run; `sinks` send them elsewhere (to Argilla, to the Hub), after the run and
    only where that can be done. `routers` choose, batch by batch, which of the steps after them get it.
    """

    name: str
    order: tuple[Any, ...]
    predecessors: Mapping[str, Sequence[str]]
    segments: tuple[Segment, ...]
    barriers: tuple[Any, ...]
    leaves: tuple[Any, ...]
    sinks: tuple[Any, ...]
    routers: Mapping[str, Any]

    def successors(self, name: str) -> list[str]:
        """The steps that take the rows of a step, in topological order."""
        return [step.name for step in self.order if name in self.predecessors[step.name]]

    def is_kept(self, name: str) -> bool:
        """Whether the rows of a step are needed after the batch: by a barrier or by a sink."""
        taking = {step.name for step in (*self.barriers, *self.sinks)}
        return any(name in self.predecessors[taker] for taker in taking)


def lay_out(pipeline: "Pipeline") -> Flow:
    """The flow of a pipeline.

    Raises ConfigError for what distilabel itself refuses, and for a step that joins rows from before and
    after a barrier.
    """
    dag = pipeline.dag
    try:
        dag.validate()
    except (ValueError, TypeError) as exc:
        reason = str(exc).partition("\n")[0]
        raise ConfigError(f"pipeline {pipeline.name} is not one that distilabel would run: {reason}") from exc
    predecessors = {name: list(dag.get_step_predecessors(name)) for name in dag}
    # not by trophic level: that is a mean over paths, and puts a step before the longest way to it is done
    order = tuple(dag.get_step(name)["step"] for name in TopologicalSorter(predecessors).static_order())
    sinks = tuple(step for step in order if _is_sink(step) and not _has_successors(step, predecessors))
    working = tuple(step for step in order if step not in sinks)
    levels = _find_levels(pipeline.name, working, predecessors)
    sunk = {step.name for step in sinks}
    taken = {name for step in working for name in predecessors[step.name]}
    leaves = tuple(step for step in working if step.name not in taken and step.name not in sunk)
    routers = {
        name: node["routing_batch_function"]
        for name in dag
        if (node := dag.get_step(name)).get("routing_batch_function") is not None
    }
    barriers = tuple(step for step in working if _is_barrier(step))
    segments = _cut_segments(working, levels, predecessors)
    return Flow(pipeline.name, order, predecessors, segments, barriers, leaves, sinks, routers)


def _find_levels(
    pipeline: str, steps: Sequence[Any], predecessors: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    """How many barriers stand before each step."""
    by_name = {step.name: step for step in steps}
    levels: dict[str, int] = {}
    for step in steps:
        found = [levels[name] + _is_barrier(by_name[name]) for name in predecessors[step.name]]
        levels[step.name] = max(found, default=0)
        crossing = len({*predecessors[step.name]} & {s.name for s in steps if _is_barrier(s)}) > 1
        if not _is_barrier(step) and (len(set(found)) > 1 or crossing):
            raise ConfigError(
                f"pipeline {pipeline}: step {step.name!r} joins rows from before and after a step that needs "
                "all of them at once",
                seen=", ".join(predecessors[step.name]),
                mend="Run it with distilabel and hand the Distiset to synth_stack.curate.",
            )
    return levels


def _cut_segments(
    steps: Sequence[Any], levels: Mapping[str, int], predecessors: Mapping[str, Sequence[str]]
) -> tuple[Segment, ...]:
    roots = tuple(step for step in steps if not predecessors[step.name])
    first = [step for step in steps if levels[step.name] == 0 and not _is_barrier(step) and step not in roots]
    segments = [Segment(0, roots, tuple(first))]
    for barrier in (step for step in steps if _is_barrier(step)):
        reached = {barrier.name}
        after = []
        for step in steps:
            if not _is_barrier(step) and reached & {*predecessors[step.name]}:
                reached.add(step.name)
                after.append(step)
        if after:
            segments.append(Segment(len(segments), (), tuple(after), barrier))
    return tuple(segments)


def _is_barrier(step: Any) -> bool:
    """Whether a step has to see all rows at once: what it remembered would be gone after a kill."""
    from distilabel.steps import MinHashDedup

    return bool(step.is_global) or isinstance(step, MinHashDedup)


def _is_sink(step: Any) -> bool:
    """Whether a step only sends rows elsewhere."""
    from distilabel.steps import PushToHub
    from distilabel.steps.argilla.base import ArgillaBase

    return isinstance(step, PushToHub | ArgillaBase)


def _has_successors(step: Any, predecessors: Mapping[str, Sequence[str]]) -> bool:
    return any(step.name in names for names in predecessors.values())
