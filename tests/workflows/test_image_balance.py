"""The shipped recipe for images on random weights: balanced, durable, the same files after a kill."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import synth_stack
from synth_stack.errors import StoreError
from synth_stack.inputs.recipe import load_recipe

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
_RUN = "import sys, synth_stack; from synth_stack.inputs.recipe import load_recipe; "


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


@pytest.mark.parametrize("after_images", [1, 4])
def test_a_killed_run_goes_on_and_leaves_the_same_files(
    prepared: Path, tmp_path: Path, after_images: int
) -> None:
    recipe = load_recipe(prepared / "recipe.yaml", SHORT)
    whole = synth_stack.run(recipe, tmp_path / "whole")
    code = f"{_RUN} synth_stack.run(load_recipe({str(prepared / 'recipe.yaml')!r}, {SHORT!r}), sys.argv[1])"
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(killed)], stderr=subprocess.DEVNULL, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    while process.poll() is None and len(list((killed / "images").rglob("*.png"))) < after_images:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "MANIFEST.json").exists()
    again = synth_stack.run(recipe, killed)
    assert list_images(killed) == list_images(whole.folder)
    assert again.pack.root == whole.pack.root


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
