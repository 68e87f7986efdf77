import numpy as np
import pytest

from synth_stack.gates.image_conditions.map_agreement import (
    box_joints,
    compare_boxes,
    compare_joints,
    compare_labels,
)
from synth_stack.images.condition_maps import LabelledBox
from tests.images.test_pose_maps import stand


def test_joints_in_their_places_are_alike_and_a_body_further_they_are_not() -> None:
    wanted = stand(10, 10, 200)
    assert compare_joints(wanted, wanted, 0.3) == 1
    near, far = (wanted + np.array([d, 0, 0], np.float32) for d in (4, 150))
    assert 0.7 < compare_joints(wanted, near, 0.3) < 1
    assert compare_joints(wanted, far, 0.3) < 0.1


def test_the_similarity_is_that_of_coco() -> None:
    """One joint, a hip (sigma 0.107), 10 pixels off a person of 100 x 100: exp(-d^2 / (2 s^2 k^2))."""
    wanted = np.zeros((17, 3), np.float32)
    wanted[[5, 12]] = [0, 0, 1], [100, 100, 1]
    found = wanted.copy()
    found[12, 0] -= 10
    expected = np.exp(-100 / (2 * 5300 * (2 * 0.107) ** 2))
    assert compare_joints(wanted, found, 0.3) == pytest.approx((1 + expected) / 2)


def test_a_joint_that_was_not_found_is_not_there() -> None:
    wanted, found = stand(0, 0, 100), stand(0, 0, 100)
    found[:9, 2] = 0.2
    assert compare_joints(wanted, found, 0.3) == pytest.approx(8 / 17)
    assert box_joints(wanted) == pytest.approx((20, 5, 60, 92))


def test_boxes_are_matched_within_their_label_each_once() -> None:
    wanted = [LabelledBox("car", 0, 0, 0.5, 0.5), LabelledBox("car", 0.5, 0.5, 0.5, 0.5)]
    assert compare_boxes(wanted, wanted[::-1]) == 1
    assert compare_boxes(wanted, [*wanted, LabelledBox("dog", 0, 0, 1, 1)]) == 1
    assert compare_boxes(wanted, wanted[:1]) == 0.5
    assert compare_boxes(wanted, [LabelledBox("bus", 0, 0, 0.5, 0.5)]) == 0
    assert compare_boxes(wanted, []) == 0
    assert compare_boxes(wanted[:1], [LabelledBox("car", 0.25, 0, 0.5, 0.5)]) == pytest.approx(1 / 3)


def test_labels_overlap_where_one_is_asked_for() -> None:
    wanted = np.array([[0, 0, 1, -1], [0, 0, 1, -1]])
    found = np.array([[0, 0, 1, 0], [0, 1, 1, 1]])
    told = compare_labels(wanted, found, {0: "sky", 1: "road", 2: "car"})
    assert told == {"sky": 0.75, "road": pytest.approx(2 / 3)}
