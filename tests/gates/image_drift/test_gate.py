from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest

from synth_stack.errors import InputError
from synth_stack.gates.gate import Judge
from synth_stack.gates.image_drift.gate import image_drift
from synth_stack.images.decoding import Pixels
from synth_stack.rows.schemas import build_candidates
from tests.picture_rows import PictureFolder, draw_picture, save, write_rows

MANY = 60


def draw(seed: int) -> Pixels:
    return draw_picture(seed, 64)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    for name, first in (("cats", 1000), ("dogs", 2000)):
        (folder / name).mkdir()
        for seed in range(MANY):
            (folder / name / f"{seed}.png").write_bytes(save(draw(first + seed)))
    return folder


def make(folder: Path, change: Callable[[Pixels, int], Pixels], *, n: int = MANY) -> pa.Table:
    """Cats that were changed, and dogs as they are."""
    cats = {f"c{k}.png": save(change(draw(k), k)) for k in range(n)}
    dogs = {f"d{k}.png": save(draw(500 + k)) for k in range(n)}
    return write_rows(folder, cats | dogs, ["cats"] * n + ["dogs"] * n)


def play(judge: Judge, table: pa.Table, *, cut: int | None = None) -> pa.Table:
    (only,) = judge.rounds
    parts = [table] if cut is None else [table.slice(0, cut), table.slice(cut)]
    state = only.merge([only.sketch(part, {}) for part in parts], {})
    return judge.judge(table, state)


CHANGES: dict[str, Callable[[Pixels, int], Pixels]] = {
    "lightness": lambda p, _: p // 3,
    "colour": lambda p, _: np.repeat(p.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
    "warmth": lambda p, _: np.clip(p * np.array([1.6, 1, 0.3]), 0, 255).astype(np.uint8),
    "narrow": lambda _, k: np.roll(draw(3), k % 5, axis=0),
}


@pytest.mark.parametrize("statistic", CHANGES)
def test_a_slice_that_has_moved_is_held_and_the_other_is_not(
    real: Path, tmp_path: Path, statistic: str
) -> None:
    table = make(tmp_path, CHANGES[statistic])
    said = play(image_drift(PictureFolder(tmp_path), real=str(real)), table).to_pylist()
    assert {each["outcome"] for each in said[:MANY]} == {"hold"}
    assert {each["scope"] for each in said[MANY:] if each["outcome"] == "hold"} <= {"batch"}
    shifts = orjson.loads(said[0]["evidence"])["shifts"]
    assert statistic in {shift["statistic"] for shift in shifts}
    assert said[0]["score"] > 1


def test_images_like_the_real_ones_are_accepted_however_they_are_cut(real: Path, tmp_path: Path) -> None:
    table = make(tmp_path, lambda p, _: p)
    judge = image_drift(PictureFolder(tmp_path), real=str(real))
    whole = play(judge, table)
    assert set(whole["outcome"].to_pylist()) == {"accept"}
    assert play(judge, table, cut=17).equals(whole)


@pytest.mark.parametrize("n", [0, 8])
def test_few_images_are_abstained_on(real: Path, tmp_path: Path, n: int) -> None:
    table = make(tmp_path, lambda p, _: p, n=n) if n else build_candidates([])
    said = play(image_drift(PictureFolder(tmp_path), real=str(real)), table)
    assert said["reason_class"].to_pylist() == ["image_drift.not_measured"] * len(table)


def test_without_real_images_nothing_is_said(tmp_path: Path) -> None:
    table = make(tmp_path, lambda p, _: p, n=2)
    said = play(image_drift(PictureFolder(tmp_path)), table)
    assert set(said["outcome"].to_pylist()) == {"abstain"}
    assert "no real images" in said["reason"].to_pylist()[0]


def test_it_catches_its_canaries_and_spares_its_controls(real: Path, tmp_path: Path) -> None:
    judge = image_drift(PictureFolder(tmp_path), real=str(real))
    table = make(tmp_path, lambda p, _: p, n=2)
    assert judge.plant is not None
    assert judge.control is not None
    planted = pa.concat_tables([judge.plant(table, 20, 1), judge.control(table, 20, 1)])
    (only,) = judge.rounds
    state = only.merge([only.sketch(table, {}), only.sketch(planted, {})], {})
    said = judge.judge(planted, state)
    by_group: dict[str, set[str]] = {}
    for name, outcome in zip(planted["slice"].to_pylist(), said["outcome"].to_pylist(), strict=True):
        by_group.setdefault(name.removeprefix("planted/"), set()).add(outcome)
    assert by_group.pop("real") == {"accept"}
    assert all(outcomes == {"hold"} for outcomes in by_group.values())
    assert len(by_group) == 8


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        image_drift(PictureFolder(tmp_path), real=str(tmp_path / "nothing"))
