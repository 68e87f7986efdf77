from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from synth_stack.errors import ConfigError, InputError, ModelError
from synth_stack.generators.image.condition_estimators import EstimatorUse, load_map_drawer
from synth_stack.generators.image.conditions import ConditionUse, open_conditions, record_conditions
from synth_stack.images.pose_maps import draw_poses, read_poses
from tests.picture_rows import draw_picture, save
from tests.tiny_models import write_tiny_depth, write_tiny_detector, write_tiny_pose, write_tiny_segmenter

WRITE = {
    "depth": write_tiny_depth,
    "pose": write_tiny_pose,
    "segment": write_tiny_segmenter,
    "layout": write_tiny_detector,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: str(write(folder / kind)) for kind, write in WRITE.items()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "1.png").write_bytes(save(draw_picture(1, 90)))
    return folder


def use(kind: str, photos: Path, path: str, **more: Any) -> ConditionUse:
    estimator = {"path": path, "license": "Apache-2.0", **more}
    told = {"kind": kind, "path": str(photos), "license": "CC0-1.0", "estimator": estimator}
    return ConditionUse.model_validate(told)


@pytest.mark.parametrize("kind", WRITE)
def test_a_model_draws_the_map_of_a_picture(kind: str, photos: Path, models: Mapping[str, str]) -> None:
    """The weights are random: that a map is drawn is tested, and nothing that it shows."""
    found = open_conditions([use(kind, photos, models[kind])])
    (drawn,) = found.draw("x", 1, 64, 48)
    assert (drawn.pixels.shape, drawn.source) == ((48, 64, 3), "1.png")
    assert drawn.pixels.any()
    assert drawn.how["drawn"] == "estimated"
    assert drawn.how["estimator"] == {
        "name": kind,
        "license": "Apache-2.0",
        "sha256": drawn.how["estimator"]["sha256"],
    }
    again = open_conditions([use(kind, photos, models[kind])]).draw("x", 2, 64, 48)
    assert np.array_equal(drawn.pixels, again[0].pixels)


def test_what_colours_and_boxes_stand_for_is_told(photos: Path, models: Mapping[str, str]) -> None:
    layout, segment = (
        open_conditions([use(kind, photos, models[kind])]).draw("x", 1, 64, 64)[0].how
        for kind in ("layout", "segment")
    )
    assert {box["label"] for box in layout["boxes"]} == set(layout["legend"]) == {"person"}
    assert all(type(side) is int for box in layout["boxes"] for side in box["box"])
    assert set(segment["legend"]) <= {"road", "sky", "car"}


def test_people_are_those_that_a_detector_finds(photos: Path, models: Mapping[str, str]) -> None:
    detector = {"path": models["layout"], "license": "Apache-2.0"}
    (drawn,) = open_conditions([use("pose", photos, models["pose"], detector=detector)]).draw("x", 1, 64, 64)
    assert drawn.how["detector"]["name"] == "layout"
    told = [use("pose", photos, models["pose"], detector=detector).model_dump(mode="json")]
    (recorded,) = record_conditions(told)
    assert (recorded["estimator"]["name"], recorded["detector"]["name"]) == ("pose", "layout")
    assert str(photos.parent) not in repr(recorded)
    assert models["pose"] not in repr(recorded)


def test_a_picture_without_anything_fails_its_row(photos: Path, models: Mapping[str, str]) -> None:
    """A detector that is sure of nothing."""
    shy = write_tiny_detector(photos.parent / "shy", sure=False)
    found = open_conditions([use("layout", photos, str(shy))])
    with pytest.raises(InputError, match=r"the condition 1.png gives no layout: nothing is found"):
        found.draw("x", 1, 64, 64)
    detector = {"path": str(shy), "license": "MIT"}
    people = open_conditions([use("pose", photos, models["pose"], detector=detector)])
    with pytest.raises(InputError, match="no person is found"):
        people.draw("x", 1, 64, 64)


def test_a_model_that_cannot_draw_the_kind_is_refused(
    tmp_path: Path, photos: Path, models: Mapping[str, str]
) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as"):
        open_conditions([use("depth", photos, models["pose"])])
    with pytest.raises(ModelError, match="no folder of weights"):
        open_conditions([use("depth", photos, str(tmp_path / "gone"))])
    with pytest.raises(ModelError, match="holds no model"):
        open_conditions([use("depth", photos, str(photos))])
    with pytest.raises(ConfigError, match="taken at one commit"):
        open_conditions([use("depth", photos, "hub:depth-anything/Depth-Anything-V2-Small-hf")])
    detector = {"path": models["layout"], "license": "MIT"}
    with pytest.raises(ConfigError, match="of no use for depth"):
        open_conditions([use("depth", photos, models["depth"], detector=detector)])
    told = EstimatorUse.model_validate({"path": models["depth"], "license": "MIT"})
    with pytest.raises(ConfigError, match="no model draws canny"):
        load_map_drawer("canny", told, {})


def test_an_estimator_of_what_is_given_or_drawn_is_refused(photos: Path, models: Mapping[str, str]) -> None:
    told = use("depth", photos, models["depth"]).model_dump(mode="json")
    with pytest.raises(ValidationError, match="the maps are given"):
        ConditionUse.model_validate({**told, "given": True})
    with pytest.raises(ValidationError, match="canny is drawn without a model"):
        ConditionUse.model_validate({**told, "kind": "canny"})


def test_boxes_of_a_file_are_told_in_pixels_of_the_map(tmp_path: Path) -> None:
    line = '{"file_name": "1.jpg", "width": 100, "height": 50, "boxes": [{"label": "cat", "box": [0, 0, 50, 50]}]}'
    (tmp_path / "boxes.jsonl").write_text(line + "\n")
    told: dict[str, Any] = {"kind": "layout", "path": str(tmp_path / "boxes.jsonl"), "license": "MIT"}
    told["colours"] = {"cat": [9, 8, 7]}
    (drawn,) = open_conditions([ConditionUse.model_validate(told)]).draw("x", 1, 64, 32)
    assert drawn.how == {
        "drawn": "boxes",
        "legend": {"cat": "#090807"},
        "boxes": [{"label": "cat", "box": [0, 0, 32, 32]}],
    }


def test_a_given_pose_keeps_its_joints(tmp_path: Path) -> None:
    from tests.images.test_pose_maps import stand

    (tmp_path / "1.png").write_bytes(save(draw_poses([stand(20, 20, 460)], 512, 512)))
    told = ConditionUse.model_validate({"kind": "pose", "path": str(tmp_path), "license": "MIT"})
    (drawn,) = open_conditions([told]).draw("x", 1, 256, 256)
    assert len(read_poses(drawn.pixels)) == 1
