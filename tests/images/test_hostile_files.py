"""Files of strangers, the whole way from a folder to verdicts: each ends with a reason, and none with a crash."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synth_stack.files import read_table
from synth_stack.workflows.curate import curate
from tests.picture_rows import draw_picture, save

GATES = "version: 1\ngates:\n  - {use: image_quality, why: x}\n  - {use: image_duplicates, why: x}\n"
GOOD = draw_picture(1)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_bomb(width: int, height: int) -> bytes:
    """A PNG of so many black pixels, which takes a thousandth of them on the disk."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + width)
    parts = [*(packer.compress(row) for _ in range(min(height, 200))), packer.flush()]
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"".join(parts)) + chunk(b"IEND", b"")


def write_text_bomb() -> bytes:
    """A PNG whose comment unpacks to 200 MB."""
    data = save(GOOD)
    comment = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 200_000_000, 9))
    return data[:33] + comment + data[33:]


def write_animated() -> bytes:
    kept = io.BytesIO()
    frames = [Image.fromarray(draw_picture(seed)) for seed in (1, 2, 3)]
    frames[0].save(kept, "GIF", save_all=True, append_images=frames[1:])
    return kept.getvalue()


def write_cmyk() -> bytes:
    kept = io.BytesIO()
    Image.fromarray(GOOD).convert("CMYK").save(kept, "JPEG")
    return kept.getvalue()


def write_deep() -> bytes:
    kept = io.BytesIO()
    Image.fromarray(GOOD[..., 0].astype(np.uint16) * 257).save(kept, "PNG")
    return kept.getvalue()


def write_lying_exif() -> bytes:
    """A JPEG whose EXIF says that it lies on its side, is one pixel large, and is by somebody with a script."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0100], exif[0x0101] = 6, 1, 1
    exif[0x013B] = "<script>alert(1)</script>"
    return save(draw_picture(7), "JPEG", quality=95, exif=exif)


HOSTILE: dict[str, tuple[bytes, str | None]] = {
    "pixels_50000.png": (write_bomb(50_000, 50_000), "too_large"),
    "long_side.png": (write_bomb(50_000, 10), "too_large"),
    "text_bomb.png": (write_text_bomb(), "corrupt"),
    "truncated.png": (save(GOOD)[:-300], "corrupt"),
    "truncated.jpg": (save(GOOD, "JPEG")[:1000], "corrupt"),
    "header_only.webp": (save(GOOD, "WEBP")[:20], "corrupt"),
    "empty.png": (b"", "no_image"),
    "script.png": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no_image"),
    "page.jpg": (b"<!doctype html><img src=x onerror=alert(1)>", "no_image"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "no_image"),
    "archive_behind.png": (save(draw_picture(3)) + b"PK\x03\x04" + b"x" * 200, "trailing_data"),
    "page_behind.jpg": (save(draw_picture(4), "JPEG") + b"<script>alert(1)</script>", "trailing_data"),
    "sixteen_bits.png": (write_deep(), "mode"),
    "cmyk.jpg": (write_cmyk(), "mode"),
    "animated.gif": (write_animated(), "animated"),
    "exif.jpg": (write_lying_exif(), None),
    "good.png": (save(draw_picture(9)), None),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "images").mkdir()
    for name, (data, _) in HOSTILE.items():
        (folder / "images" / name).write_bytes(data)
    (folder / "gates.yaml").write_text(GATES)
    curate(folder / "images", folder / "gates.yaml", folder / "run")
    return folder / "run"


def test_each_file_ends_with_its_reason(judged: Path) -> None:
    decisions = read_table(judged / "decisions.parquet").to_pylist()
    found = {each["source_id"]: (each["reason_class"] or "").partition(".")[2] or None for each in decisions}
    assert found == {name: fault for name, (_, fault) in HOSTILE.items()}


def test_what_exif_says_changes_neither_size_nor_pixels(judged: Path) -> None:
    rows = read_table(judged / "accepted" / "part-00000.parquet").to_pylist()
    [row] = [row for row in rows if row["source_id"] == "exif.jpg"]
    attached = row["attachments"][0]
    assert (attached["width"], attached["height"]) == (128, 128)


def test_no_file_of_a_stranger_reaches_the_page(judged: Path) -> None:
    page = (judged / "report.html").read_text()
    assert "alert(1)" not in page
    assert "onerror" not in page
