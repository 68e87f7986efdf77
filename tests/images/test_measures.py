import numpy as np
from PIL import Image, ImageFilter

from synth_stack.images.measures import measure_blur, measure_image
from tests.picture_rows import draw_picture

PICTURE = draw_picture(1, 256)


def blur(radius: float) -> float:
    return measure_image(np.asarray(Image.fromarray(PICTURE).filter(ImageFilter.GaussianBlur(radius)))).blur


def test_what_is_more_blurred_measures_more() -> None:
    found = [measure_image(PICTURE).blur, *(blur(radius) for radius in (1, 2, 4, 8))]
    assert found == sorted(found)
    assert found[0] < 0.7
    assert 0.9 < found[-1] <= 1


def test_rounding_is_no_edge() -> None:
    """A ramp of one grey level in four pixels has steps, which 8 bits make."""
    ramp = np.repeat(np.arange(64, dtype=np.float32) / 255, 4)
    assert measure_blur(np.tile(ramp, (256, 1))) == 1


def test_lightness_leaves_a_few_specks_out() -> None:
    dark = np.full((100, 100, 3), 10, np.uint8)
    dark[0, :50] = 255
    found = measure_image(dark)
    assert found.lightest == found.darkest == 10 / 255
    assert found.contrast == 0
