"""Self-Instruct, Magpie and Evol-Instruct as real distilabel pipelines."""

import json
from typing import Any

import pytest
from distilabel.pipeline import Pipeline

import synth_stack.generators  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError
from synth_stack.generators.drive import drive, plan_steps
from synth_stack.generators.instruction import (
    EVOL_OPERATORS,
    evol_instruct,
    magpie,
    self_instruct,
)
from synth_stack.generators.template import load_template, templates_of
from synth_stack.registry import bind, registered
from synth_stack.rows import build_candidates
from synth_stack.teachers.llm import TeacherLLM
from synth_stack.teachers.script import ScriptedLLM
from tests.shop import SEEDS, make_plan

METHODS: dict[str, Any] = {"self_instruct": self_instruct, "magpie": magpie, "evol_instruct": evol_instruct}


def run(pipeline: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    return rows


def test_the_three_methods_are_registered_and_name_their_templates() -> None:
    assert set(METHODS) <= set(registered("generator"))
    for name in METHODS:
        assert all(load_template(template).template_id for template in templates_of(name))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_a_pipeline_that_distilabel_itself_finds_valid(name: str) -> None:
    pipeline = METHODS[name](ScriptedLLM(), make_plan(6, method=name), 4)
    assert isinstance(pipeline, Pipeline)
    pipeline.dag.validate()
    assert [step.name for step in plan_steps(pipeline)[0]] == ["items", "instruction", "answer", "candidates"]


@pytest.mark.parametrize("name", METHODS)
def test_a_pipeline_comes_back_from_its_dump_the_same_but_for_its_plan(name: str) -> None:
    pipeline = METHODS[name](ScriptedLLM(), make_plan(6, method=name), 4)
    dump = pipeline.dump()
    assert Pipeline.from_dict(json.loads(json.dumps(dump))).dump() == dump
    assert SEEDS[0]["text"] not in json.dumps(dump)


@pytest.mark.parametrize("name", METHODS)
def test_every_draw_is_a_whole_candidate_that_names_its_origin(name: str) -> None:
    rows = run(METHODS[name](ScriptedLLM(), make_plan(9, method=name, first=5), 4))
    table = build_candidates(rows).to_pylist()
    assert [row["draw"] for row in table] == list(range(5, 14))
    assert {row["generator"] for row in table} == {name}
    assert all(row["failure"] is None for row in table)
    assert all([m["role"] for m in row["messages"]] == ["user", "assistant"] for row in table)
    assert {row["seed_id"] for row in table} <= {seed["id"] for seed in SEEDS}
    known = {load_template(template).template_id for template in templates_of(name)}
    assert {id_ for row in table for id_ in row["template_id"].split()} <= known
    assert len({row["row_id"] for row in table}) == 9


@pytest.mark.parametrize("name", METHODS)
def test_the_rows_do_not_depend_on_the_batch_size(name: str) -> None:
    few, many = (run(METHODS[name](ScriptedLLM(), make_plan(9, method=name), size)) for size in (2, 9))
    assert few == many


def test_the_operator_and_the_examples_of_a_row_are_on_record() -> None:
    evolved = [json.loads(row["params"]) for row in run(evol_instruct(ScriptedLLM(), make_plan(30), 30))]
    assert {params["operator"] for params in evolved} == set(EVOL_OPERATORS)
    shown = [
        json.loads(row["params"]) for row in run(self_instruct(ScriptedLLM(), make_plan(6), 6, examples=3))
    ]
    assert all(params["examples"] == len(set(params["example_ids"])) == 3 for params in shown)


def test_sampling_is_on_record_as_text() -> None:
    llm = TeacherLLM(base_url="http://127.0.0.1:1/v1", model="m", sampling={"temperature": 0.1, "top_k": 5})
    dump = json.dumps(self_instruct(llm, make_plan(2), 2).dump())
    assert '"sampling": {"temperature": "0.1", "top_k": "5"}' in dump


def test_magpie_refuses_a_teacher_whose_chat_format_is_not_known() -> None:
    llm = TeacherLLM(base_url="http://127.0.0.1:1/v1", model="m")
    with pytest.raises(ConfigError, match=r"Set teacher\.chat_format"):
        magpie(llm, make_plan(2), 2)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("self_instruct", {"examples": 0}),
        ("self_instruct", {"examples": 21}),
        ("self_instruct", {"examples": "5"}),
        ("magpie", {"examples": 5}),
        ("evol_instruct", {"operators": ["evol_breadth"]}),
    ],
)
def test_parameters_that_a_method_does_not_take_are_refused(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        bind("generator", name, params, where="recipe r: generate.methods[0]")
