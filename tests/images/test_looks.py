from pathlib import Path

import pytest

from synth_stack.images import looks
from synth_stack.images.attached import AttachedFile, ReadImage, list_attached, read_attached
from synth_stack.images.looks import look_at, map_looks
from tests.picture_rows import draw_picture, save, write_rows


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    looks._kept.clear()


def test_an_image_is_decoded_once_for_all_that_look_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_rows(
        tmp_path, {f"{n}.png": save(draw_picture(n)) for n in range(3)} | {"x.png": b"no image"}
    )
    first = list(map_looks(tmp_path, list_attached(table)))
    assert [each.fault.name if each.fault else None for each in first] == [None, None, None, "no_image"]
    decoded: list[AttachedFile | None] = []

    def read(folder: Path | None, attached: AttachedFile | None) -> ReadImage:
        decoded.append(attached)
        return read_attached(folder, attached)

    monkeypatch.setattr(looks, "read_attached", read)
    second = list(map_looks(tmp_path, list_attached(table)))
    assert [a.look is b.look for a, b in zip(first, second, strict=True)] == [True] * 4
    assert len(decoded) == 1  # what cannot be decoded is tried again


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": save(draw_picture(1))})
    (attached,) = list_attached(table)
    assert look_at(tmp_path, attached).fault is None
    (tmp_path / "a.png").write_bytes(save(draw_picture(2)))
    fault = look_at(tmp_path, attached).fault
    assert fault is not None
    assert fault.name == "changed"


def test_a_row_that_names_other_pixels_does_not_get_the_look(tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"a.png": save(draw_picture(1))})
    (attached,) = list_attached(table)
    assert attached is not None
    look = look_at(tmp_path, attached).look
    assert look is not None
    named = AttachedFile(attached.path, attached.sha256, pixels_sha256=look.pixels_sha256)
    assert look_at(tmp_path, named).look is look
    other = look_at(tmp_path, AttachedFile(attached.path, attached.sha256, pixels_sha256="ab" * 32))
    assert other.fault is not None


def test_no_more_looks_are_kept_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "MAX_KEPT", 2)
    table = write_rows(tmp_path, {f"{n}.png": save(draw_picture(n, 16)) for n in range(5)})
    assert len(list(map_looks(tmp_path, list_attached(table)))) == 5
    assert len(looks._kept) == 2


def test_a_row_without_an_image_has_no_look(tmp_path: Path) -> None:
    found = look_at(tmp_path, None)
    assert (found.look, found.fault) == (None, None)


def test_what_a_gate_wants_is_measured_in_the_one_decode_as_long_as_the_gate_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached = list_attached(write_rows(tmp_path, {f"{n}.png": save(draw_picture(n)) for n in range(3)}))
    wanted: looks.WantedMeasure | None = looks.want("mean", lambda pixels: float(pixels.mean()))
    assert wanted is not None
    first = look_at(tmp_path, attached[0]).look
    assert first is not None
    assert dict(first.wanted) == {"mean": pytest.approx(draw_picture(0).mean())}
    assert look_at(tmp_path, attached[0], wanted=wanted).look is first
    (plain,) = map_looks(tmp_path, attached[1:2], plain=True)
    assert plain.look is not None
    assert not plain.look.wanted
    (again,) = map_looks(tmp_path, attached[1:2], wanted=wanted)
    assert again.look is not None
    assert set(again.look.wanted) == {"mean"}
    wanted = None
    gone = look_at(tmp_path, attached[2]).look
    assert gone is not None
    assert not gone.wanted
