import numpy as np
import pytest

from synth_stack.images.pose_maps import FROM_COCO, Joints, draw_poses, read_poses
from tests.picture_rows import draw_picture, save


def stand(left: float, top: float, size: float) -> Joints:
    """A person that stands upright in a square of that size."""
    places = [(50, 8), (55, 5), (45, 5), (60, 8), (40, 8), (68, 24), (32, 24), (76, 42), (24, 42)]
    places += [(80, 58), (20, 58), (60, 58), (40, 58), (62, 78), (38, 78), (63, 97), (37, 97)]
    found = np.ones((17, 3), np.float32)
    found[:, :2] = np.array([left, top]) + np.array(places) * size / 100
    return found


@pytest.mark.parametrize("side", [128, 512, 1024])
def test_what_is_drawn_is_read_again(side: int) -> None:
    people = [stand(0.04 * side, 0.1 * side, 0.42 * side), stand(0.5 * side, 0.3 * side, 0.45 * side)]
    found = read_poses(draw_poses(people, side, side))
    assert len(found) == 2
    for wanted, seen in zip(people, sorted(found, key=lambda each: float(each[0, 0])), strict=True):
        assert np.abs(wanted[:, :2] - seen[:, :2]).max() < 0.012 * side
        assert (seen[:, 2] == 1).all()


def test_a_picture_that_was_saved_with_loss_says_the_same() -> None:
    from synth_stack.images.decoding import decode

    drawn = draw_poses([stand(20, 20, 400)], 512, 512)
    (found,) = read_poses(decode(save(drawn, "JPEG", quality=85)).pixels)
    assert np.abs(found[:, :2] - stand(20, 20, 400)[:, :2]).max() < 8


def test_a_joint_that_is_not_sure_is_neither_drawn_nor_read() -> None:
    person = stand(10, 10, 230)
    person[9, 2] = 0.1
    (found,) = read_poses(draw_poses([person], 256, 256))
    assert found[9, 2] == 0
    assert (found[:, 2] > 0).sum() == 16


def test_people_who_touch_and_what_is_no_person_are_left_out() -> None:
    both = draw_poses([stand(10, 10, 230), stand(30, 10, 230)], 256, 256)
    assert read_poses(both) == []
    few = stand(10, 10, 230)
    few[3:, 2] = 0
    assert read_poses(draw_poses([few], 256, 256)) == []
    assert read_poses(np.zeros((64, 64, 3), np.uint8)) == []
    assert read_poses(np.full((64, 64, 3), 255, np.uint8)) == []
    assert isinstance(read_poses(draw_picture(3)), list)


def test_a_person_far_outside_of_the_picture_is_not_drawn() -> None:
    assert not draw_poses([stand(9e5, 9e5, 100)], 64, 64).any()


def test_the_joints_are_those_of_openpose() -> None:
    """lllyasviel/ControlNet, annotator/openpose: nose, neck, then right arm before left, legs, eyes, ears."""
    drawn = draw_poses([stand(0, 0, 512)], 512, 512)
    for number, colour in {0: (255, 0, 0), 4: (170, 255, 0), 7: (0, 255, 85), 17: (255, 0, 85)}.items():
        coco = FROM_COCO[number]
        assert coco is not None
        x, y = np.rint(stand(0, 0, 512)[coco, :2]).astype(int)
        assert tuple(drawn[y, x]) == colour
