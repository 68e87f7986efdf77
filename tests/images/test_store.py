from pathlib import Path

import pytest

from synth_stack.images import store
from synth_stack.images.attached import list_attached, read_attached
from synth_stack.images.decoding import ImageFault
from synth_stack.images.store import find_file, keep_images, store_name
from tests.picture_rows import draw_picture, save, write_rows

DIGEST = "3f" * 32


@pytest.mark.parametrize(
    ("path", "sha256"),
    [("a.txt", DIGEST), ("a", DIGEST), ("a.png", None), ("a.png", "../../a"), ("a.png", DIGEST.upper())],
)
def test_what_is_no_digest_or_no_image_has_no_name(path: str, sha256: str | None) -> None:
    assert store_name(path, sha256) is None


def test_the_name_is_the_digest_in_a_folder_of_its_first_digits() -> None:
    assert store_name("cats/A.JPG", DIGEST) == f"images/3f/{DIGEST}.jpg"


@pytest.mark.parametrize("linked", [True, False])
def test_kept_images_are_found_where_their_paths_lead_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    if not linked:
        monkeypatch.setattr(Path, "hardlink_to", _refuse)
    table = write_rows(tmp_path / "a", {"cats/1.png": save(draw_picture(1)), "2.png": save(draw_picture(2))})
    keep_images(table, tmp_path / "a", tmp_path / "b")
    keep_images(table, tmp_path / "a", tmp_path / "b")
    for number, attached in enumerate(list_attached(table), 1):
        read = read_attached(tmp_path / "b", attached)
        assert read.image is not None
        assert (read.image.pixels == draw_picture(number)).all()
    assert not list((tmp_path / "b").rglob("*.tmp"))


def test_a_missing_file_is_left_out_and_a_path_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    table = write_rows(tmp_path / "a", {"1.png": save(draw_picture(1))})
    (tmp_path / "a" / "1.png").rename(tmp_path / "1.png")
    keep_images(table, tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    with pytest.raises(ImageFault, match="out of the folder"):
        find_file(tmp_path / "a", "../1.png", DIGEST)


def test_a_file_in_the_store_that_was_changed_is_a_fault(tmp_path: Path) -> None:
    table = write_rows(tmp_path / "a", {"1.png": save(draw_picture(1))})
    keep_images(table, tmp_path / "a", tmp_path / "b")
    (kept,) = (tmp_path / "b" / store.STORE).rglob("*.png")
    kept.unlink()
    kept.write_bytes(save(draw_picture(2)))
    read = read_attached(tmp_path / "b", list_attached(table)[0])
    assert read.fault is not None
    assert read.fault.name == "changed"


def _refuse(*_: object) -> None:
    raise OSError("no links here")
