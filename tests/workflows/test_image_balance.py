"""The shipped recipe for images on random weights: balanced, durable, the same files after a kill."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import StoreError
from synth_stack.inputs.recipe import load_recipe
from tests.kill_moments import pick_moments

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.diffusion,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SHORT = {
    "generate.target": {"accepted": 4, "max_candidates": 8},
    "generate.batch_rows": 2,
    "generate.balance.floor": 0,
}
_RUN_KILLED = """
import ast, os, signal, sys
left = int(sys.argv[2])
def count(real):
    def call(*args, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **named)
    return call
os.fsync, os.replace = count(os.fsync), count(os.replace)
import synth_stack
from synth_stack.inputs.recipe import load_recipe
synth_stack.run(load_recipe(sys.argv[3], ast.literal_eval(sys.argv[4])), sys.argv[1])
"""
"""Runs a recipe, and kills itself before the n-th fsync or rename."""


def list_images(run: Path) -> dict[str, str]:
    """The images of a run with their digests."""
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((run / "images").rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe with all that it reads, run to its end by its own script."""
    folder = tmp_path_factory.mktemp("image_balance")
    script = ROOT / "pipelines" / "image_balance" / "try_it.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def test_the_recipe_fills_the_rare_slices_and_says_so(prepared: Path) -> None:
    lines = (prepared / "printed.txt").read_text().splitlines()
    rows = {line.split()[0]: [int(number) for number in line.split()[1:]] for line in lines[1:-1]}
    before, planned, accepted, after = rows["tram/night"]
    assert (before, after) == (0, accepted)
    assert accepted >= planned > 0
    assert rows["car/day"][1] == 0
    checks = synth_stack.verify(prepared / "run" / "pack").checks
    assert checks
    for path, digest in list_images(prepared / "run").items():
        assert path == f"images/{digest[:2]}/{digest}.png"


@pytest.fixture(scope="module")
def whole(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """An undisturbed short run: its folder, the root of its pack, and how many durable steps it took."""
    steps = 0

    def count(real: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **named: Any) -> None:
            nonlocal steps
            steps += 1
            real(*args, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "replace"):
            patch.setattr(os, name, count(getattr(os, name)))
        recipe = load_recipe(prepared / "recipe.yaml", SHORT)
        result = synth_stack.run(recipe, tmp_path_factory.mktemp("whole") / "run")
    return result.folder, result.pack.root, steps


@pytest.mark.parametrize("moment", pick_moments(range(20), 2))
def test_a_run_killed_at_any_moment_goes_on_and_leaves_the_same_files(
    prepared: Path, whole: tuple[Path, str, int], tmp_path: Path, moment: int
) -> None:
    """Killed before the fsync or rename that comes so many twentieths of all of them into the run."""
    undisturbed, root, steps = whole
    killed = tmp_path / "killed"
    last = 1 + round(moment * (steps - 2) / 19)
    process = subprocess.run(
        [sys.executable, "-c", _RUN_KILLED, str(killed), str(last), str(prepared / "recipe.yaml"), repr(SHORT)],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert process.returncode == -signal.SIGKILL, process.stderr[-2000:]
    again = synth_stack.run(load_recipe(prepared / "recipe.yaml", SHORT), killed)
    assert list_images(killed) == list_images(undisturbed)
    assert again.pack.root == root
    assert not list(killed.rglob("*.tmp"))


def test_a_full_disk_in_a_batch_is_one_sentence_and_the_run_goes_on(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(prepared / "recipe.yaml", SHORT)
    synced: list[str] = []
    real = os.fsync

    def fill_up(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        if ".png." in name:
            synced.append(name)
            if len(synced) == 4:
                raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(StoreError, match="No space left on device") as raised:
        synth_stack.run(recipe, tmp_path / "run")
    assert "Free some space and run the same command again" in str(raised.value)
    monkeypatch.setattr(os, "fsync", real)
    result = synth_stack.run(recipe, tmp_path / "run")
    assert result.figures.accepted >= 4
    assert synth_stack.verify(result.pack.path).checks
