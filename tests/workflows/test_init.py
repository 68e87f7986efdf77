"""A recipe to begin with previews at once, and its files fit the schemas that lie beside them."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from synth_stack.errors import InputError
from synth_stack.inputs.recipe import load_recipe
from synth_stack.shipped_files import list_recipes
from synth_stack.workflows.check_files import check_file
from synth_stack.workflows.generate import preview
from synth_stack.workflows.init import init_recipe, list_shapes


@pytest.mark.parametrize("shape", list(list_shapes()))
def test_a_recipe_of_each_shape_previews_at_once_and_fits_its_schema(shape: str, tmp_path: Path) -> None:
    path = init_recipe(shape, tmp_path / "new", about='a shop: "lamps"')
    rows = preview(load_recipe(path), 4)
    assert len(rows) == 4
    assert [row["failure"] for row in rows].count(None) >= 3
    for file, schema in (("recipe.yaml", "recipe.schema.json"), ("gates.yaml", "gates.schema.json")):
        value = yaml.safe_load((path.parent / file).read_text(encoding="utf-8"))
        jsonschema.validate(value, json.loads((path.parent / schema).read_text(encoding="utf-8")))


def test_nothing_is_written_over_and_a_shape_that_is_none_is_named(tmp_path: Path) -> None:
    init_recipe("instruction", tmp_path)
    before = (tmp_path / "recipe.yaml").read_bytes()
    with pytest.raises(InputError, match="has such files already"):
        init_recipe("preference", tmp_path)
    assert (tmp_path / "recipe.yaml").read_bytes() == before
    with pytest.raises(InputError, match="Did you mean 'preference'"):
        init_recipe("preferences", tmp_path / "other")


@pytest.mark.parametrize("name", list(list_recipes()))
def test_a_recipe_of_the_package_is_copied_with_every_file_that_it_reads(name: str, tmp_path: Path) -> None:
    path = init_recipe(name, tmp_path / "copy")
    copied = load_recipe(path)
    named = [copied.gates, copied.seeds.path, copied.taxonomy, copied.documents]
    files = [Path(file) for file in named if file]
    assert all(file.exists() and file.is_relative_to(tmp_path.resolve() / "copy") for file in files), files
    assert check_file(path).faults == ()


def test_a_copied_recipe_keeps_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a whole recipe"):
        init_recipe("code_pairs", tmp_path, name="mine")
