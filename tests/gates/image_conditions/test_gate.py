import hashlib
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from synth_stack.errors import ModelError
from synth_stack.gates.gate import Judge
from synth_stack.gates.image_conditions.agreement import find_edges
from synth_stack.gates.image_conditions.gate import image_conditions
from synth_stack.images.conditions import describe_conditions
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from tests.picture_rows import PictureFolder, draw_picture, save
from tests.some_rows import make_row
from tests.tiny_models import write_tiny_depth


def attach(folder: Path, name: str, data: bytes, role: str) -> dict[str, str]:
    (folder / name).write_bytes(data)
    return {"path": name, "sha256": hashlib.sha256(data).hexdigest(), "mime": "image/png", "role": role}


def make(folder: Path, *conditions: tuple[str, bytes], image: bytes | None = None) -> pa.Table:
    """One row of picture 1 with these conditions by kind."""
    files = [attach(folder, "image.png", save(draw_picture(1)) if image is None else image, "result")]
    files += [attach(folder, f"{n}.png", data, "condition") for n, (_, data) in enumerate(conditions)]
    extra = canonical_text(describe_conditions([kind for kind, _ in conditions]))
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


def test_depth_is_compared_where_an_estimator_is_named(tmp_path: Path) -> None:
    """The estimator is of random weights: that the code runs is tested, and nothing that it says."""
    table = make(tmp_path, ("depth", save(draw_picture(1))))
    model = write_tiny_depth(tmp_path / "model")
    said = judge(tmp_path, table, depth_model=str(model))
    assert said["outcome"] in {"accept", "reject"}
    assert 0 <= said["score"] <= 1
    assert bind(tmp_path, depth_model=str(model)).facts["depth_model"]["files"]["model.safetensors"]
