"""How a pipeline of any shape is laid out: segments, barriers, leaves, sinks and routers."""

from typing import Any

import pytest
from distilabel.pipeline import Pipeline, sample_n_steps
from distilabel.steps import CombineOutputs, GlobalStep, LoadDataFromDicts, PushToHub, StepInput, step

from synth_stack.errors import ConfigError
from synth_stack.generation.flow import Flow, lay_out

ROWS = [{"instruction": "Where is it?"}]


@step(inputs=["instruction"], outputs=["seen"])  # type: ignore[untyped-decorator]
def look(inputs: StepInput) -> Any:
    yield [{**row, "seen": True} for row in inputs]


class Sort(GlobalStep):  # type: ignore[misc]  # distilabel has no types
    """A step that needs all rows."""

    @property
    def inputs(self) -> list[str]:
        return ["instruction"]

    @property
    def outputs(self) -> list[str]:
        return ["place"]

    def process(self, inputs: StepInput) -> Any:
        yield [{**row, "place": i} for i, row in enumerate(inputs)]


def name_all(steps: Any) -> list[str]:
    return sorted(each.name for each in steps)


def lay(build: Any) -> Flow:
    with Pipeline(name="laid") as pipeline:
        build()
    return lay_out(pipeline)


def test_a_barrier_stands_between_two_segments() -> None:
    def build() -> None:
        load = LoadDataFromDicts(name="load", data=ROWS)
        load >> look(name="before") >> Sort(name="sort") >> look(name="after")

    flow = lay(build)
    first, second = flow.segments
    assert (name_all(first.roots), name_all(first.steps), first.after) == (["load"], ["before"], None)
    assert (name_all(second.steps), second.after.name, second.level) == (["after"], "sort", 1)
    assert name_all(flow.barriers) == ["sort"]
    assert name_all(flow.leaves) == ["after"]
    assert flow.is_kept("before")
    assert not flow.is_kept("after")


def test_what_only_sends_rows_is_a_sink_and_what_stands_before_it_a_leaf() -> None:
    def build() -> None:
        load = LoadDataFromDicts(name="load", data=ROWS)
        load >> look(name="look") >> PushToHub(name="push", repo_id="a/b", token="t")

    flow = lay(build)
    assert (name_all(flow.sinks), name_all(flow.leaves), flow.barriers) == (["push"], ["look"], ())
    assert flow.is_kept("look")


def test_routers_roots_and_leaves_may_be_several() -> None:
    def build() -> None:
        load = LoadDataFromDicts(name="load", data=ROWS, batch_size=1)
        load >> sample_n_steps(1) >> [look(name="a", input_batch_size=1), look(name="b", input_batch_size=1)]
        LoadDataFromDicts(name="other", data=ROWS) >> look(name="c")

    flow = lay(build)
    assert list(flow.routers) == ["load"]
    assert name_all(flow.leaves) == ["a", "b", "c"]
    assert name_all(flow.segments[0].roots) == ["load", "other"]
    assert flow.successors("load") == ["a", "b"]


def test_a_step_that_joins_both_sides_of_a_barrier_is_refused() -> None:
    def build() -> None:
        load = LoadDataFromDicts(name="load", data=ROWS)
        before = look(name="before")
        sort = Sort(name="sort")
        load >> before
        before >> sort
        [before, sort] >> CombineOutputs(name="both")

    with pytest.raises(ConfigError, match="'both' joins rows from before and after"):
        lay(build)
