import numpy as np
import pytest

from synth_stack.images.condition_maps import (
    LabelledBox,
    blur,
    colour_of,
    draw_boxes,
    draw_depths,
    draw_edges,
    draw_labels,
    fit,
)
from tests.picture_rows import draw_picture


def test_the_middle_of_an_image_is_fitted_without_being_stretched() -> None:
    wide = np.zeros((50, 200, 3), np.uint8)
    wide[:, 75:125] = 200
    assert (fit(wide, 64, 64) == 200).all()
    assert fit(wide, 200, 50) is wide
    assert fit(draw_picture(1, 64), 128, 32).shape == (32, 128, 3)


@pytest.mark.parametrize("size", [(1, 500), (500, 1), (1, 1)])
def test_a_line_of_pixels_is_fitted(size: tuple[int, int]) -> None:
    assert fit(np.full((*size, 3), 9, np.uint8), 64, 64).shape == (64, 64, 3)


def test_colours_of_labels_are_not_mixed() -> None:
    mask = np.zeros((10, 10, 3), np.uint8)
    mask[:5] = (255, 0, 7)
    fitted = fit(mask, 64, 64, labels=True)
    assert {tuple(pixel) for pixel in fitted.reshape(-1, 3).tolist()} == {(0, 0, 0), (255, 0, 7)}


def test_edges_are_where_the_image_has_some() -> None:
    square = np.zeros((64, 64, 3), np.uint8)
    square[16:48, 16:48] = 255
    edges = draw_edges(square, 100, 200)
    assert set(np.unique(edges)) == {0, 255}
    assert edges[32, 14:18].any()
    assert not edges[25:40, 25:40].any()


def test_blur_leaves_the_mean_and_takes_the_detail() -> None:
    picture = draw_picture(2, 64)
    soft = blur(picture, 5.0)
    assert abs(soft.mean() - picture.mean()) < 4
    assert (
        np.abs(np.diff(soft.astype(int), axis=1)).mean()
        < np.abs(np.diff(picture.astype(int), axis=1)).mean() / 4
    )


def test_boxes_are_filled_with_the_colours_of_their_labels_the_smaller_on_top() -> None:
    boxes = [LabelledBox("dog", 0.25, 0.25, 0.25, 0.25), LabelledBox("room", 0.0, 0.0, 1.0, 0.75)]
    drawn = draw_boxes(boxes, 40, 20, {"room": (1, 2, 3)})
    assert tuple(drawn[0, 0]) == (1, 2, 3)
    assert tuple(drawn[7, 12]) == colour_of("dog")
    assert tuple(drawn[19, 0]) == (0, 0, 0)
    assert (drawn[5:10, 10:20] == colour_of("dog")).all()
    assert tuple(drawn[10, 10]) == (1, 2, 3)


def test_what_is_nearest_is_white_and_what_is_farthest_black() -> None:
    depths = np.linspace(-3, 7, 12, dtype=np.float32).reshape(3, 4)
    drawn = draw_depths(depths, 8, 6)
    assert drawn.shape == (6, 8, 3)
    assert (drawn[0, 0].tolist(), drawn[-1, -1].tolist()) == ([0, 0, 0], [255, 255, 255])
    assert not draw_depths(np.full((3, 4), 2.0, np.float32), 8, 6).any()


def test_each_point_has_the_colour_of_its_label() -> None:
    drawn = draw_labels(np.array([[0, 1], [1, 1]]), [(1, 2, 3), (4, 5, 6)])
    assert drawn.tolist() == [[[1, 2, 3], [4, 5, 6]], [[4, 5, 6], [4, 5, 6]]]
