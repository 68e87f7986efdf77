from pathlib import Path

import numpy as np

from synth_stack.images.decoding import decode
from synth_stack.images.planting import draw_texture, pick_images, sample_images, write_png
from tests.picture_rows import draw_picture, save, write_rows


def test_images_of_a_sample_are_made_smaller_and_broken_ones_left_out(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": b"none", "b.png": save(draw_picture(1, 400))}, slices=("x", "y"))
    ((name, pixels),) = sample_images(table, 5, tmp_path)
    assert (name, pixels.shape) == ("y", (256, 256, 3))
    picked = list(pick_images(table, 3, tmp_path))
    assert all((each == pixels).all() for each in picked)
    assert len(picked) == 3


def test_where_nothing_can_be_decoded_textures_stand_in(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": b"none"})
    first, second = pick_images(table, 2, tmp_path)
    assert (first == draw_texture(0)).all()
    assert (first != second).any()


def test_a_png_holds_the_pixels() -> None:
    texture = draw_texture(7)
    assert (decode(write_png(texture)).pixels == texture).all()
    assert np.ptp(texture) > 150
