"""A run with a target after SIGKILL: wherever it is killed, it goes on in the right round to the same files."""

import random
import time
from pathlib import Path

import pytest

import synth_stack
from tests.kill_moments import pick_moments
from tests.recipes import read_tree, write_recipe
from tests.workflows.test_durable_line import LIMIT_S, start

SIGNS = (
    "rounds/round-000.json",
    "candidates/part-000-*",
    "rounds/.done-000",
    "verdicts/dedup/part-*",
    "rounds/round-001.json",
    "candidates/part-001-*",
    "rounds/.done-001",
    "verdicts/contamination/part-00001.parquet",
    "pack",
)


@pytest.mark.slow
def test_a_run_killed_in_any_round_ends_with_the_files_of_an_undisturbed_one(tmp_path: Path) -> None:
    rng = random.Random(20261122)
    recipe = write_recipe(
        tmp_path,
        teacher={"use": "scripted", "empty_share": 0.25, "delay_s": 0.01},
        generate={
            "target": {"accepted": 40, "per_slice": 6},
            "batch_rows": 4,
            "methods": [
                {"use": "self_instruct", "share": 0.6, "examples": 2},
                {"use": "magpie", "share": 0.4},
            ],
        },
    )
    whole = synth_stack.run(recipe, tmp_path / "whole")
    assert whole.spent.rounds > 1
    assert whole.spent.reached is True
    out = tmp_path / "out"

    for sign in pick_moments(SIGNS, 2):
        with start(recipe, out) as process:
            end = time.monotonic() + LIMIT_S
            while not any(out.glob(sign)) and process.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.05))
            process.kill()  # SIGKILL
            process.wait(timeout=LIMIT_S)
        assert any(out.glob("rounds/*"))

    with start(recipe, out) as process:
        assert process.wait(timeout=LIMIT_S) == 0
    assert read_tree(out) == read_tree(whole.folder)
    assert not list(out.rglob("*.tmp"))
