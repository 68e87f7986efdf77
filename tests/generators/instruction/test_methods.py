"""Self-Instruct, Magpie and Evol-Instruct as real distilabel pipelines."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from distilabel.pipeline import Pipeline

import synth_stack
from synth_stack.errors import ConfigError, TeacherError
from synth_stack.generation.driver import drive, plan_steps
from synth_stack.generators import template as template_module
from synth_stack.generators.instruction.methods import (
    ANSWER_TEMPLATES,
    Answers,
    evol_instruct,
    magpie,
    self_instruct,
)
from synth_stack.generators.template import find_templates, load_template
from synth_stack.inputs.recipe import load_recipe
from synth_stack.registry import bind, registered
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.folder import read_parts
from synth_stack.teachers.openai_llm import TeacherLLM
from synth_stack.teachers.scripted_llm import ScriptedLLM
from synth_stack.workflows.prepare import prepare
from tests.shop import SEEDS, make_plan, write_recipe

METHODS: dict[str, Any] = {"self_instruct": self_instruct, "magpie": magpie, "evol_instruct": evol_instruct}
STEPS = {
    "self_instruct": ["items", "instruction", "answer", "candidates"],
    "magpie": ["items", "instruction", "answer", "candidates"],
    "evol_instruct": ["items", "instruction", "answer", "eliminate", "candidates"],
}
SHARES = {"self_instruct": 0.4, "magpie": 0.3, "evol_instruct": 0.3}
LONG: dict[str, dict[str, Any]] = {
    "self_instruct": {"examples": 3, "answers": "full"},
    "magpie": {"turns": 3, "answers": "full"},
    "evol_instruct": {"rounds": 3, "judge_gain": True, "answers": "full"},
}


def list_ids(name: str, **params: Any) -> set[str]:
    """The ids of the templates that a method declares for these parameters."""
    bound = bind("generator", name, params, where="test")
    return {template.template_id for template in find_templates(bound)}


def run(pipeline: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    return rows


def test_the_three_methods_are_registered_and_name_their_templates() -> None:
    assert set(METHODS) <= set(registered("generator"))
    for name in METHODS:
        assert list_ids(name)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_a_pipeline_that_distilabel_itself_finds_valid(name: str) -> None:
    pipeline = METHODS[name](ScriptedLLM(), make_plan(6, method=name), 4)
    assert isinstance(pipeline, Pipeline)
    pipeline.dag.validate()
    assert [step.name for step in plan_steps(pipeline)[0]] == STEPS[name]


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
    assert {id_ for row in table for id_ in row["template_id"].split()} <= list_ids(name)
    assert len({row["row_id"] for row in table}) == 9


@pytest.mark.parametrize("name", METHODS)
def test_the_rows_do_not_depend_on_the_batch_size(name: str) -> None:
    few, many = (
        run(METHODS[name](ScriptedLLM(empty_share=0.2), make_plan(9, method=name), size, **LONG[name]))
        for size in (2, 9)
    )
    assert few == many


@pytest.mark.parametrize("name", METHODS)
def test_every_template_that_is_asked_is_declared(name: str) -> None:
    rows = run(METHODS[name](ScriptedLLM(), make_plan(60, method=name), 16, **LONG[name]))
    asked = {id_ for row in rows for id_ in row["template_id"].split()}
    assert asked == list_ids(name, **LONG[name])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("answers", ["short", "full"])
def test_answers_are_as_long_as_was_asked_for(name: str, answers: Answers) -> None:
    (row,) = run(METHODS[name](ScriptedLLM(), make_plan(1, method=name), 1, answers=answers))
    assert row["template_id"].split()[-1] == load_template(ANSWER_TEMPLATES[answers]).template_id
    assert json.loads(row["params"])["answers"] == answers


def test_the_examples_of_a_row_are_on_record() -> None:
    shown = [
        json.loads(row["params"]) for row in run(self_instruct(ScriptedLLM(), make_plan(6), 6, examples=3))
    ]
    assert all(params["examples"] == len(set(params["example_ids"])) == 3 for params in shown)


def test_a_run_that_stopped_midway_goes_on_to_the_rows_that_it_would_have_had(tmp_path: Path) -> None:
    methods = [{"use": name, "share": share, **LONG[name]} for name, share in SHARES.items()]

    def generate(folder: Path, out: str, **teacher: Any) -> list[dict[str, Any]]:
        made_up = {"use": "scripted", "empty_share": 0.1, **teacher}
        run_folder = synth_stack.generate(
            write_recipe(folder, made_up, methods=methods, candidates=24), folder / out
        )
        tables = read_parts(run_folder / "candidates", CANDIDATE_SCHEMA)
        return [row for table in tables for row in table.to_pylist()]

    whole = generate(tmp_path, "whole")
    with pytest.raises(TeacherError):
        generate(tmp_path, "stopped", dies_after=60)
    parts = {path.name for path in (tmp_path / "stopped" / "candidates").glob("part-*")}
    assert parts < {path.name for path in (tmp_path / "whole" / "candidates").glob("part-*")}
    assert generate(tmp_path, "stopped") == whole


def test_a_changed_template_changes_the_ids_of_the_rows_that_asked_it_and_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> tuple[str, list[set[str]]]:
        path = write_recipe(tmp_path, methods=[{"use": "evol_instruct", "rounds": 2}])
        job = prepare(load_recipe(path))
        rows = run(evol_instruct(ScriptedLLM(), make_plan(12, method="evol_instruct"), 12, rounds=2))
        return job.identity, [set(row["template_id"].split()) for row in rows]

    before, ids = read()
    shutil.copytree(template_module.TEMPLATES, tmp_path / "templates")
    monkeypatch.setattr(template_module, "TEMPLATES", tmp_path / "templates")
    with (tmp_path / "templates" / "evol_deepen.yaml").open("a") as file:
        file.write("# deeper\n")
    load_template.cache_clear()
    try:
        after, changed = read()
    finally:
        load_template.cache_clear()
    assert after != before
    asked = [any(id_.startswith("evol_deepen@") for id_ in row) for row in ids]
    assert asked == [one != other for one, other in zip(ids, changed, strict=True)]
    assert {True, False} == set(asked)


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
        ("self_instruct", {"answers": "long"}),
        ("magpie", {"examples": 5}),
        ("magpie", {"turns": 0}),
        ("magpie", {"turns": 6}),
        ("evol_instruct", {"rounds": 0}),
        ("evol_instruct", {"rounds": 5}),
        ("evol_instruct", {"judge_gain": "yes"}),
        ("evol_instruct", {"sorry_words": -1}),
        ("evol_instruct", {"operators": ["evol_breadth"]}),
    ],
)
def test_parameters_that_a_method_does_not_take_are_refused(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        bind("generator", name, params, where="recipe r: generate.methods[0]")
