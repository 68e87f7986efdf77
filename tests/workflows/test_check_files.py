"""Recipes and gate files checked without a run: each fault is named with its place."""

from pathlib import Path

import pytest

from synth_stack.workflows.check_files import check_file
from synth_stack.workflows.init import init_recipe
from tests.recipes import call


def spoil(file: Path, old: str, new: str) -> str:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("file", "old", "new", "kind", "fault"),
    [
        ("gates.yaml", "- use: dedup", "- use: dedpu", "gates", "Did you mean 'dedup'"),
        (
            "gates.yaml",
            "- use: dedup",
            "- use: dedup\n    treshold: 0.9",
            "gates",
            "Did you mean 'threshold'",
        ),
        ("recipe.yaml", "use: scripted", "use: scriptde", "recipe", "Did you mean 'scripted'"),
        ("recipe.yaml", "examples: 3", "examples: many", "recipe", "methods[0]"),
        ("recipe.yaml", "gates: gates.yaml", "gates: standart", "recipe", "Did you mean 'standard'"),
        ("recipe.yaml", "seed: 7", "seed: [7", "file", "line"),
    ],
)
def test_a_fault_is_named_with_what_was_meant(  # noqa: PLR0917  (a row of the table)
    file: str, old: str, new: str, kind: str, fault: str, tmp_path: Path
) -> None:
    init_recipe("instruction", tmp_path)
    assert check_file(tmp_path / "recipe.yaml").faults == ()

    checked = check_file(spoil(tmp_path / file, old, new))

    assert any(fault in each for each in checked.faults), checked
    assert checked.kind == kind


def test_a_fault_in_the_gate_file_of_a_recipe_is_one_of_the_recipe(tmp_path: Path) -> None:
    init_recipe("instruction", tmp_path)
    spoil(tmp_path / "gates.yaml", "- use: dedup", "- use: dedup\n    ngram: 0")
    assert "ngram" in check_file(tmp_path / "recipe.yaml").faults[0]


@pytest.mark.parametrize("own", ["", "seed: no number\n"])
def test_faults_of_teacher_methods_models_and_gates_are_told_at_once(own: str, tmp_path: Path) -> None:
    init_recipe("preference", tmp_path)
    spoil(tmp_path / "recipe.yaml", "teacher: {use: scripted}", "teacher: {use: scriptde}")
    spoil(tmp_path / "recipe.yaml", "n: 4", "n: 99, aspect: [honesty]")
    spoil(tmp_path / "recipe.yaml", "model: judge", "modle: judge")
    spoil(tmp_path / "recipe.yaml", "seed: 7\n", own or "seed: 7\n")
    spoil(tmp_path / "gates.yaml", "- use: dedup", "- use: dedpu")
    told = "\n".join(check_file(tmp_path / "recipe.yaml").faults)
    for what in ("'scripted'", "generate.methods[0]", "'aspects'", "models.judge", "'dedup'"):
        assert what in told
    assert ("seed" in told) == bool(own)


def test_the_command_names_all_files_and_ends_with_2_where_one_is_not_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = init_recipe("instruction", tmp_path)
    code, out, err = call(monkeypatch, capsys, "check", str(recipe), "standard", str(tmp_path / "none.yaml"))
    assert code == 2
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "ok", "wrong"]
    assert err.startswith("error: ")
    assert call(monkeypatch, capsys, "check", str(recipe), "standard")[0] == 0


def test_a_gate_file_is_found_by_a_path_from_where_the_command_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "gates.yaml").write_text("version: 1\ngates: [{use: structure}]\n")
    monkeypatch.chdir(tmp_path)
    assert check_file("mine/gates.yaml").faults == ()
