import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from synth_stack.errors import ConfigError, InputError
from synth_stack.generators.image.conditions import ConditionUse, open_conditions, record_conditions
from tests.picture_rows import draw_picture, save


def use(kind: str, path: Path, **more: Any) -> ConditionUse:
    return ConditionUse.model_validate({"kind": kind, "path": str(path), "license": "CC0-1.0", **more})


def fill(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(save(draw_picture(number, 48)))
    return folder


def test_sources_are_matched_by_name_and_a_slice_draws_from_its_folder(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "cat/1.png", "cat/2.png", "dog/1.png", "3.png")
    depths = fill(tmp_path / "depths", "cat/1.png", "dog/1.png", "3.png", "4.png")
    found = open_conditions([use("canny", photos), use("depth", depths)])
    assert found.names == ("3", "cat/1", "dog/1")
    assert (found.list_names("cat"), found.list_names("bird")) == (["cat/1"], ["3"])
    edges, depth = found.draw("cat", 7, 64, 32)
    assert (edges.source, depth.source) == ("cat/1.png", "cat/1.png")
    assert edges.pixels.shape == depth.pixels.shape == (32, 64, 3)
    assert set(np.unique(edges.pixels)) <= {0, 255}


def test_what_is_drawn_follows_from_the_seed_of_the_row(tmp_path: Path) -> None:
    found = open_conditions([use("blur", fill(tmp_path, *(f"{n}.png" for n in range(20))), sigma=2.0)])
    drawn = [found.draw("x", seed, 16, 16)[0].source for seed in range(30)]
    assert drawn == [found.draw("x", seed, 16, 16)[0].source for seed in range(30)]
    assert len(set(drawn)) > 5


def test_boxes_are_a_layout(tmp_path: Path) -> None:
    line = {
        "file_name": "cat/1.jpg",
        "width": 100,
        "height": 50,
        "boxes": [{"label": "cat", "box": [0, 0, 50, 50]}],
    }
    (tmp_path / "boxes.jsonl").write_text(json.dumps(line) + "\n")
    found = open_conditions([use("layout", tmp_path / "boxes.jsonl", colours={"cat": [9, 8, 7]})])
    (drawn,) = found.draw("cat", 1, 64, 32)
    assert (drawn.pixels[:, :32] == (9, 8, 7)).all()
    assert not drawn.pixels[:, 32:].any()
    assert drawn.source == "boxes.jsonl: cat/1"


def test_sources_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no image in empty"):
        open_conditions([use("depth", empty)])
    with pytest.raises(InputError, match="has no source"):
        open_conditions([use("depth", tmp_path / "gone")])
    one, other = fill(tmp_path / "one", "a.png"), fill(tmp_path / "other", "b.png")
    with pytest.raises(ConfigError, match="no name in common"):
        open_conditions([use("canny", one), use("depth", other)])
    with pytest.raises(InputError, match="two images of one name"):
        open_conditions([use("canny", fill(tmp_path / "two", "a.png", "a.jpg"))])
    with pytest.raises(InputError, match=r"no condition \(canny\) is there for a slice"):
        open_conditions([use("canny", fill(tmp_path / "deep", "cat/a.png"))]).require(["cat", "dog"])


def test_a_picture_that_cannot_be_decoded_is_said_of_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(save(draw_picture(1, 48))[:200])
    with pytest.raises(InputError, match=r"the condition a.png gives no image"):
        open_conditions([use("canny", tmp_path)]).draw("x", 1, 16, 16)


@pytest.mark.parametrize(
    "change", [{"start": 0.5, "end": 0.5}, {"low": 200, "high": 100}, {"scale": -1.0}, {"kind": "sketch"}]
)
def test_a_condition_that_steers_nothing_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        use(**{"kind": "canny", "path": tmp_path, **change})


def test_a_lock_has_the_digest_of_a_source_and_not_its_place(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.png")
    told = use("canny", photos).model_dump(mode="json")
    (first,) = record_conditions([told])
    assert (first["path"], first["files"], first["scale"]) == ("photos", 1, "1.0")
    fill(tmp_path / "photos", "b.png")
    assert record_conditions([told])[0]["sha256"] != first["sha256"]
