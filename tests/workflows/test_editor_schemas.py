"""The schemas for editors know every registered name, and take the recipes and gate files of the repository."""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from synth_stack.registry import registered
from synth_stack.workflows.editor_schemas import Kind, write_schema

ROOT = Path(__file__).parents[2]
FILES = [
    *[("recipe", path) for path in sorted(ROOT.glob("pipelines/*/recipe.yaml"))],
    *[
        ("gates", path)
        for path in sorted([*ROOT.glob("pipelines/*/gates.yaml"), *ROOT.glob("curator_configs/*.yaml")])
    ],
]


@pytest.mark.parametrize(
    ("kind", "path"), FILES, ids=lambda value: getattr(value, "parent", value) and str(value)[-40:]
)
def test_a_file_of_the_repository_fits(kind: Kind, path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), write_schema(kind))


def test_a_misspelt_key_and_a_value_out_of_range_do_not_fit() -> None:
    good = yaml.safe_load(
        (ROOT / "pipelines" / "preference_pairs" / "recipe.yaml").read_text(encoding="utf-8")
    )
    checked = jsonschema.Draft202012Validator(write_schema("recipe"))

    def change(**changes: Any) -> Any:
        value = copy.deepcopy(good)
        value["teacher"].update(changes)
        return value

    assert checked.is_valid(good)
    assert not checked.is_valid(change(temprature=0.3))
    assert not checked.is_valid(change(temperature=3))


def test_every_registered_name_is_a_choice() -> None:
    defs = write_schema("recipe")["$defs"]
    named = {choice["title"] for choice in defs["TeacherUse"]["oneOf"]}
    assert set(registered("teacher")) < named
    assert set(registered("gate")) < {
        choice["title"] for choice in write_schema("gates")["$defs"]["GateUse"]["oneOf"]
    }
