"""A recipe to begin with previews at once, runs to a pack, and fits the schemas that lie beside it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from datasets import disable_progress_bars, load_dataset

import synth_stack
from synth_stack.errors import InputError
from synth_stack.inputs.recipe import load_recipe
from synth_stack.registry import registered
from synth_stack.shipped_files import list_recipes
from synth_stack.workflows.check_files import check_file
from synth_stack.workflows.init import init_recipe, list_shapes
from synth_stack.workflows.preview import preview_run

FORMS = {"preference": "trl-dpo", "contrast": "trl-dpo", "repair": "trl-dpo"}
"""What a trainer takes of a shape; messages of the others."""


@pytest.mark.parametrize("shape", list(list_shapes()))
def test_a_recipe_of_each_shape_previews_at_once_and_runs_to_a_pack_that_loads_and_exports(
    shape: str, tmp_path: Path
) -> None:
    disable_progress_bars()
    path = init_recipe(shape, tmp_path / "new", about='a shop: "lamps"')
    for file, schema in (("recipe.yaml", "recipe.schema.json"), ("gates.yaml", "gates.schema.json")):
        value = yaml.safe_load((path.parent / file).read_text(encoding="utf-8"))
        jsonschema.validate(value, json.loads((path.parent / schema).read_text(encoding="utf-8")))
    assert check_file(path).faults == ()

    shown = preview_run(load_recipe(path), 4)
    assert shown.decisions is not None
    assert len(shown.rows) >= 4
    assert [row["failure"] for row in shown.rows].count(None) >= 3
    assert "accepted" in {said["decision"] for said in shown.decisions}

    ran = synth_stack.run(load_recipe(path, {"generate.candidates": 12}), tmp_path / "run")
    counts = synth_stack.verify(ran.pack.path).counts
    assert counts is not None
    assert (counts.generated, counts.held) == (ran.figures.generated, 0)
    loaded = [row for split in counts.splits for row in load(ran.pack.path, split.name, tmp_path)]
    assert len(loaded) == counts.accepted >= 2
    for split in counts.splits:
        form = FORMS.get(shape, "messages")
        out = tmp_path / f"{split.name}.jsonl"
        written = synth_stack.export(ran.pack.path, out, format=form, split=split.name)
        assert len(written.path.read_text(encoding="utf-8").splitlines()) == split.rows


def load(pack: Path, split: str, cache: Path) -> list[dict[str, Any]]:
    config = "default" if split == "train" else split
    return list(load_dataset(str(pack), config, split=split, cache_dir=str(cache / "cache")))


def test_every_method_is_in_a_shape_or_in_a_recipe_of_the_package(tmp_path: Path) -> None:
    written = [init_recipe(shape, tmp_path / shape) for shape in list_shapes()]
    shipped = [folder / "recipe.yaml" for folder in list_recipes().values()]
    used = {method.use for path in (*written, *shipped) for method in load_recipe(path).generate.methods}
    every = registered("generator")  # other tests register theirs in the same process
    ours = {name for name, entry in every.items() if entry.module.startswith("synth_stack.")}
    assert used == ours


def test_no_shape_hides_a_recipe_of_the_package() -> None:
    assert not set(list_shapes()) & set(list_recipes())


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
