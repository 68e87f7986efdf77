"""What the README promises is what the repository does."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import synth_stack
from synth_stack.inputs.recipe import load_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_script_is_the_one_in_the_repository_and_gives_a_pack_that_verifies(tmp_path: Path) -> None:
    (script,) = blocks("python")
    source = (ROOT / "pipelines" / "three_lines.py").read_text()
    assert source.endswith(script)
    shutil.copytree(ROOT / "curator_configs", tmp_path / "curator_configs")

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )

    assert done.returncode == 0, done.stderr
    counts = {name: int(n) for name, n in re.findall(r"'(generated|replacements)': (\d+)", done.stdout)}
    assert counts["generated"] == 3
    checked = synth_stack.verify(tmp_path / "packs" / "faq")
    # the model answers freely, and a private number in an answer makes a redacted copy beside the row
    assert {check.name: check.count for check in checked.checks}["lineage records"] == sum(counts.values())


def test_the_recipe_is_that_of_the_demo_but_for_its_defaults(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    folder = ROOT / "pipelines" / "support_intents"
    shown = tmp_path / "pipelines" / "support_intents"
    shutil.copytree(folder, shown)
    (shown / "recipe.yaml").write_text(text)

    short, whole = load_recipe(shown / "recipe.yaml"), load_recipe(folder / "recipe.yaml")

    assert short.name == whole.name
    assert short.generate.candidates == whole.generate.candidates
    assert [(m.use, m.share) for m in short.generate.methods] == [
        (m.use, m.share) for m in whole.generate.methods
    ]
    assert short.seeds.text_column == whole.seeds.text_column


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_are_targets_of_the_makefile(command: str) -> None:
    assert command in README
    target = command.split()[1]
    plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stderr
    assert {"demo": "synth-stack run", "test": "pytest"}[target] in plan.stdout
