"""What comes with the package has a name, and each file of it is sound."""

from pathlib import Path

import pytest
import yaml

from synth_stack.errors import ConfigError
from synth_stack.inputs.gate_file import find_gates
from synth_stack.inputs.recipe import load_recipe
from synth_stack.shipped_files import find_weights_lock, list_gate_files, list_recipes
from synth_stack.workflows.check_files import check_file

OTHER_THAN = "Other than standard"
TIERS_AND_USES = ["code", "multilingual", "standard", "strict", "support"]


def test_the_gate_files_by_tier_and_by_use_are_there() -> None:
    assert list(list_gate_files()) == TIERS_AND_USES
    assert find_weights_lock().read_text(encoding="utf-8").count("--hash=sha256:") >= 3


@pytest.mark.parametrize("name", TIERS_AND_USES)
def test_each_gate_file_is_sound_and_says_why_every_gate_stands_there(name: str) -> None:
    assert check_file(name).faults == ()
    gates = yaml.safe_load(list_gate_files()[name].read_text(encoding="utf-8"))["gates"]
    assert all(len(gate["why"]) > 20 for gate in gates)


def flatten(gate: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in gate.items():
        inner = flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        flat.update(inner)
    return flat


@pytest.mark.parametrize("name", ["code", "support", "multilingual"])
def test_each_difference_from_the_standard_file_has_its_reason_before_it(name: str) -> None:
    files = list_gate_files()
    standard = {
        gate["use"]: gate for gate in yaml.safe_load(files["standard"].read_text(encoding="utf-8"))["gates"]
    }
    text = files[name].read_text(encoding="utf-8")
    for section in text.split("  - use: ")[1:]:
        use = section.split("\n", 1)[0]
        [gate] = yaml.safe_load(f"  - use: {section}")
        if use not in standard:
            assert OTHER_THAN in text.split(f"  - use: {use}")[0].rsplit("\n\n", 1)[-1]
            continue
        own, usual = flatten(gate), flatten(standard[use])
        changed = {key.partition(".")[0] for key in own | usual if own.get(key) != usual.get(key)} - {"why"}
        reasons = section.count(OTHER_THAN)
        assert bool(changed) == bool(reasons), (use, changed)
        for key in changed:  # the reason stands in the comment above the key, or above its neighbour
            before = section.split(f"    {key}:", 1)[0]
            assert OTHER_THAN in before, (use, key)


def test_a_file_of_that_name_goes_before_one_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_gates("strict") == list_gate_files()["strict"]
    (tmp_path / "strict").write_text("version: 1\n", encoding="utf-8")
    assert find_gates("strict") == Path("strict")


@pytest.mark.parametrize("named", ["./standard.yaml", "there/standard", "mine.yml"])
def test_whatever_looks_like_a_path_is_one(named: str) -> None:
    assert find_gates(named) == Path(named)


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"allowed: a path, or one of code, .*Did you mean 'standard'"):
        find_gates("standrad")


@pytest.mark.parametrize("name", list(list_recipes()))
def test_each_recipe_is_sound(name: str) -> None:
    assert check_file(list_recipes()[name] / "recipe.yaml").faults == ()


def test_a_recipe_names_a_gate_file_of_the_package(tmp_path: Path) -> None:
    text = (list_recipes()["code_pairs"] / "recipe.yaml").read_text(encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(text.replace("gates: gates.yaml", "gates: code"), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml").gates == str(list_gate_files()["code"])
