import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.image_counts import count_images
from tests.picture_rows import draw_picture, save

PICTURE = save(draw_picture(1, 16))


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PICTURE)
    return folder


def test_a_folder_a_class_is_counted_and_an_empty_one_is_0(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", "cat/1.png", "cat/2.png", "dog/1.png")
    (folder / "bird").mkdir()
    (folder / ".hidden").mkdir()
    counts = count_images(folder)
    assert (counts.by_slice, counts.total) == ({"bird": 0, "cat": 2, "dog": 1}, 3)
    fill(folder, "bird/1.png")
    assert count_images(folder).sha256 != counts.sha256


def test_attributes_are_parts_of_a_slice(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", "a.png", "b.png", "c.png")
    lines = [
        {"file_name": "a.png", "label": "car", "time": "night", "wet": True},
        {"file_name": "b.png", "label": "car", "time": "early morning", "wet": False},
        {"file_name": "c.png", "label": "car"},
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert count_images(folder, ["time"]).by_slice == {
        "car/early_morning": 1,
        "car/night": 1,
        "car/unknown": 1,
    }
    assert "car/night/True" in count_images(folder, ["time", "wet"]).by_slice
    with pytest.raises(InputError, match="Did you mean 'time'"):
        count_images(folder, ["tine"])


def test_coco_is_counted_by_what_covers_most(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", "1.png", "2.png")
    coco = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in (1, 2)],
        "categories": [{"id": 7, "name": "bus"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "area": 5}],
    }
    (folder / "instances.json").write_text(json.dumps(coco))
    assert count_images(folder).by_slice["bus"] == 1


@pytest.mark.parametrize("nested", [True, False])
def test_a_parquet_file_of_datasets_is_counted_by_the_names_of_its_classes(
    tmp_path: Path, nested: bool
) -> None:
    images: Any = [{"bytes": PICTURE, "path": "a"}] * 3 if nested else [PICTURE] * 3
    table = pa.table({"image": images, "label": [0, 1, 1], "time": ["day", "day", None]})
    told = {"info": {"features": {"label": {"names": ["cat", "dog"]}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
    pq.write_table(table, tmp_path / "set.parquet")
    assert count_images(tmp_path / "set.parquet").by_slice == {"cat": 1, "dog": 2}
    assert count_images(tmp_path / "set.parquet", ["time"]).by_slice == {
        "cat/day": 1,
        "dog/day": 1,
        "dog/unknown": 1,
    }


def test_what_is_no_set_of_images_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "rows.parquet")
    pq.write_table(pa.table({"image": [b"a"], "label": [1]}).slice(0, 0), tmp_path / "none.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    (tmp_path / "empty").mkdir()
    for name in ("rows.parquet", "none.parquet", "torn.parquet", "empty", "gone"):
        with pytest.raises(InputError):
            count_images(tmp_path / name)
