import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import read_table
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.image_rows import resolve_row
from synth_stack.packs.trace import trace
from synth_stack.packs.verify.verify import verify_row
from tests.packs.image_pack import pack_images
from tests.packs.judged_run import write_packed
from tests.picture_rows import draw_picture


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_images(tmp_path_factory.mktemp("images"))


def save_again(folder: Path, seed: int, name: str) -> str:
    """The same pixels in another file: no metadata, another compression, another format."""
    Image.fromarray(draw_picture(seed)).save(folder / name)
    return str(folder / name)


@pytest.mark.parametrize("name", ["again.bmp", "again.tiff", "again.PNG"])
def test_pixels_lead_to_their_row_whatever_file_they_are_in(pack: Path, tmp_path: Path, name: str) -> None:
    file = save_again(tmp_path, 4, name)
    for folder in (pack, pack.parent / "run"):
        assert trace(folder, resolve_row(folder, file)).row["source_id"] == "dogs/4.png"
    proof = verify_row(pack, resolve_row(pack, file))
    assert (proof.decision, proof.in_data) == ("accepted", True)


def test_an_id_stays_as_it_is(tmp_path: Path) -> None:
    assert resolve_row(tmp_path, "3f3f3f3f") == "3f3f3f3f"


def test_one_other_bit_is_of_no_row(pack: Path, tmp_path: Path) -> None:
    pixels = draw_picture(4).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(np.asarray(pixels)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="pixels of no row"):
        resolve_row(pack, str(tmp_path / "a.png"))


@pytest.mark.parametrize("data", [b"", b"no image"])
def test_what_is_no_image_is_not_looked_for(pack: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match="no image that can be looked for"):
        resolve_row(pack, str(tmp_path / "a.png"))


def test_a_row_that_was_given_the_pixels_of_another_is_not_proved(pack: Path, tmp_path: Path) -> None:
    shutil.copytree(pack, tmp_path / "pack")
    data = tmp_path / "pack" / "data" / "train-00000-of-00001.parquet"
    rows = read_table(data, DATA_SCHEMA).to_pylist()
    one, other = (row["attachments"][0] for row in rows[:2])
    one["pixels_sha256"], other["pixels_sha256"] = other["pixels_sha256"], one["pixels_sha256"]
    data.unlink()
    write_packed(data, pa.Table.from_pylist(rows, DATA_SCHEMA))
    found = resolve_row(tmp_path / "pack", save_again(tmp_path, 1, "a.png"))
    with pytest.raises(VerificationError):
        verify_row(tmp_path / "pack", found)
