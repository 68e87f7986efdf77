"""Rows of every kind, killed at random moments by SIGKILL: the run ends in the bytes of an undisturbed one.

`make test-shape-kills` runs this (KILLS=5 for a short one), and so does `make test-kills`. What comes after the
rows (gates, pack) is killed in test_durable_line.py.
"""

import hashlib
import multiprocessing
import os
import random
import time
from pathlib import Path

import pytest

import synth_stack
from synth_stack.runs.folder import list_parts
from tests.workflows.shapes_to_kill import SHAPES, build

KILLS = int(os.environ.get("SYNTH_STACK_SHAPE_KILLS", "20"))
MOST_PARTS = 3
"""Parts that a run commits at most before it is killed: it dies several times before it is whole."""
MOST_DELAY_S = 0.3
LIMIT_S = 600.0
"""Far more than a run takes, on a machine with much else to do too."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["synth_stack.workflows.run", "distilabel.steps.tasks", "tests.workflows.shapes_to_kill"]
)

pytestmark = pytest.mark.kills


def make_rows(shape: str, inputs: Path, out: Path) -> None:
    synth_stack.generate(build(shape, inputs), out)


def start(shape: str, folder: Path, out: str) -> multiprocessing.process.BaseProcess:
    process = FORKS.Process(target=make_rows, args=(shape, folder / "inputs", folder / out))
    process.start()
    return process


def finish(shape: str, folder: Path, out: str) -> dict[str, str]:
    process = start(shape, folder, out)
    process.join(LIMIT_S)
    assert process.exitcode == 0
    return read_digests(folder / out)


def read_digests(out: Path) -> dict[str, str]:
    parts = list_parts(out / "candidates")
    return {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in parts}


def kill(shape: str, folder: Path, out: str, lots: random.Random) -> bool:
    """Kill a run after some more of its parts; whether it was still at work."""
    wanted = len(list_parts(folder / out / "candidates")) + lots.randint(0, MOST_PARTS)
    process = start(shape, folder, out)
    end = time.monotonic() + LIMIT_S
    while process.is_alive() and len(list_parts(folder / out / "candidates")) < wanted:
        assert time.monotonic() < end
        time.sleep(0.005)
    time.sleep(lots.uniform(0, MOST_DELAY_S))
    process.kill()
    process.join(LIMIT_S)
    return process.exitcode != 0


@pytest.mark.parametrize("shape", SHAPES)
def test_killed_at_random_moments_a_run_ends_in_the_same_bytes(shape: str, tmp_path: Path) -> None:
    whole = finish(shape, tmp_path, "whole")
    assert len(whole) > 1
    lots = random.Random(shape)
    kills, number = 0, 0
    while kills < KILLS:
        out, number = f"run-{number}", number + 1
        while kills < KILLS and kill(shape, tmp_path, out, lots):
            kills += 1
            assert read_digests(tmp_path / out).items() <= whole.items()
        assert finish(shape, tmp_path, out) == whole
        assert not list((tmp_path / out).rglob("*.tmp"))
