from pathlib import Path

import pytest

from synth_stack.errors import ModelError
from synth_stack.models.object_detectors import load_object_detector
from tests.picture_rows import draw_picture
from tests.tiny_models import write_tiny_detector


def test_what_is_found_lies_in_the_image_the_surest_first(tmp_path: Path) -> None:
    """The weights are random: that the code runs is tested, and nothing that it says."""
    detector = load_object_detector(write_tiny_detector(tmp_path))
    found = detector.detect(draw_picture(1)[:, :96])
    assert detector.labels == {"person", "car"}
    assert found == detector.detect(draw_picture(1)[:, :96])
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    for box in found:
        assert box.left >= 0 <= box.top
        assert (box.left + box.width <= 96, box.top + box.height <= 128) == (True, True)


def test_a_folder_that_does_not_say_how_images_become_inputs_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_detector(tmp_path)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="how images become inputs"):
        load_object_detector(folder)
