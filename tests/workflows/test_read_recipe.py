"""All that is wrong in a recipe, its gate file and its seeds is told at once, before anything is spent."""

from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError, UsageError
from synth_stack.workflows.read_recipe import read_recipe
from tests.recipes import write_recipe, write_yaml

BAD_GATES = {"version": 1, "gates": [{"use": "dedup", "threshold": 3}, {"use": "structur"}]}


def write_bad(folder: Path, **changes: Any) -> Path:
    path = write_recipe(folder, **changes)
    (folder / "seeds.jsonl").write_text('{"id": "a", "slice": "b", "locale": "en", "text": ""}\n')
    write_yaml(folder / "gates.yaml", BAD_GATES)
    return path


def list_faults(error: UsageError) -> list[str]:
    return [str(error), *error.others]


def test_the_faults_of_recipe_gates_seeds_teacher_and_methods_are_told_together(tmp_path: Path) -> None:
    methods = [{"use": "self_instruc", "share": 0.5}, {"use": "magpie", "turns": -1, "share": 0.5}]
    path = write_bad(
        tmp_path,
        teacher={"use": "scripted", "empty_share": 7},
        models={"judge": {"use": "nobody"}},
        baseline="nowhere.jsonl",
        generate={"candidates": 4, "methods": methods},
    )
    with pytest.raises(UsageError) as caught:
        synth_stack.run(path, tmp_path / "run")
    told = "\n".join(list_faults(caught.value))
    for fault in (
        "nowhere.jsonl is not a file",
        "column 'text' is empty",
        "teacher: empty_share",
        "models.judge: there is no teacher",
        "generate.methods[0]: there is no generator",
        "generate.methods[1]: turns",
        "gates[0]: threshold",
        "gates[1]: there is no gate",
    ):
        assert told.count(fault) == 1, told
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_recipe_still_tells_of_its_gates_and_seeds(tmp_path: Path) -> None:
    path = write_bad(tmp_path, seedz=3, sed=4)
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    told = list_faults(caught.value)
    assert [fault.split(": ", 1)[1][:24] for fault in told] == [
        "seedz is not a known key",
        "sed is not a known key; ",
        "gates[0]: threshold is n",
        "gates[1]: there is no ga",
        "line 1: column 'text' is",
    ]


def test_a_sound_recipe_is_read_as_it_stands(tmp_path: Path) -> None:
    assert read_recipe(write_recipe(tmp_path), {"seed": 9}).seed == 9


@pytest.mark.parametrize(
    "text", ["", "[1]", "gates: [1]\n", "seeds: {path: 3}\ngates: 7\n", "a: !!python/x 1\n"]
)
def test_what_is_no_recipe_at_all_is_one_sentence_or_more_and_no_traceback(text: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(UsageError):
        read_recipe(tmp_path / "recipe.yaml")


def test_of_gates_that_an_extension_may_bring_nothing_is_said(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, seedz=3)
    write_yaml(tmp_path / "gates.yaml", {"version": 1, "load": ["mine.py"], "gates": [{"use": "mine"}]})
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    assert len(list_faults(caught.value)) == 1
