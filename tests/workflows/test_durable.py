"""A killed run loses nothing: after SIGKILL at any moment the same command ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synth_stack.files import read_table
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import list_parts
from tests.kill_moments import pick_moments
from tests.shop import write_recipe

DELAYS_S = (0.0, 0.02, 0.05)
"""How long after a part is committed each kill comes."""
LIMIT_S = 120.0
"""Far more than the command takes: it is over in about five seconds, most of it imports."""


def start(recipe: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "synth_stack.cli.main",
        "generate",
        str(recipe),
        "--out",
        str(out),
        "--quiet",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(recipe: Path, out: Path) -> tuple[int, str]:
    with start(recipe, out) as process:
        _, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, err.decode()


def read_bytes(out: Path) -> dict[str, bytes]:
    return {part.name: part.read_bytes() for part in list_parts(out / "candidates")}


def kill_after_parts(recipe: Path, out: Path, parts: int, delay_s: float) -> None:
    """Run the command until `parts` parts are committed and `delay_s` more, and kill it there."""
    with start(recipe, out) as process:
        end = time.monotonic() + LIMIT_S
        while len(list_parts(out / "candidates")) < parts and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.002)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LIMIT_S)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    teacher = {"use": "scripted", "delay_s": 0.02, "empty_share": 0.1}
    methods = [{"use": "self_instruct", "share": 0.6}, {"use": "magpie", "share": 0.4}]
    recipe = write_recipe(tmp_path, teacher, methods=methods, candidates=60, batch_rows=2)
    assert finish(recipe, tmp_path / "whole")[0] == 0
    whole = read_bytes(tmp_path / "whole")
    assert len(whole) == 30

    out = tmp_path / "out"
    for delay_s in pick_moments(DELAYS_S, 1):
        before = read_bytes(out)
        kill_after_parts(recipe, out, parts=len(before) + 3, delay_s=delay_s)
        after = read_bytes(out)
        assert before.items() <= after.items() <= whole.items()
        assert len(after) > len(before)
        for part in list_parts(out / "candidates"):
            read_table(part, CANDIDATE_SCHEMA)
    assert len(read_bytes(out)) < len(whole)
    assert finish(recipe, out) == (0, "")
    assert read_bytes(out) == whole
    assert not list(out.rglob("*.tmp"))


@pytest.mark.slow
def test_a_second_process_in_the_same_folder_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, {"use": "scripted", "delay_s": 60.0})
    with start(recipe, tmp_path / "out") as first:
        end = time.monotonic() + LIMIT_S
        while not (tmp_path / "out" / "recipe.lock.yaml").exists():
            assert time.monotonic() < end
            assert first.poll() is None
            time.sleep(0.01)
        code, err = finish(recipe, tmp_path / "out")
        assert code == 1
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert "is in use by another process" in err
        os.kill(first.pid, signal.SIGINT)
        _, said = first.communicate(timeout=25.0)  # and not when the teacher has answered
    assert first.returncode == 130
    assert said.decode().count("\n") <= 1
    assert list_parts(tmp_path / "out" / "candidates") == []
