import numpy as np

from synth_stack.diffusion.requests import Condition, ImageRequest

PIXELS = np.zeros((8, 8, 3), np.uint8)


def test_requests_of_one_shape_may_differ_in_prompt_noise_and_picture() -> None:
    first = ImageRequest("a", 64, 64, 2, 3.0, 1, conditions=(Condition("canny", PIXELS),))
    second = ImageRequest("b", 64, 64, 2, 3.0, 2, conditions=(Condition("canny", PIXELS + 1),))
    assert first.shape == second.shape


def test_what_the_images_of_a_call_share_is_in_the_shape() -> None:
    plain = ImageRequest("a", 64, 64, 2, 3.0, 1)
    others = [
        ImageRequest("a", 128, 64, 2, 3.0, 1),
        ImageRequest("a", 64, 128, 2, 3.0, 1),
        ImageRequest("a", 64, 64, 3, 3.0, 1),
        ImageRequest("a", 64, 64, 2, 4.0, 1),
        ImageRequest("a", 64, 64, 2, 3.0, 1, "blurred"),
        ImageRequest("a", 64, 64, 2, 3.0, 1, None, (Condition("canny", PIXELS),)),
        ImageRequest("a", 64, 64, 2, 3.0, 1, None, (Condition("canny", PIXELS, 0.5),)),
        ImageRequest("a", 64, 64, 2, 3.0, 1, None, (Condition("canny", PIXELS, 1.0, 0.2),)),
    ]
    assert len({plain.shape, *(each.shape for each in others)}) == len(others) + 1
