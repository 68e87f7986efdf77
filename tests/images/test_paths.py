from pathlib import Path

import pytest

from synth_stack.images.decoding import ImageFault, read_bytes
from synth_stack.images.paths import locate
from tests.picture_rows import draw_picture, save

PICTURE = save(draw_picture(1, 32))


@pytest.mark.parametrize(
    "path", ["../a.png", "/a.png", "b/../../a.png", "", "a\\b.png", "a\0.png", "loop", "out/a.png"]
)
def test_no_path_and_no_link_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "a.png").write_bytes(PICTURE)
    (inside / "out").symlink_to(tmp_path)
    (inside / "loop").symlink_to(inside / "loop")
    with pytest.raises(ImageFault) as raised:
        read_bytes(locate(inside, path))
    assert raised.value.name in {"outside", "missing"}
