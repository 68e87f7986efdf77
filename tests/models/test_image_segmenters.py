from pathlib import Path

import numpy as np

from synth_stack.models.image_segmenters import load_image_segmenter
from tests.picture_rows import draw_picture
from tests.tiny_models import write_tiny_segmenter


def test_each_point_of_an_image_has_the_place_of_a_label(tmp_path: Path) -> None:
    """The weights are random: that the code runs is tested, and nothing that it says."""
    segmenter = load_image_segmenter(write_tiny_segmenter(tmp_path))
    assert segmenter.labels == ("road", "sky", "car")
    found = segmenter.segment(draw_picture(1)[:, :96])
    assert found.shape == (128, 96)
    assert set(np.unique(found).tolist()) <= {0, 1, 2}
    assert np.array_equal(found, segmenter.segment(draw_picture(1)[:, :96]))
