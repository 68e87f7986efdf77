"""The whole line after SIGKILL: wherever it is killed, the same command ends with the same files."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import synth_stack
from tests.kill_moments import pick_moments
from tests.recipes import read_tree, write_recipe

LIMIT_S = 120.0
"""Far more than the command takes: about five seconds, most of it imports."""


def start(recipe: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "synth_stack.cli.main", "run", str(recipe), "--out", str(out), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_line_killed_in_any_stage_ends_with_the_files_of_an_undisturbed_one(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    whole = synth_stack.run(recipe, tmp_path / "whole").folder
    out = tmp_path / "out"

    for sign in pick_moments(
        ("candidates", "verdicts/structure", "decisions.parquet", "report.html", "pack"), 2
    ):
        with start(recipe, out) as process:
            end = time.monotonic() + LIMIT_S
            while not (out / sign).exists() and process.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.001)
            process.kill()  # SIGKILL
            process.wait(timeout=LIMIT_S)
        assert (out / sign).exists()

    with start(recipe, out) as process:
        assert process.wait(timeout=LIMIT_S) == 0
    assert read_tree(out) == read_tree(whole)
