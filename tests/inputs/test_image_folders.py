import hashlib
from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.images.pixel_digest import digest_pixels
from synth_stack.inputs.image_folders import is_image_folder, open_image_folder, read_image_rows
from tests.picture_rows import draw_picture, save

PICTURE = save(draw_picture(1, 32))


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PICTURE)
    return folder


def test_each_image_is_a_row_and_its_folder_the_slice(tmp_path: Path) -> None:
    folder = fill(
        tmp_path / "set", "train/cats/1.PNG", "train/dogs/2.jpg", "3.webp", ".hidden/4.png", "notes.txt"
    )
    (folder / "link.png").symlink_to(folder / "3.webp")
    images = open_image_folder(folder)
    (table,) = read_image_rows(images)
    assert table["source_id"].to_pylist() == ["3.webp", "train/cats/1.PNG", "train/dogs/2.jpg"]
    assert table["slice"].to_pylist() == [None, "cats", "dogs"]
    attached = [each[0]["mime"] for each in table["attachments"].to_pylist()]
    assert attached == ["image/webp", "image/png", "image/jpeg"]
    (first,) = table["attachments"].to_pylist()[0]
    assert first == {
        "path": "3.webp",
        "sha256": hashlib.sha256(PICTURE).hexdigest(),
        "mime": "image/webp",
        "role": "result",
        "pixels_sha256": digest_pixels(draw_picture(1, 32)),
        "width": 32,
        "height": 32,
    }
    assert images.name == "set"
    (folder / "3.webp").write_bytes(b"changed")
    assert open_image_folder(folder).sha256 != images.sha256


def test_a_folder_with_rows_is_none_of_images(tmp_path: Path) -> None:
    folder = fill(tmp_path, "cats/1.png")
    assert is_image_folder(folder)
    (folder / "metadata.csv").write_text("file_name,text\n")
    assert is_image_folder(folder)
    (folder / "rows.jsonl").write_text("{}\n")
    assert not is_image_folder(folder)
    assert not is_image_folder(folder / "rows.jsonl")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images"):
        open_image_folder(tmp_path)


def test_an_image_that_cannot_be_decoded_is_a_row_without_pixels(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(PICTURE[:100])
    (table,) = read_image_rows(open_image_folder(tmp_path))
    (attached,) = table["attachments"].to_pylist()[0]
    assert (attached["pixels_sha256"], attached["width"], attached["height"]) == (None, None, None)
    assert attached["sha256"] == hashlib.sha256(PICTURE[:100]).hexdigest()
