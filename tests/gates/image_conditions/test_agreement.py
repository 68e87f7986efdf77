import numpy as np
import pytest
from PIL import Image, ImageFilter

from synth_stack.gates.image_conditions.agreement import (
    find_edges,
    measure_blurred,
    measure_depth,
    measure_edges,
    rank_above,
)
from synth_stack.images.decoding import Pixels
from tests.picture_rows import draw_picture

BLACK = np.zeros((64, 64, 3), np.uint8)


def soften(pixels: Pixels, radius: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def test_ranks_are_shares_of_pairs_and_ties_count_half() -> None:
    x, y = np.array([1, 2], np.float32), np.array([0, 1], np.float32)
    assert rank_above(x, y) == (1 + 0.5 + 1 + 1) / 4
    assert rank_above(x, x[:0]) is None


def test_an_image_follows_its_own_edges_and_not_those_of_another() -> None:
    own, other = find_edges(draw_picture(1)), find_edges(draw_picture(2))
    assert (measure_edges(draw_picture(1), own) or 0) > 0.85
    assert abs((measure_edges(draw_picture(1), other) or 0) - 0.5) < 0.1


@pytest.mark.parametrize("condition", [BLACK, BLACK + 255])
def test_edges_nowhere_or_everywhere_say_nothing(condition: Pixels) -> None:
    assert measure_edges(draw_picture(1), condition) is None


def test_a_condition_of_another_size_is_laid_over_the_whole_image() -> None:
    large = np.asarray(Image.fromarray(draw_picture(1)).resize((300, 300)))
    assert (measure_edges(large, find_edges(draw_picture(1))) or 0) > 0.85


def test_an_image_follows_its_own_blurred_form_and_is_the_opposite_of_its_negative() -> None:
    blurred = soften(draw_picture(1), 8)
    assert (measure_blurred(draw_picture(1), blurred) or 0) > 0.9
    assert (measure_blurred(255 - draw_picture(1), blurred) or 0) < 0.1
    assert measure_blurred(draw_picture(1), BLACK) is None


def test_depth_is_compared_by_its_order_alone() -> None:
    ramp = np.tile(np.linspace(0, 1, 80, dtype=np.float32), (60, 1))
    condition = np.repeat((ramp**2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    assert (measure_depth(ramp * 7 - 3, condition) or 0) > 0.99
    assert (measure_depth(-ramp, condition) or 1) < 0.01
    assert measure_depth(ramp * 0, condition) == 0.5
    assert measure_depth(ramp, BLACK) is None
