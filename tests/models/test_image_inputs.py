import json
from pathlib import Path

import numpy as np
import pytest

from synth_stack.errors import ModelError
from synth_stack.models.image_inputs import ImageInput, read_image_input

WIDE = np.zeros((50, 100, 3), np.uint8)
WIDE[:, 25:75] = 255
PLAIN = ImageInput(10, (0, 0, 0), (1, 1, 1))


def test_the_middle_is_cut_out_or_the_whole_is_squeezed() -> None:
    assert PLAIN.prepare(WIDE).shape == (3, 10, 10)
    assert PLAIN.prepare(WIDE).min() > 0.9
    squeezed = ImageInput(10, (0, 0, 0), (1, 1, 1), crop=False).prepare(WIDE)
    assert squeezed[0, 5, 0] < 0.1
    assert squeezed[0, 5, 5] > 0.9


def test_channels_are_normalised_each_by_its_own_figures() -> None:
    values = ImageInput(4, (0.0, 0.5, 1.0), (1.0, 0.5, 0.25)).prepare(np.full((4, 4, 3), 255, np.uint8))
    assert [float(channel[0, 0]) for channel in values] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("told", "side", "crop"),
    [
        ({}, 32, False),
        ({"crop_size": {"height": 20, "width": 20}, "size": {"shortest_edge": 24}}, 20, True),
        ({"size": {"height": 18, "width": 18}, "do_center_crop": False}, 18, False),
        ({"size": 14}, 14, False),
        ({"size": "large", "image_mean": "grey"}, 32, False),
    ],
)
def test_a_folder_says_how_its_inputs_look(
    tmp_path: Path, told: dict[str, object], side: int, crop: bool
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    found = read_image_input(tmp_path, 32)
    assert (found.side, found.crop) == (side, crop)
    assert len(found.mean) == len(found.std) == 3


def test_a_folder_that_says_nothing_has_the_inputs_of_clip(tmp_path: Path) -> None:
    assert read_image_input(tmp_path, 32) == ImageInput(32)


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"size": 100000}'])
def test_what_describes_no_inputs_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(ModelError):
        read_image_input(tmp_path, 32)
