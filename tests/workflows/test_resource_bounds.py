"""What the gates of a recipe may reach: its documents and baseline, and teachers within its perimeter."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import ConfigError, UsageError
from synth_stack.inputs.recipe import load_recipe
from synth_stack.registry import teacher
from synth_stack.teachers.openai_llm import SharedLLM, collect_answers
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.workflows.judge import bind_gates
from synth_stack.workflows.resources import RunResources, find_resources
from tests.shop import write_recipe

ELSEWHERE = {"use": "http", "base_url": "https://api.example.com/v1", "model": "m"}


def test_gates_reach_what_the_recipe_names(tmp_path: Path) -> None:
    (tmp_path / "real.jsonl").write_text('{"text": "a"}\n')
    recipe = load_recipe(write_recipe(tmp_path, baseline="real.jsonl"))
    found = find_resources(recipe, {})
    assert found.documents == tmp_path / "policies"
    assert found.baseline == tmp_path / "real.jsonl"
    assert (found.perimeter, found.allow_hosts) == ("open", ())


def test_a_gate_without_a_baseline_of_its_own_takes_that_of_the_recipe(tmp_path: Path) -> None:
    for name in ("real", "other"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"text": "a {name} row"}}\n' * 120, encoding="utf-8")
    gates = tmp_path / "gates.yaml"
    gates.write_text("version: 1\ngates:\n  - use: drift\n", encoding="utf-8")
    resources = RunResources(baseline=tmp_path / "real.jsonl")
    [run] = bind_gates(gates, resources=resources).runs
    assert run.judge.facts["baseline"]["name"] == "real.jsonl"
    gates.write_text("version: 1\ngates:\n  - {use: drift, baseline: other.jsonl}\n", encoding="utf-8")
    [run] = bind_gates(gates, resources=resources).runs
    assert run.judge.facts["baseline"]["name"] == "other.jsonl"
    gates.write_text("version: 1\ngates:\n  - use: drift\n", encoding="utf-8")
    [run] = bind_gates(gates).runs
    assert run.judge.facts["baseline"] is None


def test_a_recipe_without_documents_gives_none(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path, taxonomy=None, documents=None))
    found = find_resources(recipe, {})
    assert (found.documents, found.baseline) == (None, None)


def test_a_teacher_that_a_gate_asks_keeps_to_the_perimeter_of_the_run(tmp_path: Path) -> None:
    inside = find_resources(load_recipe(write_recipe(tmp_path, perimeter="local")), {})
    with pytest.raises(ConfigError, match=r"perimeter: local refuses.*seen: api\.example\.com"):
        inside.make_asker(ELSEWHERE, "gates.yaml")
    allowed = load_recipe(write_recipe(tmp_path, perimeter="local", allow_hosts=["api.example.com"]))
    find_resources(allowed, {}).make_asker(ELSEWHERE, "gates.yaml")
    RunResources().make_asker(ELSEWHERE, "gates.yaml")


def test_the_paths_of_a_teacher_that_a_gate_asks_are_relative_to_the_gate_file(tmp_path: Path) -> None:
    asked = {"use": "embedded", "weights": "models/small.gguf"}
    with pytest.raises(UsageError, match=r"models/small\.gguf") as caught:
        RunResources(folder=tmp_path).make_asker(asked, "gates.yaml")
    assert str(tmp_path) in str(caught.value)


class Parrot(SharedLLM):
    """A teacher of another author, which does not say how it is."""

    @property
    def model_name(self) -> str:
        return "parrot"

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        prompt = input if isinstance(input, Prompt) else Prompt(input)
        assert prompt.sampling == {"temperature": 0.0}
        return collect_answers([Answer(prompt[0]["content"])] * num_generations, prompt)


@teacher("bounds-test-parrot", version="1")
def parrot() -> Parrot:
    return Parrot()


def test_a_teacher_without_health_is_never_down() -> None:
    resources = RunResources(gate="dedup")
    ask = resources.make_asker({"use": "bounds-test-parrot"}, "gates.yaml")
    assert ask(["one", "two"]) == ["one", "two"]
    assert (ask(["three"]), resources.calls) == (["three"], {"dedup": 3})
    with pytest.raises(ConfigError, match="does not say where it sends its prompts; seen: Parrot"):
        RunResources(perimeter="local").make_asker({"use": "bounds-test-parrot"}, "gates.yaml")


@teacher("bounds-test-none", version="1")
def make_none() -> None:
    """No teacher at all."""


def test_what_is_no_teacher_is_refused_before_it_is_asked() -> None:
    with pytest.raises(
        ConfigError, match="teacher bounds-test-none is not what a run can ask; seen: NoneType"
    ):
        RunResources().make_asker({"use": "bounds-test-none"}, "gates.yaml")
