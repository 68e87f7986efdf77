import numpy as np
import pytest

from synth_stack.diffusion.requests import Condition, ImageRequest
from synth_stack.diffusion.steering import steer

PIXELS = np.full((8, 8, 3), 255, np.uint8)


def ask(*conditions: Condition) -> list[ImageRequest]:
    return [ImageRequest("a", 8, 8, 2, 3.0, seed, conditions=conditions) for seed in (1, 2)]


def test_a_network_alone_takes_its_conditions_without_a_list_around_them() -> None:
    told = steer("sdxl", "controlnet", ask(Condition("canny", PIXELS, 0.5, 0.1, 0.9)))
    assert len(told.pop("image")) == 2
    assert told == {
        "controlnet_conditioning_scale": 0.5,
        "control_guidance_start": 0.1,
        "control_guidance_end": 0.9,
    }


def test_several_networks_of_sdxl_take_one_image_each() -> None:
    told = steer("sdxl", "controlnet", ask(Condition("canny", PIXELS), Condition("depth", PIXELS, 0.5))[:1])
    assert [image.size for image in told["image"]] == [(8, 8), (8, 8)]
    assert told["controlnet_conditioning_scale"] == [1.0, 0.5]


def test_a_union_is_told_the_numbers_of_the_kinds() -> None:
    told = steer("sdxl", "union", ask(Condition("layout", PIXELS), Condition("depth", PIXELS)))
    assert told["control_mode"] == [5, 1]
    assert [len(each) for each in told["control_image"]] == [2, 2]
    assert steer("flux", "union", ask(Condition("blur", PIXELS)))["control_mode"] == [3]


def test_a_transformer_takes_the_image_alone() -> None:
    assert list(steer("flux", "transformer", ask(Condition("depth", PIXELS)))) == ["control_image"]


@pytest.mark.diffusion
def test_edges_of_sd3_have_the_range_that_its_network_was_trained_on() -> None:
    edges = steer("sd3", "controlnet", ask(Condition("canny", PIXELS)))["control_image"]
    depth = steer("sd3", "controlnet", ask(Condition("depth", PIXELS)))["control_image"]
    assert (edges.shape, float(edges.max()), float(depth.max())) == ((2, 3, 8, 8), 128.0, 1.0)
