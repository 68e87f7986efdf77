from pathlib import Path

import numpy as np
import orjson
import pytest

from synth_stack.errors import ModelError
from synth_stack.models.pose_estimators import load_pose_estimator
from tests.picture_rows import draw_picture
from tests.tiny_models import write_tiny_pose


def test_the_person_in_each_box_has_joints(tmp_path: Path) -> None:
    """The weights are random: that the code runs is tested, and nothing that it says."""
    estimator = load_pose_estimator(write_tiny_pose(tmp_path))
    boxes = [(0.0, 0.0, 128.0, 128.0), (30.0, 20.0, 40.0, 80.0)]
    found = estimator.estimate(draw_picture(1), boxes)
    assert [person.shape for person in found] == [(17, 3), (17, 3)]
    assert all(((person[:, 2] >= 0) & (person[:, 2] <= 1)).all() for person in found)
    assert np.array_equal(found, estimator.estimate(draw_picture(1), boxes))
    assert estimator.estimate(draw_picture(1), []) == []


def test_a_model_of_other_joints_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_pose(tmp_path, joints=21)
    assert len(orjson.loads((folder / "config.json").read_bytes())["id2label"]) == 21
    with pytest.raises(ModelError, match="knows other joints"):
        load_pose_estimator(folder)
