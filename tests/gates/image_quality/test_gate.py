import io
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFilter

from synth_stack.gates.gate import Judge
from synth_stack.gates.image_quality.gate import image_quality
from synth_stack.images.decoding import Pixels
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.picture_rows import PictureFolder, draw_picture, save, write_rows

GOOD = draw_picture(1)


def bind(folder: Path, **params: Any) -> Judge:
    return image_quality(PictureFolder(folder), **params)


def judge_files(folder: Path, files: dict[str, bytes], **params: Any) -> list[dict[str, Any]]:
    (verdicts,), _ = play(bind(folder, **params), [write_rows(folder, files)], name="image_quality")
    return list(verdicts.to_pylist())


def save_as(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, form, **options)
    return kept.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def make_png(width: int, height: int, data: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def blur(pixels: Pixels, radius: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


LARGE = draw_picture(2, 256)
FRAMES = [Image.fromarray(draw_picture(seed)) for seed in (1, 2)]
FAULTS: dict[str, list[tuple[str, bytes]]] = {
    "corrupt": [
        ("cut short", save(GOOD)[:9000]),
        ("cut JPEG", save(GOOD, "JPEG")[:2000]),
        ("header alone", make_png(100, 100)),
        ("cut GIF", save_as(FRAMES[0], "GIF")[:3000]),
        ("cut TIFF", save_as(FRAMES[0], "TIFF")[:400]),
    ],
    "no_image": [
        ("nothing", b""),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run"),
        ("HTML", b"<html><body>GIF89a"),
        ("text", b"not an image at all"),
    ],
    "too_large": [
        ("a bomb", make_png(50_000, 50_000, b"\0" * 1_000_000)),
        ("a long line", make_png(50_000, 1, b"\0" * 150_001)),
    ],
    "trailing_data": [
        ("PNG and ZIP", save(GOOD) + b"PK\x03\x04 and more"),
        ("JPEG and HTML", save(GOOD, "JPEG") + b"<script>alert(1)</script>"),
        ("WEBP and text", save(GOOD, "WEBP") + b"hello hello"),
    ],
    "animated": [("GIF", save_as(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]))],
    "mode": [
        ("16 bits", save_as(Image.fromarray(GOOD[..., 0].astype(np.uint16) * 257))),
        ("CMYK", save_as(Image.fromarray(GOOD).convert("CMYK"), "JPEG")),
        ("palette", save_as(Image.fromarray(GOOD).convert("P"))),
        ("transparent", save_as(Image.fromarray(GOOD).convert("RGBA"))),
        ("one bit", save_as(Image.fromarray(GOOD).convert("1"))),
    ],
    "small": [("icon", save(GOOD[:32, :32]))],
    "narrow": [("strip", save(np.tile(GOOD[:64], (1, 8, 1))))],
    "flat": [("grey", save(np.full((128, 128, 3), 90, np.uint8)))],
    "dark": [("night", save((GOOD * 0.09).astype(np.uint8)))],
    "bright": [("snow", save((255 - (255 - GOOD) * 0.07).astype(np.uint8)))],
    "blurred": [("out of focus", save(blur(LARGE, 6)))],
}
CASES = [(fault, *case) for fault, cases in FAULTS.items() for case in cases]


@pytest.mark.parametrize(("fault", "name", "data"), CASES, ids=[f"{f}: {n}" for f, n, _ in CASES])
def test_a_faulty_image_is_rejected_by_the_name_of_its_fault(
    tmp_path: Path, fault: str, name: str, data: bytes
) -> None:
    (said,) = judge_files(tmp_path, {"image.png": data})
    assert (said["outcome"], said["reason_class"]) == ("reject", f"image_quality.{fault}")
    assert said["reason"].startswith(f"{fault.replace('_', ' ')}: ")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_a_good_image_is_accepted_and_measured(tmp_path: Path, form: str) -> None:
    (said,) = judge_files(tmp_path, {"image": save(GOOD, form)})
    assert (said["outcome"], said["reason"]) == ("accept", None)
    evidence = json.loads(said["evidence"])
    assert (evidence["format"], evidence["mode"], evidence["width"]) == (form, "RGB", 128)
    assert 0 < evidence["blur"] < 0.75


def test_what_a_file_says_of_how_it_lies_does_not_turn_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = save_as(Image.fromarray(GOOD[:96]), "JPEG", exif=exif)
    (said,) = judge_files(tmp_path, {"image.jpg": data})
    assert (json.loads(said["evidence"])["width"], said["outcome"]) == (128, "accept")


def test_a_file_that_is_not_what_the_row_names_is_rejected(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {n: save(GOOD) for n in ("gone.png", "new.png", "linked.png")})
    (tmp_path / "gone.png").unlink()
    (tmp_path / "new.png").write_bytes(save(LARGE))
    (tmp_path / "linked.png").unlink()
    (tmp_path / "linked.png").symlink_to(os.devnull)
    (verdicts,), _ = play(bind(tmp_path), [table], name="image_quality")
    assert verdicts["reason_class"].to_pylist() == [
        f"image_quality.{fault}" for fault in ("missing", "changed", "outside")
    ]


def test_a_row_without_an_image_is_abstained_on(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": save(GOOD)})
    bare = table.set_column(
        table.schema.get_field_index("attachments"),
        table.schema.field("attachments"),
        pa.array([[]], table.schema.field("attachments").type),
    )
    (verdicts,), _ = play(bind(tmp_path), [bare], name="image_quality")
    assert verdicts["reason_class"].to_pylist() == ["image_quality.without_image"]


def test_checks_are_switched_off_and_thresholds_turned(tmp_path: Path) -> None:
    files = {"a.png": save(blur(LARGE, 6)), "b.png": save(GOOD) + b"tail of it"}
    said = judge_files(tmp_path, files, max_blur=None, trailing=False)
    assert [v["outcome"] for v in said] == ["accept", "accept"]
    assert bind(tmp_path, max_blur=None, trailing=False).off == ("blurred", "trailing_data")


def test_stored_measures_decide_again_under_other_thresholds(tmp_path: Path) -> None:
    files = {str(r): save(blur(LARGE, r)) for r in (0.1, 1, 2, 3, 6)}
    table = write_rows(tmp_path, files)
    old, new = {"max_blur": 0.75}, {"max_blur": 0.5}
    judge = bind(tmp_path, **old)
    (stored,), _ = play(judge, [table])
    (fresh,), _ = play(bind(tmp_path, **new), [table])
    again = decide_again(stored, judge.dials, new, old)
    assert again == fresh["outcome"].to_pylist()
    assert len(set(again)) == 2


def test_canaries_of_every_kind_are_caught_and_controls_pass(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {f"{seed}.png": save(draw_picture(seed, 256)) for seed in range(4)})
    judge = bind(tmp_path)
    assert judge.plant is not None
    assert judge.control is not None
    canaries, controls = judge.plant(table, 4, 1), judge.control(table, 4, 1)
    (caught, passed), _ = play(judge, [canaries, controls], name="image_quality")
    kinds = {json.loads(extra)["kind"] for extra in canaries["extra"].to_pylist()}
    assert kinds == set(FAULTS) - {"animated", "too_large"}
    assert caught["outcome"].to_pylist() == ["reject"] * len(canaries)
    assert passed["outcome"].to_pylist() == ["accept"] * 4
