import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.coco import is_coco, read_coco

WHOLE: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
    "categories": [{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}],
    "annotations": [
        {"image_id": 1, "category_id": 7, "area": 10.5},
        {"image_id": 1, "category_id": 7, "bbox": [0, 0, 2, 3]},
        {"image_id": 1, "category_id": 8, "area": 20},
        {"image_id": 1, "caption": "two cats and a dog"},
    ],
}


def write(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(WHOLE | changes))
    return path


def test_objects_are_counted_and_the_largest_category_named(tmp_path: Path) -> None:
    first, second = read_coco(write(tmp_path / "instances_val.json"), "f")
    assert first.objects == {"cat": 2, "dog": 1}
    assert first.areas == {"cat": 16.5, "dog": 20.0}
    assert (first.largest, first.captions) == ("dog", ["two cats and a dog"])
    assert (second.largest, second.objects) == (None, {})


def test_the_name_and_the_first_character_say_whether_it_is_coco(tmp_path: Path) -> None:
    assert is_coco(write(tmp_path / "_annotations.coco.json"))
    assert not is_coco(write(tmp_path / "rows.json"))
    (tmp_path / "labels.json").write_text("[1]")
    assert not is_coco(tmp_path / "labels.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "'images'"),
        ({"annotations": [3]}, "'annotations'"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "two images of one id"),
        ({"images": [{"id": [1], "file_name": "a"}]}, "no id"),
        ({"images": [{"id": 1, "file_name": 5}]}, "no text"),
        ({"annotations": [{"image_id": 9}]}, "does not list"),
        ({"annotations": [{"image_id": 1, "category_id": 99}]}, "no category"),
        ({"annotations": [{"image_id": 1, "category_id": 7, "area": -1}]}, "an area"),
        ({"annotations": [{"image_id": 1, "category_id": 7, "area": float("nan")}]}, "an area"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_coco(write(tmp_path / "labels.json", **changes), "labels.json")
