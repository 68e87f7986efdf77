import hashlib
from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.images import folders
from synth_stack.images.folders import list_image_files


def test_images_are_listed_by_path_with_their_digests(tmp_path: Path) -> None:
    for name in ("b/1.png", "a.jpg", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    listed = list_image_files(tmp_path)
    assert [file.path for file in listed] == ["a.jpg", "b/1.png"]
    assert listed[0].sha256 == hashlib.sha256(b"a.jpg").hexdigest()


def test_more_images_than_are_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_FILES", 1)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="too many"):
        list_image_files(tmp_path)
