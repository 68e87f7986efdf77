from pathlib import Path

import pytest

from synth_stack.images.attached import (
    ReadImage,
    attach_inline,
    describe_pixels,
    list_attached,
    map_images,
    map_threads,
    read_attached,
)
from synth_stack.images.decoding import decode
from synth_stack.rows.schemas import build_candidates
from tests.picture_rows import draw_picture, save, write_rows
from tests.some_rows import make_row

PICTURE = save(draw_picture(1, 32))


def test_images_are_read_in_order_and_checked(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {f"{n}.png": save(draw_picture(n, 32)) for n in range(20)})
    (tmp_path / "3.png").write_bytes(PICTURE)
    read = list(map_images(tmp_path, list_attached(table), lambda each: each))
    assert [each.fault.name if each.fault else None for each in read] == [None] * 3 + ["changed"] + [
        None
    ] * 16
    assert all((each.image.pixels == draw_picture(n, 32)).all() for n, each in enumerate(read) if each.image)


def test_an_image_within_its_row_is_that_of_a_planted_row_alone(tmp_path: Path) -> None:
    attached = [attach_inline(PICTURE)]
    rows = [
        make_row(kind="image", attachments=attached, generator=g) for g in ("canary", "control", "foreign")
    ]
    read = [read_attached(tmp_path, each) for each in list_attached(build_candidates(rows))]
    assert [each.image is not None for each in read] == [True, True, False]


def test_a_batch_without_a_folder_has_no_images(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": PICTURE})
    fault = read_attached(None, list_attached(table)[0]).fault
    assert fault is not None
    assert fault.name == "missing"


def test_the_pixels_of_an_image_have_to_be_those_that_the_row_names(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PICTURE)
    attached = {"path": "a.png", **describe_pixels(ReadImage(decode(PICTURE), None))}
    rows = [make_row(kind="image", attachments=[attached]), make_row(kind="image", attachments=[
        {**attached, "pixels_sha256": "0" * 64}
    ])]  # fmt: skip
    good, lying = (read_attached(tmp_path, each) for each in list_attached(build_candidates(rows)))
    assert good.image is not None
    assert lying.fault is not None
    assert lying.fault.name == "changed"


def test_attachments_are_told_apart_by_their_roles() -> None:
    named = [{"path": "c.png", "role": "condition"}, {"path": "r.png", "role": "result"}, {"path": "x.png"}]
    table = build_candidates(
        [make_row(kind="image", attachments=some) for some in (named, named[:1], named[2:])]
    )
    paths = [[each and each.path for each in list_attached(table, role)] for role in ("result", "condition")]
    assert paths == [["r.png", None, "x.png"], ["c.png", "c.png", None]]


def test_threads_keep_the_order_and_raise_what_is_raised() -> None:
    assert list(map_threads(lambda n: n * n, range(100))) == [n * n for n in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(map_threads(lambda n: 1 // n, [1, 0, 2]))
