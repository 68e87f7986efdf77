from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from synth_stack.report import contact_sheets
from synth_stack.report.contact_sheets import draw_sheets
from synth_stack.report.write import write_report
from synth_stack.rows.schemas import build_candidates, build_verdicts
from synth_stack.workflows.curate import curate
from tests.picture_rows import draw_picture, save, write_rows
from tests.some_rows import make_row

GATES = "version: 1\ngates:\n  - {use: image_quality, why: x}\n  - {use: image_duplicates, why: x}\n"


def decide(table: pa.Table, *decisions: str) -> pa.Table:
    return pa.table({"row_id": table["row_id"], "decision": pa.array(decisions)})


def test_sheets_are_by_slice_and_decision_and_twins_stand_side_by_side(tmp_path: Path) -> None:
    files = {f"{n}.png": save(draw_picture(n % 3)) for n in range(4)} | {"x.png": b"no image"}
    table = write_rows(tmp_path, files, ["cats", "cats", "dogs", "cats", "dogs"])
    ids = table["row_id"].to_pylist()
    told = build_verdicts(
        table["row_id"],
        "some_gate",
        ["accept", "accept", "accept", "reject", "reject"],
        scores=[None, None, None, 0.9, None],
        evidence=[None, None, None, orjson.dumps({"twin": ids[0]}).decode(), '{"twin": 3}'],
    )
    found = draw_sheets(tmp_path, [table], [told], decide(table, *["accepted"] * 3, "rejected", "held"))
    assert found is not None
    sheets = {(s["slice"], s["decision"]): [i["row_id"] for i in s["images"]] for s in found["sheets"]}
    assert sheets == {
        ("cats", "accepted"): sorted(ids[:2]),
        ("cats", "rejected"): [ids[3]],
        ("dogs", "accepted"): [ids[2]],
        ("dogs", "held"): [ids[4]],
    }
    assert found["sheets"][-1]["images"][0]["image"] is None
    (pair,) = found["twins"]
    assert (pair["row"]["row_id"], pair["twin"]["row_id"], pair["score"]) == (ids[3], ids[0], 0.9)
    assert pair["row"]["image"] == pair["twin"]["image"]


def test_a_batch_without_images_has_none(tmp_path: Path) -> None:
    table = build_candidates([make_row()])
    assert draw_sheets(tmp_path, [table], [], decide(table, "accepted")) is None


@pytest.mark.parametrize("many", [30])
def test_sheets_are_bounded_and_the_same_whatever_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(contact_sheets, "MAX_SLICES", 2)
    files = {f"{n}.png": save(draw_picture(n, 16)) for n in range(many)}
    table = write_rows(tmp_path, files, [f"s{n % 3}" for n in range(many)])
    decisions = decide(table, *["accepted"] * many)
    first = draw_sheets(tmp_path, [table], [], decisions)
    backwards = table.take(pa.array(range(many - 1, -1, -1)))
    assert first is not None
    assert first == draw_sheets(tmp_path, [backwards], [], decisions)
    assert [len(sheet["images"]) for sheet in first["sheets"]] == [8, 8]
    assert first["left_out"] == 1


def test_the_page_lets_images_in_only_where_it_has_some(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, seed in (("a", 1), ("b", 2), ("copy_of_a", 1)):
        (folder / f"{name}.png").write_bytes(save(draw_picture(seed)))
    (tmp_path / "gates.yaml").write_text(GATES)
    curate(folder, tmp_path / "gates.yaml", tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "img-src data:" in page
    assert page.count("data:image/jpeg;base64,") == 5
    (tmp_path / "text.jsonl").write_text('{"text": "one row"}\n')
    (tmp_path / "gates.yaml").write_text("version: 1\ngates:\n  - {use: structure, why: x}\n")
    curate(tmp_path / "text.jsonl", tmp_path / "gates.yaml", tmp_path / "other")
    assert "img-src" not in (tmp_path / "other" / "report.html").read_text()
    assert write_report(tmp_path / "run").generated == 3
