"""A run of any newer shape of rows ends with the same bytes, however often it was killed."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth_stack.runs.folder import list_parts
from synth_stack.workflows.init import init_recipe
from tests.generators.code.test_languages import RULES as CODE_RULES
from tests.generators.instruction.test_task_steps import RULES as TASK_RULES
from tests.recipes import read_tree

KILLS = 20
LIMIT_S = 300.0
"""Far more than a run takes: it is over in ten seconds, most of it imports."""


def start(recipe: Path, out: Path, key: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "synth_stack.cli.main", "run", str(recipe), "--out", str(out), "--quiet"]
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin", "SYNTH_STACK_KEY": str(key)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def write_shape(shape: str, folder: Path) -> Path:
    """A recipe of the shape whose teacher takes its time, in batches of two rows."""
    recipe = init_recipe(shape, folder)
    text = recipe.read_text(encoding="utf-8").replace("batch_rows: 8", "batch_rows: 2")
    recipe.write_text(text.replace("use: scripted\n", "use: scripted\n  delay_s: 0.01\n"), encoding="utf-8")
    return recipe


SHIPPED: dict[str, tuple[list[dict[str, Any]], list[tuple[str, list[str]]]]] = {
    "self_instruct": ([{"use": "self_instruct_tasks", "pool_every": 8}], TASK_RULES),
    "magpie": ([{"use": "magpie", "system": "none", "answers": "plain"}], []),
    "code_languages": ([{"use": "oss_instruct", "pool": {"path": "pool", "snippets": "lines"}}], CODE_RULES),
    "instruction_pairs": ([{"use": "evol_instruct", "rounds": 3, "keep": "all"}], []),
    "adversarial": (
        [{"use": "crescendo", "turns": 3, "share": 0.5}, {"use": "tactic_composition", "share": 0.5}],
        [("refuse in your first sentence", ["I can't help with that. I can tell you what is allowed."])],
    ),
}
"""Recipes that ship, with the methods of theirs that are killed, and what their teacher says."""


def copy_shipped(name: str, folder: Path) -> Path:
    """A recipe that ships, for a teacher that takes its time, in batches of two rows."""
    shutil.copytree(Path(__file__).parents[2] / "pipelines" / name, folder)
    methods, rules = SHIPPED[name]
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    told = [{"match": match, "replies": replies} for match, replies in rules]
    recipe["teacher"] = {"use": "scripted", "delay_s": 0.01, "rules": told}
    recipe["generate"] = {"candidates": 32, "batch_rows": 2, "methods": methods}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return folder / "recipe.yaml"


def read_bytes(out: Path) -> dict[str, bytes]:
    """What the rows of a run are, and what was decided of them."""
    found = {part.name: part.read_bytes() for part in list_parts(out / "candidates")}
    decisions = out / "decisions.parquet"
    return found | ({"decisions": decisions.read_bytes()} if decisions.exists() else {})


@pytest.mark.kills
@pytest.mark.parametrize("shape", ["tools", "maths", "structured", *SHIPPED])
def test_a_shape_killed_at_random_moments_ends_with_the_bytes_of_an_undisturbed_run(
    shape: str, tmp_path: Path
) -> None:
    write = copy_shipped if shape in SHIPPED else write_shape
    recipe, key = write(shape, tmp_path / "recipe"), tmp_path / "key.pem"
    with start(recipe, tmp_path / "whole", key) as process:
        _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err.decode()
    whole = read_bytes(tmp_path / "whole")
    rng = random.Random(20261130)
    out = tmp_path / "out"
    for wait in [rng.uniform(0.0, 0.3) for _ in range(KILLS)]:
        before = read_bytes(out)
        with start(recipe, out, key) as process:
            end = time.monotonic() + LIMIT_S
            while len(read_bytes(out)) <= len(before) and process.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.002)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=LIMIT_S)
        after = read_bytes(out)
        assert before.items() <= after.items() <= whole.items()
    with start(recipe, out, key) as process:
        _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err.decode()
    assert read_bytes(out) == whole
    assert read_tree(out) == read_tree(tmp_path / "whole")
