import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from synth_stack.errors import ModelError
from synth_stack.gates.gate import Judge
from synth_stack.gates.image_conditions.agreement import find_edges
from synth_stack.gates.image_conditions.gate import image_conditions
from synth_stack.images.condition_maps import draw_depths, draw_labels
from synth_stack.images.conditions import (
    LabelledPixelBox,
    describe_boxes,
    describe_conditions,
    describe_legend,
)
from synth_stack.images.pose_maps import draw_poses
from synth_stack.models.depth_estimators import load_depth_estimator
from synth_stack.models.image_segmenters import load_image_segmenter
from synth_stack.models.object_detectors import load_object_detector
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from tests.images.test_pose_maps import stand
from tests.picture_rows import PictureFolder, draw_picture, save, write_rows
from tests.some_rows import make_row
from tests.tiny_models import write_tiny_depth, write_tiny_detector, write_tiny_pose, write_tiny_segmenter


def attach(folder: Path, name: str, data: bytes, role: str) -> dict[str, str]:
    (folder / name).write_bytes(data)
    return {"path": name, "sha256": hashlib.sha256(data).hexdigest(), "mime": "image/png", "role": role}


def make(
    folder: Path,
    *conditions: tuple[str, bytes],
    image: bytes | None = None,
    told: Mapping[str, Any] | None = None,
) -> pa.Table:
    """One row of picture 1 with these conditions by kind, of the first of which more is told."""
    files = [attach(folder, "image.png", save(draw_picture(1)) if image is None else image, "result")]
    files += [attach(folder, f"{n}.png", data, "condition") for n, (_, data) in enumerate(conditions)]
    said = describe_conditions([kind for kind, _ in conditions])
    if told is not None:
        said["image"]["conditions"][0] |= told
    extra = canonical_text(said)
    return build_candidates([make_row(kind="image", attachments=files, extra=extra)])


def judge(folder: Path, table: pa.Table, **params: Any) -> dict[str, Any]:
    said: dict[str, Any] = bind(folder, **params).judge(table, {}).to_pylist()[0]
    return said


def bind(folder: Path, **params: Any) -> Judge:
    return image_conditions(PictureFolder(folder), **params)


OWN, OTHER = (save(find_edges(draw_picture(seed))) for seed in (1, 2))


def test_an_image_that_follows_its_edges_is_accepted(tmp_path: Path) -> None:
    said = judge(tmp_path, make(tmp_path, ("canny", OWN)))
    assert (said["outcome"], said["reason"]) == ("accept", None)
    assert said["score"] > 0.85


def test_an_image_with_another_outline_is_rejected_for_its_worst_condition(tmp_path: Path) -> None:
    table = make(tmp_path, ("blur", save(draw_picture(1))), ("canny", OTHER))
    said = judge(tmp_path, table)
    assert (said["outcome"], said["reason_class"]) == ("reject", "image_conditions.departs")
    assert "canny" in said["reason"]
    agreement = orjson.loads(said["evidence"])["agreement"]
    assert said["score"] == agreement["canny"] < 0.7 < agreement["blur"]
    assert judge(tmp_path, table, action="hold")["outcome"] == "hold"
    assert judge(tmp_path, table, threshold=0.51)["outcome"] == (
        "accept" if said["score"] >= 0.51 else "reject"
    )


def test_what_cannot_be_compared_is_named_and_what_can_decides(tmp_path: Path) -> None:
    said = judge(tmp_path, make(tmp_path, ("pose", OWN), ("canny", OWN)))
    assert said["outcome"] == "accept"
    assert set(orjson.loads(said["evidence"])["uncompared"]) == {"pose"}


@pytest.mark.parametrize(
    ("conditions", "image", "reason_class"),
    [
        ((), None, "nothing_to_compare"),
        ((("canny", OWN),), b"no image", "nothing_to_compare"),
        ((("canny", b"no image"),), None, "not_compared"),
        ((("depth", OWN),), None, "not_compared"),
        ((("canny", save(draw_picture(1) * 0)),), None, "not_compared"),
    ],
)
def test_a_row_of_which_nothing_can_be_compared_is_abstained_on(
    tmp_path: Path, conditions: tuple[tuple[str, bytes], ...], image: bytes | None, reason_class: str
) -> None:
    said = judge(tmp_path, make(tmp_path, *conditions, image=image))
    assert (said["outcome"], said["reason_class"]) == ("abstain", f"image_conditions.{reason_class}")


def test_it_catches_its_canaries_and_spares_its_controls(tmp_path: Path) -> None:
    bound = bind(tmp_path)
    assert bound.plant is not None
    assert bound.control is not None
    none = build_candidates([])
    for table, outcome in ((bound.plant(none, 12, 5), "reject"), (bound.control(none, 12, 5), "accept")):
        said = bound.judge(table, {})["outcome"].to_pylist()
        assert said.count(outcome) == len(said) == 24


def test_an_empty_table_has_no_verdicts(tmp_path: Path) -> None:
    assert len(bind(tmp_path).judge(build_candidates([]), {})) == 0


def test_a_folder_without_a_model_is_refused_before_any_row(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        bind(tmp_path, depth_model=str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match="runs code"):
        bind(tmp_path, depth_model=str(tmp_path))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Models of random weights, by the parameter that names them: that the code runs is tested by them, and
    nothing that they say.
    """
    folder = tmp_path_factory.mktemp("models")
    write = {
        "depth_model": write_tiny_depth,
        "pose_model": write_tiny_pose,
        "detector": write_tiny_detector,
        "segmenter": write_tiny_segmenter,
    }
    return {name: str(make_model(folder / name)) for name, make_model in write.items()}


def test_depths_follow_an_estimator_and_their_opposite_does_not(
    tmp_path: Path, models: dict[str, str]
) -> None:
    depths = load_depth_estimator(Path(models["depth_model"])).estimate(draw_picture(1))
    own = draw_depths(depths, 128, 128)
    for map_, outcome in ((own, "accept"), (255 - own, "reject")):
        said = judge(tmp_path, make(tmp_path, ("depth", save(map_))), depth_model=models["depth_model"])
        assert said["outcome"] == outcome
    facts = bind(tmp_path, depth_model=models["depth_model"]).facts
    assert facts["models"]["depth"]["files"]["model.safetensors"]
    assert facts["kinds"] == ["blur", "canny", "depth"]


def test_a_pose_is_compared_where_the_condition_has_people(tmp_path: Path, models: dict[str, str]) -> None:
    pose = save(draw_poses([stand(10, 10, 100)], 128, 128))
    said = judge(tmp_path, make(tmp_path, ("pose", pose)), pose_model=models["pose_model"])
    assert said["outcome"] in {"accept", "reject"}
    assert 0.5 <= said["score"] <= 1
    nobody = judge(tmp_path, make(tmp_path, ("pose", OWN)), pose_model=models["pose_model"])
    assert (nobody["outcome"], nobody["reason_class"]) == ("abstain", "image_conditions.not_compared")
    assert "no person" in nobody["reason"]


def test_a_layout_is_compared_with_what_is_found(tmp_path: Path, models: dict[str, str]) -> None:
    found = load_object_detector(Path(models["detector"])).detect(draw_picture(1))
    boxes = [LabelledPixelBox(b.label, b.left, b.top, b.width, b.height) for b in found]
    gone = [replace(box, label="car" if box.label == "person" else "person") for box in boxes]
    unknown = [replace(box, label="zebra") for box in boxes]
    for told, outcome in ((boxes, "accept"), (gone, "reject"), (unknown, "abstain")):
        table = make(tmp_path, ("layout", OWN), told=describe_boxes(told))
        assert judge(tmp_path, table, detector=models["detector"])["outcome"] == outcome


def test_a_layout_that_was_given_has_its_boxes_around_its_colours(
    tmp_path: Path, models: dict[str, str]
) -> None:
    """The tiny detector finds the middle half, four times over."""
    map_ = np.zeros((128, 128, 3), np.uint8)
    map_[32:96, 32:96] = (200, 10, 10)
    table = make(tmp_path, ("layout", save(map_)), told=describe_legend({"person": (200, 10, 10)}))
    said = judge(tmp_path, table, detector=models["detector"])
    assert (said["outcome"], said["score"] > 0.95) == ("accept", True)
    plain = judge(tmp_path, make(tmp_path, ("layout", save(map_))), detector=models["detector"])
    assert "names no box" in plain["reason"]


def test_labels_are_compared_point_by_point(tmp_path: Path, models: dict[str, str]) -> None:
    segmenter = load_image_segmenter(Path(models["segmenter"]))
    places = segmenter.segment(draw_picture(1))
    colours = [(10, 0, 0), (0, 20, 0), (0, 0, 30)]
    legend = describe_legend(dict(zip(segmenter.labels, colours, strict=True)))
    for turned, outcome in ((0, "accept"), (1, "reject")):
        map_ = save(draw_labels((places + turned) % 3, colours))
        table = make(tmp_path, ("segment", map_), told=legend)
        assert judge(tmp_path, table, segmenter=models["segmenter"])["outcome"] == outcome
    other = make(tmp_path, ("segment", save(draw_labels(places, colours))), told={"legend": {"x": "#010203"}})
    assert "no colour of a label" in judge(tmp_path, other, segmenter=models["segmenter"])["reason"]


def test_it_plants_for_every_model_what_that_has_to_turn_away(tmp_path: Path, models: dict[str, str]) -> None:
    bound = bind(tmp_path, **models)
    assert bound.plant is not None
    assert bound.control is not None
    sample = write_rows(tmp_path, {f"{n}.png": save(draw_picture(n)) for n in range(2)})
    planted, controls = bound.plant(sample, 2, 5), bound.control(sample, 2, 5)
    kinds = [orjson.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    assert {"canny", "blur", "depth", "layout", "segment"} <= set(kinds)
    assert set(bound.judge(planted, {})["outcome"].to_pylist()) == {"reject"}
    own = zip(bound.judge(controls, {})["outcome"].to_pylist(), controls["extra"].to_pylist(), strict=True)
    assert {outcome for outcome, extra in own if orjson.loads(extra)["kind"] != "pose"} == {"accept"}
    assert bound.plant(sample, 2, 5).equals(planted)


def test_a_model_for_something_else_is_refused(tmp_path: Path, models: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as"):
        bind(tmp_path, detector=models["depth_model"])
