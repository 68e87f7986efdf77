"""Which step, and so which model, gives a column."""

from typing import Any

from distilabel.pipeline import Pipeline, sample_n_steps
from distilabel.steps import ExpandColumns, KeepColumns
from distilabel.steps import tasks as t

from synth_stack.generation.column_writers import METADATA, LeafColumns, trace_columns
from synth_stack.generation.flow import lay_out
from tests.generation.documented_steps import llm, load


def trace(build: Any) -> LeafColumns:
    with Pipeline(name="traced") as pipeline:
        build()
    flow = lay_out(pipeline)
    return trace_columns(flow, flow.leaves[0])


def test_the_writer_of_an_answer_is_not_the_judge_that_came_after_it() -> None:
    def build() -> None:
        judge = t.TextGeneration(
            name="judge",
            llm=llm("judge"),
            input_mappings={"instruction": "generation"},
            output_mappings={"generation": "verdict"},
        )
        load() >> t.TextGeneration(name="write", llm=llm("writer")) >> judge

    columns = trace(build)
    assert columns.find_model("generation", {}) == "doc-writer"
    assert columns.find_model("verdict", {}) == "doc-judge"
    assert columns.find_model("instruction", {}) == ""
    assert columns.find_model("other", {}) is None
    assert columns.written >= {"generation", "verdict"}
    assert "instruction" not in columns.written


def test_columns_are_renamed_as_distilabel_renames_them() -> None:
    def build() -> None:
        asked = t.SelfInstruct(llm=llm("a"))
        each = ExpandColumns(columns=["instructions"], output_mappings={"instructions": "instruction"})
        load([{"input": "lamps"}]) >> asked >> each >> KeepColumns(columns=["instruction"])

    columns = trace(build)
    assert list(columns.steps) == ["instruction"]
    assert columns.find_model("instruction", {}) == "doc-a"


def test_a_task_that_renames_its_output_loses_what_stood_under_the_first_name() -> None:
    def build() -> None:
        second = t.TextGeneration(
            name="second",
            llm=llm("b"),
            template="{{ generation }}",
            columns=["generation"],
            output_mappings={"generation": "verdict"},
        )
        load() >> t.TextGeneration(name="first", llm=llm("a")) >> second

    assert "generation" not in trace(build).steps


def test_of_routed_steps_the_one_that_a_row_went_through_wrote_its_answer() -> None:
    def build() -> None:
        writers = [t.TextGeneration(name=label, llm=llm(label), input_batch_size=1) for label in "ab"]
        keep = KeepColumns(columns=["instruction", "generation"], input_batch_size=1)
        load(batch_size=1) >> sample_n_steps(1) >> writers >> keep

    columns = trace(build)
    assert columns.find_model("generation", {METADATA: {"raw_output_b": "said"}}) == "doc-b"
    assert columns.find_model("generation", {METADATA: {}}) is None
