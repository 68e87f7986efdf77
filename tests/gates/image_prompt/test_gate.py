from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, ModelError
from synth_stack.gates.image_prompt.gate import image_prompt
from synth_stack.rows.schemas import build_candidates
from tests.picture_rows import PictureFolder, draw_picture, save, write_rows
from tests.tiny_models import write_tiny_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def rows(tmp_path: Path) -> pa.Table:
    files = {f"{n}.png": save(draw_picture(n)) for n in range(6)} | {"broken.png": b"no image"}
    table = write_rows(tmp_path / "images", files).to_pylist()
    for number, row in enumerate(table):
        row["text"], row["messages"] = None if number == 5 else f"a cat {number}", []
    return build_candidates([{k: v for k, v in row.items() if k != "row_id"} for row in table])


def test_without_a_model_nothing_is_said(tmp_path: Path, rows: pa.Table) -> None:
    said = image_prompt(PictureFolder(tmp_path / "images")).judge(rows, {})
    assert set(said["reason_class"].to_pylist()) == {"image_prompt.no_model"}
    assert set(said["outcome"].to_pylist()) == {"abstain"}


def test_the_score_is_the_cosine_and_decides_by_the_threshold(
    clip: Path, tmp_path: Path, rows: pa.Table
) -> None:
    """The model is of random weights: that the code runs is tested, and nothing that it says."""
    folder = PictureFolder(tmp_path / "images")
    scores = image_prompt(folder, model=str(clip), threshold=0.0).judge(rows, {})["score"].to_pylist()
    assert all(-1 <= score <= 1 for score in scores[:5])
    assert len(set(scores[:5])) > 1
    assert scores[5:] == [None, None]
    middle = sorted(scores[:5])[2]
    said = (
        image_prompt(folder, model=str(clip), threshold=middle, action="reject").judge(rows, {}).to_pylist()
    )
    assert [each["outcome"] for each in said] == [
        *("reject" if score < middle else "accept" for score in scores[:5]),
        *["abstain"] * 2,
    ]
    assert said[6]["reason_class"] == "image_prompt.nothing_to_compare"


def test_a_score_does_not_depend_on_the_rows_beside_it(clip: Path, tmp_path: Path, rows: pa.Table) -> None:
    judge = image_prompt(PictureFolder(tmp_path / "images"), model=str(clip), threshold=0.0).judge
    together = judge(rows, {})["score"].to_pylist()
    alone = [judge(rows.slice(n, 1), {})["score"].to_pylist()[0] for n in range(5)]
    assert together[:5] == pytest.approx(alone, abs=2e-4)


@pytest.mark.parametrize("given", [{"model": "x"}, {"threshold": 0.2}])
def test_a_model_needs_a_threshold(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="together"):
        image_prompt(PictureFolder(tmp_path), **given)  # type: ignore[arg-type]  # either of the two


def test_a_model_that_sees_no_texts_is_refused(tmp_path: Path) -> None:
    from tests.tiny_models import write_tiny_depth

    with pytest.raises(ModelError, match=r"one space|cannot be loaded"):
        image_prompt(PictureFolder(tmp_path), model=str(write_tiny_depth(tmp_path / "d")), threshold=0.1)
