import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import InputError
from synth_stack.generators.image.boxes import read_boxes, strip_ending
from synth_stack.images.condition_maps import LabelledBox

LINE = {"file_name": "street/1.jpg", "width": 100, "height": 50, "boxes": []}


def write(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "boxes.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_boxes_are_shares_of_their_image(tmp_path: Path) -> None:
    box = {"label": "car", "box": [10, 5, 20, 25]}
    found = read_boxes(write(tmp_path, {**LINE, "boxes": [box]}, {**LINE, "file_name": "2.png"}))
    assert found == {"street/1": (LabelledBox("car", 0.1, 0.1, 0.2, 0.5),), "2": ()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"boxes": [{"label": "a", "box": [0, 0, 101, 5]}]}, "does not lie in its image"),
        ({"boxes": [{"label": "a", "box": [0, 0, 0, 5]}]}, "does not lie in its image"),
        ({"boxes": [{"label": "a", "box": [0, 0, 5]}]}, "describes no boxes: boxes.0.box"),
        ({"width": 0}, "describes no boxes: width"),
        ({"file_name": 5}, "describes no boxes: file_name"),
    ],
)
def test_a_line_that_describes_no_boxes_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_boxes(write(tmp_path, {**LINE, **change}))


def test_a_file_without_images_and_an_image_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="describes no image"):
        read_boxes(write(tmp_path))
    with pytest.raises(InputError, match="describes an image twice"):
        read_boxes(write(tmp_path, LINE, {**LINE, "file_name": "street/1.png"}))


def test_files_belong_together_by_their_path_without_its_ending() -> None:
    assert strip_ending("a/b.c.png") == "a/b.c"
