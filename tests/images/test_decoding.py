from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synth_stack.images import decoding
from synth_stack.images.decoding import ImageFault, decode, read_bytes
from tests.gates.image_quality.test_gate import save_as
from tests.picture_rows import draw_picture, save

GOOD = draw_picture(1)


def fault_of(data: bytes) -> str:
    with pytest.raises(ImageFault) as raised:
        decode(data)
    assert raised.value.said
    return raised.value.name


def test_pixels_come_back_as_they_were_written() -> None:
    image = decode(save(GOOD))
    assert (image.form, image.mode, image.animated, image.trailing) == ("PNG", "RGB", False, 0)
    assert (image.width, image.height) == (128, 128)
    assert (image.pixels == GOOD).all()


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("L", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("LA", "PNG"),
        ("1", "PNG"),
        ("CMYK", "JPEG"),
        ("LAB", "TIFF"),
    ],
)
def test_every_mode_becomes_red_green_and_blue(mode: str, form: str) -> None:
    picture = Image.fromarray(GOOD)
    moved = (
        picture.convert("L").convert(mode)
        if mode in {"LA", "1"}
        else picture.convert(mode)
        if mode != "LAB"
        else Image.new("LAB", (128, 128))
    )
    image = decode(save_as(moved, form))
    assert image.mode == mode
    assert image.pixels.shape == (128, 128, 3)


def test_sixteen_bits_become_their_high_byte() -> None:
    deep = np.arange(0, 65_536, 16, dtype=np.uint16).reshape(64, 64)
    image = decode(save_as(Image.fromarray(deep)))
    assert image.mode.startswith("I")
    assert np.abs(image.pixels[..., 0].astype(int) - (deep >> 8)).max() <= 1


@pytest.mark.parametrize(
    ("form", "channels", "mode"), [("png", 3, "RGB;16"), ("tiff", 3, "RGB;16"), ("png", 4, "RGBA;16")]
)
def test_colours_of_sixteen_bits_say_so(form: str, channels: int, mode: str) -> None:
    cv2 = pytest.importorskip("cv2")
    deep = np.random.default_rng(0).integers(0, 65_536, (8, 8, channels), dtype=np.uint16)
    deep[..., 3:] = 65_535
    _, data = cv2.imencode(f".{form}", deep)
    image = decode(data.tobytes())
    assert image.mode == mode
    assert np.array_equal(image.pixels, deep[..., 2::-1] >> 8)


def test_what_is_transparent_is_white_and_hides_nothing() -> None:
    hidden = np.dstack([GOOD, np.zeros(GOOD.shape[:2], np.uint8)])
    assert decode(save_as(Image.fromarray(hidden))).pixels.min() == 255


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_no_damage_is_anything_but_a_fault(form: str) -> None:
    data = save(GOOD, form)
    rng = np.random.default_rng(1)
    names = set()
    for _ in range(150):
        spoilt = bytearray(data[: int(rng.integers(len(data)))] if rng.random() < 0.3 else data)
        for place in rng.integers(0, max(1, len(spoilt)), 8):
            if spoilt:
                spoilt[min(int(place) if rng.random() < 0.5 else int(place) % 64, len(spoilt) - 1)] = int(
                    rng.integers(256)
                )
        try:
            decode(bytes(spoilt))
        except ImageFault as fault:
            names.add(fault.name)
    assert names <= {"no_image", "corrupt", "too_large"}
    assert names


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(save(GOOD))
    assert read_bytes(tmp_path / "a.png") == save(GOOD)
    monkeypatch.setattr(decoding, "MAX_BYTES", 100)
    with pytest.raises(ImageFault, match="larger"):
        read_bytes(tmp_path / "a.png")


def test_a_large_image_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 128 * 128 - 1)
    assert fault_of(save(GOOD)) == "too_large"


@pytest.mark.parametrize("name", ["folder", "nothing", "a\0b"])
def test_what_is_no_file_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ImageFault) as raised:
        read_bytes(tmp_path / name)
    assert raised.value.name == "missing"
