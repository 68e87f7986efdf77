"""The gate by a stand-in for fastdup, which compares pixels; make test-fastdup asks the real one."""

import io
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from PIL import Image

from synth_stack.errors import ConfigError, GateError, MissingExtra
from synth_stack.gates.gate import Judge
from synth_stack.gates.image_fastdup.engine import FastdupAnswer
from synth_stack.gates.image_fastdup.gate import image_fastdup
from synth_stack.gates.image_fastdup.outcome import choose_twins
from synth_stack.rows.schemas import build_candidates
from tests.picture_rows import PictureFolder, draw_picture, save, write_rows

STAND_IN = """
import csv, os, sys
import numpy as np
from PIL import Image

__version__ = "2.54"

def run(input_dir, work_dir, **options):
    print("a banner")
    assert "HF_TOKEN" not in os.environ and os.environ["SENTRY_OPT_OUT"] == "True"
    import socket
    try:
        socket.create_connection(("127.0.0.1", 9))
    except OSError as exc:
        assert "no network" in str(exc)
    os.makedirs(work_dir)
    names = sorted(os.listdir(input_dir))
    images = [np.asarray(Image.open(os.path.join(input_dir, n)).convert("L").resize((16, 16)), float) for n in names]
    alike = np.corrcoef([i.ravel() + 1e-9 * np.arange(256) for i in images])
    with open(os.path.join(work_dir, "similarity.csv"), "w") as f:
        print("from,to,distance", file=f)
        for a in range(len(names)):
            for b in range(len(names)):
                if a != b and alike[a, b] > options["threshold"]:
                    print(f"{input_dir}/{names[a]},{input_dir}/{names[b]},{alike[a, b]}", file=f)
    with open(os.path.join(work_dir, "atrain_stats.csv"), "w") as f:
        print("index,filename,width,height,unique,blur,mean,min,max,stdv,file_size,contrast", file=f)
        for k, (name, image) in enumerate(zip(names, images)):
            print(f"{k},{input_dir}/{name},1,1,1,500,{image.mean()},0,255,{image.std()},1,1", file=f)
    return 0
"""


def write_python(folder: Path, module: str | None = STAND_IN) -> Path:
    """A Python that has a module fastdup, or an installation of one that does not work, or none."""
    folder.mkdir(exist_ok=True)
    if module is not None:
        (folder / "fastdup.py").write_text(module)
        (folder / "fastdup-2.54.dist-info").mkdir(exist_ok=True)
        (folder / "fastdup-2.54.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: fastdup\nVersion: 2.54\n"
        )
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python


def play(judge: Judge, table: pa.Table) -> list[dict[str, Any]]:
    (only,) = judge.rounds
    state = only.merge([only.sketch(table, {})], {})
    said: list[dict[str, Any]] = judge.judge(table, state).to_pylist()
    return said


_PRINT_PHOTOGRAPH = """
import io, sys
from PIL import Image
from sklearn.datasets import load_sample_image
data = io.BytesIO()
Image.fromarray(load_sample_image(sys.argv[1])[::2, ::2]).save(data, "PNG")
sys.stdout.buffer.write(data.getvalue())
"""


def read_photograph(python: Path, name: str) -> bytes:
    """A photograph that scikit-learn carries, as a PNG, read where fastdup is installed (make test-fastdup)."""
    command = [str(python), "-c", _PRINT_PHOTOGRAPH, name]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


def write_batch(folder: Path, python: Path) -> pa.Table:
    """Two pictures and two drawings, one of them dark, and a copy of the first.

    The real fastdup is shown photographs, which its network tells apart; the stand-in compares pixels.
    """
    if python.parent.name == "env":
        first, second = save(draw_picture(1)), save(draw_picture(2))
    else:
        first, second = (read_photograph(python, f"{name}.jpg") for name in ("china", "flower"))
    with Image.open(io.BytesIO(first)) as picture:
        copied = save(np.asarray(picture.convert("RGB")), "JPEG", quality=90)
    files = {"a.png": first, "b.png": second, "c.png": save(draw_picture(3))}
    files |= {"dark.png": save(draw_picture(4) // 40), "copy.jpg": copied, "broken.png": b"no image"}
    return write_rows(folder, files)


@pytest.fixture(params=[pytest.param("stand-in"), pytest.param("real", marks=pytest.mark.fastdup)])
def python(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "stand-in":
        return write_python(tmp_path / "env")
    return Path(os.environ["SYNTH_STACK_FASTDUP_PYTHON"])


def test_copies_are_rejected_with_their_twin_and_dark_ones_are_held(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    table = write_batch(tmp_path / "images", python)
    folder = PictureFolder(tmp_path / "images")
    judge = image_fastdup(folder, python=str(python), noncommercial=True, max_outlier=None)
    assert "CC BY-NC-ND" in caplog.text
    assert judge.facts["fastdup"] == "2.54"
    said = dict(zip(["a", "b", "c", "dark", "copy", "broken"], play(judge, table), strict=True))
    pair = {said["a"]["outcome"], said["copy"]["outcome"]}
    assert pair == {"accept", "reject"}
    gone, kept = sorted((said["a"], said["copy"]), key=lambda each: each["outcome"] == "accept")
    assert orjson.loads(gone["evidence"])["twin"] == kept["row_id"]
    assert said["dark"]["reason_class"] == "image_fastdup.dark"
    assert said["dark"]["outcome"] == "hold"
    assert said["broken"]["outcome"] == "abstain"
    assert {said["b"]["outcome"], said["c"]["outcome"]} == {"accept"}


def test_it_catches_its_canaries_and_they_change_nothing(python: Path, tmp_path: Path) -> None:
    table = write_batch(tmp_path / "images", python)
    folder = PictureFolder(tmp_path / "images")
    judge = image_fastdup(folder, python=str(python), noncommercial=True, max_outlier=None)
    assert judge.plant is not None
    planted = judge.plant(table, 3, 1)
    (only,) = judge.rounds
    state = only.merge([only.sketch(table, {}), only.sketch(planted, {})], {})
    assert judge.judge(planted, state)["outcome"].to_pylist() == ["reject"] * 3
    assert judge.judge(table, state)["outcome"].to_pylist() == [
        each["outcome"] for each in play(judge, table)
    ]


def test_its_licence_has_to_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="commercial"):
        image_fastdup(PictureFolder(tmp_path), python=str(write_python(tmp_path / "env")))


def test_an_environment_without_it_is_refused_before_any_row(tmp_path: Path) -> None:
    for python in (write_python(tmp_path / "env", None), tmp_path / "nothing"):
        with pytest.raises(MissingExtra):
            image_fastdup(PictureFolder(tmp_path), python=str(python), noncommercial=True)


@pytest.mark.parametrize(
    "module",
    ["raise SystemExit(3)", "def run(**_): return 1", "def run(**_):\n    import os\n    os._exit(0)"],
)
def test_a_run_that_fails_is_an_error_of_the_gate(tmp_path: Path, module: str) -> None:
    python = write_python(tmp_path / "env", module)
    table = write_batch(tmp_path / "images", python)
    judge = image_fastdup(PictureFolder(tmp_path / "images"), python=str(python), noncommercial=True)
    with pytest.raises(GateError, match="fastdup"):
        play(judge, table)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_not_asked_about(tmp_path: Path, count: int) -> None:
    python = write_python(tmp_path / "env", "def run(**_): return 1")
    files = {"a.png": save(draw_picture(1))} if count else {}
    table = write_rows(tmp_path / "images", files) if count else build_candidates([])
    judge = image_fastdup(PictureFolder(tmp_path / "images"), python=str(python), noncommercial=True)
    assert [each["outcome"] for each in play(judge, table)] == ["accept"] * count


def test_no_chain_of_likenesses_joins_images_that_are_not_alike() -> None:
    """1 is like 0, and 2 like 1 but not like 0: 2 stays."""
    answer = FastdupAnswer("", ((0, 1, 0.99), (1, 2, 0.98), (2, 0, 0.7)), {}, {})
    twins, best = choose_twins([0, 1, 2], [False] * 3, answer, 0.96)
    assert twins == {1: 0}
    assert best == {0: 0.0, 1: 0.99, 2: 0.7}


def test_a_planted_row_stays_for_none() -> None:
    answer = FastdupAnswer("", ((0, 1, 0.99),), {}, {})
    assert choose_twins([0, 1], [False, True], answer, 0.96)[0] == {1: 0}
    twins, best = choose_twins([0, 1], [True, True], answer, 0.96)
    assert (twins, best) == ({}, {0: 0.0, 1: 0.0})
