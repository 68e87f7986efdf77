import json
from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.image_folders import is_image_folder, open_image_folder, read_image_rows
from synth_stack.inputs.image_labels import read_labels
from tests.picture_rows import draw_picture, save


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(save(draw_picture(1, 16)))
    return folder


def write_coco(path: Path, name: str) -> None:
    path.parent.mkdir(exist_ok=True)
    whole = {
        "images": [{"id": 1, "file_name": name}, {"id": 2, "file_name": name.replace("1", "2")}],
        "categories": [{"id": 1, "name": "bus"}],
        "annotations": [{"image_id": 1, "category_id": 1, "area": 4}, {"image_id": 1, "caption": "a bus"}],
    }
    path.write_text(json.dumps(whole))


def test_columns_of_metadata_are_on_the_row_and_one_is_its_slice(tmp_path: Path) -> None:
    fill(tmp_path, "train/a.png", "train/b.png", "c.png")
    lines = [
        {"file_name": "a.png", "label": "owl", "text": "at night", "score": 0.5},
        {"file_name": "b.png", "label": " "},
    ]
    (tmp_path / "train/metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert is_image_folder(tmp_path)
    images = open_image_folder(tmp_path)
    (table,) = read_image_rows(images)
    assert table["slice"].to_pylist() == [None, "owl", "train"]
    first, second, _ = table["extra"].to_pylist()
    assert first is None
    assert json.loads(second) == {"label": "owl", "score": "0.5", "text": "at night"}
    (tmp_path / "train/metadata.jsonl").write_text(json.dumps(lines[0]))
    assert open_image_folder(tmp_path).sha256 != images.sha256


def test_coco_finds_its_images_in_the_folder_that_its_name_says(tmp_path: Path) -> None:
    fill(tmp_path, "train2017/1.png", "val2017/1.png", "val2017/2.png")
    write_coco(tmp_path / "annotations/instances_val2017.json", "1.png")
    assert is_image_folder(tmp_path)
    (table,) = read_image_rows(open_image_folder(tmp_path))
    assert table["slice"].to_pylist() == ["train2017", "bus", "val2017"]
    assert table["extra"].to_pylist()[2] is None
    said = json.loads(table["extra"].to_pylist()[1])
    assert said == {"coco": {"captions": ["a bus"], "objects": {"bus": 1}}}


def test_an_image_that_may_be_several_or_is_not_there_is_refused(tmp_path: Path) -> None:
    write_coco(tmp_path / "annotations.json", "1.png")
    with pytest.raises(InputError, match="may mean several images"):
        read_labels(tmp_path, ["a/1.png", "b/1.png", "2.png"])
    with pytest.raises(InputError, match="not there"):
        read_labels(tmp_path, ["2.png", "3.png"])


@pytest.mark.parametrize("name", ["gone.png", "../a.png", "/etc/passwd"])
def test_metadata_of_an_image_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "metadata.csv").write_text(f"file_name,text\n{name},hello\n")
    with pytest.raises(InputError, match="line 2 names an image that is not there"):
        read_labels(tmp_path, ["a.png"])


def test_an_image_described_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name\na.png\n./a.png\n")
    with pytest.raises(InputError, match="another record describes"):
        read_labels(tmp_path, ["a.png"])
