"""The demo's reading sheet: drawn by digests, counted with an exact interval, and only what was drawn counts."""

import json
from pathlib import Path
from typing import Any

import pytest
from demo import FAULTS, SheetError, check_drawn, count, main, read_labels, write_sheet

Row = dict[str, Any]


def make_row(number: int) -> Row:
    said = [("user", f"Where is parcel {number}?"), ("assistant", "It comes within five days.")]
    return {
        "row_id": f"{number:032x}",
        "slice": "orders/late",
        "messages": [{"role": role, "content": text, "finish": None} for role, text in said],
        "documents": [{"id": "orders#late", "title": "late", "text": "Five days.", "source": None}],
        "extra": '{"grounded": {}}',
    }


ROWS = [make_row(n) for n in range(100)]


def label(rows: list[Row], unusable: int) -> list[Row]:
    sheet = write_sheet(rows)
    for k, row in enumerate(sheet):
        row.update({"verdict": "unusable", "fault": "false"} if k < unusable else {"verdict": "usable"})
    return sheet


def write(path: Path, labels: list[Row]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in labels))
    return path


def test_the_same_rows_are_drawn_in_any_order_and_by_another_seed_others() -> None:
    drawn = write_sheet(ROWS)
    assert len(drawn) == 60
    assert write_sheet(ROWS[::-1]) == drawn
    assert {row["digest"] for row in write_sheet(ROWS, seed=2)} != {row["digest"] for row in drawn}


def test_a_reader_sees_the_row_and_its_policy_and_nothing_of_how_it_was_made() -> None:
    row = write_sheet(ROWS)[0]
    assert set(row) == {"digest", "slice", "messages", "policy", "verdict", "fault", "why"}
    assert set(row["messages"][0]) == {"role", "content"}
    assert row["policy"] == [{"section": "orders#late", "text": "Five days."}]
    assert row["verdict"] is None


def test_too_few_rows_make_no_sheet() -> None:
    with pytest.raises(SheetError, match="59 rows were accepted"):
        write_sheet(ROWS[:59])


def test_usable_rows_are_counted_with_their_interval_and_faults() -> None:
    said = count(label(ROWS, 6))
    assert "usable      54 of 60 (90.0%; 95% interval 79.5% to 96.2%)" in said
    assert "false       6" in said


def test_labels_of_other_rows_than_those_drawn_are_refused() -> None:
    labels = label(ROWS, 0)
    check_drawn(labels, ROWS)
    labels[0]["digest"] = next(r["row_id"] for r in ROWS if r["row_id"] not in {x["digest"] for x in labels})
    with pytest.raises(SheetError, match="1 labelled rows are not those that are drawn"):
        check_drawn(labels, ROWS)


@pytest.mark.parametrize(
    "change",
    [{"verdict": None}, {"verdict": "good"}, {"fault": "false"}, {"verdict": "unusable", "fault": None}],
)
def test_a_label_without_a_verdict_that_fits_is_refused_with_its_line(change: Row, tmp_path: Path) -> None:
    labels = label(ROWS, 0)
    labels[7].update(change)
    with pytest.raises(SheetError, match="line 8"):
        read_labels(write(tmp_path / "labels.jsonl", labels))


def test_a_row_that_was_labelled_twice_is_refused(tmp_path: Path) -> None:
    labels = label(ROWS, 0)
    with pytest.raises(SheetError, match="stands twice"):
        read_labels(write(tmp_path / "labels.jsonl", [*labels, labels[0]]))


def test_the_command_counts_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = label(ROWS, len(FAULTS))
    for row, fault in zip(labels, FAULTS, strict=False):
        row["fault"] = fault
    main(["count", str(write(tmp_path / "labels.jsonl", labels))])
    assert "55 of 60" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="error: "):
        main(["count", str(tmp_path / "none.jsonl")])
