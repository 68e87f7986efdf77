import io
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from synth_stack.files import read_table
from synth_stack.packs.images import METADATA
from synth_stack.packs.verify.verify import inspect_pack
from tests.packs.image_pack import name_picture, pack_images
from tests.packs.judged_run import reseal, write_packed
from tests.picture_rows import draw_picture, save


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def pack(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound.parent, tmp_path / "all")
    return tmp_path / "all" / "pack"


def find_problem(pack: Path) -> str:
    return str(inspect_pack(pack).problems[0])


def sign(pack: Path) -> None:
    reseal(pack, pack.parent / "key.pem")


def test_a_sound_pack_counts_its_images(sound: Path) -> None:
    found = inspect_pack(sound)
    assert found.problems == ()
    assert {check.name: check.count for check in found.checks}["images"] == 5


def test_a_changed_pixel_is_found(pack: Path) -> None:
    pixels = draw_picture(1).copy()
    pixels[3, 4, 0] ^= 1
    (pack / name_picture(1)).write_bytes(save(pixels))
    assert name_picture(1) in find_problem(pack)
    sign(pack)
    assert "is not the image of row" in find_problem(pack)


def test_the_same_pixels_in_another_file_are_found(pack: Path) -> None:
    with Image.open(io.BytesIO(save(draw_picture(1)))) as opened:
        opened.save(pack / name_picture(1), compress_level=9)
    assert name_picture(1) in find_problem(pack)


def test_two_files_that_changed_places_are_found(pack: Path) -> None:
    one, other = (pack / name_picture(seed) for seed in (1, 2))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert "was changed" in find_problem(pack)
    sign(pack)
    assert "is not the image of row" in find_problem(pack)


def test_an_image_that_is_missing_or_of_no_row_is_found(pack: Path) -> None:
    stray = pack / f"images/ab/{'ab' * 32}.png"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(save(draw_picture(9)))
    assert "was added" in find_problem(pack)
    sign(pack)
    assert "is an image of no accepted row" in find_problem(pack)
    stray.unlink()
    (pack / name_picture(1)).unlink()
    sign(pack)
    assert "is missing: row" in find_problem(pack)


@pytest.mark.parametrize("lie", ["text", "order", "less", "more", "gone"])
def test_metadata_that_says_another_thing_than_the_rows_is_found(pack: Path, lie: str) -> None:
    told = read_table(pack / METADATA)
    lines = told.to_pylist()
    if lie == "text":
        lines[2]["text"] = "a cat"
    changed = {"order": lines[::-1], "less": lines[:-1], "more": [*lines, lines[0]]}.get(lie, lines)
    (pack / METADATA).unlink()
    if lie != "gone":
        write_packed(pack / METADATA, pa.Table.from_pylist(changed, told.schema))
    sign(pack)
    assert "metadata.parquet" in find_problem(pack)
