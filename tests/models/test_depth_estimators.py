from pathlib import Path

import numpy as np

from synth_stack.models.depth_estimators import load_depth_estimator
from tests.picture_rows import draw_picture
from tests.tiny_models import write_tiny_depth


def test_an_image_has_a_map_of_depths_which_is_the_same_each_time(tmp_path: Path) -> None:
    """The weights are random: that the code runs is tested, and nothing that it says."""
    estimator = load_depth_estimator(write_tiny_depth(tmp_path))
    found = estimator.estimate(draw_picture(1))
    assert found.ndim == 2
    assert found.dtype == np.float32
    assert np.array_equal(found, estimator.estimate(draw_picture(1)))
    assert not np.array_equal(found, estimator.estimate(draw_picture(2)))
