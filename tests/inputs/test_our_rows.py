"""Rows of this package as input again: what they say is read, where they came from is kept."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synth_stack.inputs.dataset_check import check_dataset
from synth_stack.inputs.foreign import open_dataset, open_records, read_candidates
from synth_stack.rows.schemas import build_candidates
from tests.foreign_rows import list_lines, read, read_one, turns

CALL = {"id": "c", "name": "f", "arguments": "{}"}
ROW: dict[str, Any] = {
    "kind": "tool",
    "slice": "a/b",
    "locale": "de",
    "messages": [*turns("q"), {"role": "assistant", "content": "", "reasoning": "hm", "tool_calls": [CALL]}],
    "tools": '[{"name":"f"}]',
    "alternatives": [
        {"label": "chosen", "messages": turns("", "a")[1:], "rating": "4.5", "model": "m"},
        {"label": "rejected", "messages": turns("", "b")[1:]},
    ],
    "documents": [{"id": "d", "title": "D", "text": "doc", "source": "s"}],
    "text": "q\n\nf({})\n\na\n\nb",
    "attachments": [],
    "extra": '{"n":1}',
    "source_id": "own",
    "seed_id": "s1",
    "generator": "tools",
    "generator_version": "1",
    "teacher": "t",
    "draw": 7,
    "replayable": False,
}


def write_pack(folder: Path) -> Path:
    """A folder laid out as a pack: an ordinary and an adversarial row, and files that are no rows."""
    (folder / "data").mkdir(parents=True)
    (folder / "lineage").mkdir()
    (folder / "MANIFEST.json").write_text("{}")
    pq.write_table(build_candidates([ROW]), folder / "lineage" / "records-00000.parquet")
    pq.write_table(build_candidates([ROW]), folder / "data" / "train-00000-of-00001.parquet")
    prompt = {**ROW, "kind": "adversarial", "messages": turns("bad?"), "alternatives": None, "documents": None,
              "text": "bad?", "tools": None, "extra": None}  # fmt: skip
    pq.write_table(build_candidates([prompt]), folder / "data" / "adversarial-00000-of-00001.parquet")
    return folder


def test_the_rows_of_a_pack_are_read_under_their_row_ids(tmp_path: Path) -> None:
    packed = build_candidates([ROW])["row_id"][0].as_py()
    dataset = check_dataset(open_dataset(write_pack(tmp_path / "pack")))
    adversarial, row = read(dataset)

    assert row["source_id"] == packed != row["row_id"]
    assert {name: row[name] for name in ("slice", "locale", "messages", "tools", "alternatives", "documents", "text")} == {
        name: ROW[name] for name in ("slice", "locale", "messages", "tools", "alternatives", "documents", "text")
    }  # fmt: skip
    assert (row["kind"], row["generator"], row["seed_id"]) == (
        "foreign",
        "foreign",
        f"sha256:{dataset.sha256}",
    )
    assert json.loads(row["extra"]) == {
        "extra": {"n": 1}, "kind": "tool", "source_id": "own", "seed_id": "s1", "generator": "tools",
        "generator_version": "1", "teacher": "t", "draw": 7, "replayable": False,
    }  # fmt: skip
    assert (adversarial["messages"], json.loads(adversarial["extra"])["kind"]) == (
        turns("bad?"),
        "adversarial",
    )
    assert "skipped lineage: belongs to the pack and holds no rows of it: 1 file" in list_lines(dataset)


def test_our_rows_are_known_by_their_columns_in_any_file(tmp_path: Path) -> None:
    [record] = build_candidates([ROW]).to_pylist()
    (tmp_path / "rows.jsonl").write_text(json.dumps(record) + "\n")

    [row] = read(open_dataset(tmp_path / "rows.jsonl"))
    assert (row["source_id"], row["messages"], row["alternatives"]) == (
        record["row_id"],
        ROW["messages"],
        ROW["alternatives"],
    )


def test_a_row_without_messages_is_its_text_and_a_text_of_its_own_is_kept() -> None:
    [plain] = build_candidates([{**ROW, "messages": [], "alternatives": None, "text": "prose"}]).to_pylist()
    assert (read_one(plain)["messages"], read_one(plain)["text"]) == ([], "prose")
    [other] = build_candidates([{**ROW, "text": "prose"}]).to_pylist()
    assert json.loads(read_one(other)["extra"])["text"] == "prose"
    assert read_one(other)["text"] == ROW["text"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": 5}, "column 'messages' is not a list of turns"),
        ({"messages": [], "text": None, "alternatives": None}, "column 'messages' is empty"),
        ({"alternatives": 5}, "column 'alternatives' is not a list of alternatives"),
        ({"alternatives": [5]}, "column 'alternatives' is not a list of alternatives"),
        ({"alternatives": [{"messages": ["x"]}]}, "column 'alternatives' is not a list of turns"),
        ({"alternatives": [{"label": 5}]}, "column 'alternatives' holds int, not text"),
        ({"attachments": 5}, "column 'attachments' is not a list of attachments"),
        ({"attachments": [{"url": "x"}]}, "column 'attachments' is not a list of attachments"),
        ({"attachments": [{"path": 5}]}, "column 'attachments' holds int, not text"),
        ({"attachments": [{"role": "icon"}]}, "column 'attachments' has a role that there is not"),
        ({"attachments": [{"width": -1}]}, "column 'attachments' has a width that is no whole number"),
        ({"attachments": [{"height": True}]}, "column 'attachments' has a height that is no whole number"),
        ({"row_id": 5}, "column 'row_id' holds int, not text"),
        ({"row_id": None}, "column 'row_id' holds null, not text"),
    ],
)
def test_a_row_that_is_ours_by_name_alone_is_a_row_with_the_reason(
    change: dict[str, Any], reason: str
) -> None:
    [record] = build_candidates([ROW]).to_pylist()

    assert read_one({**record, **change})["failure"] == f"broken record: row 1: {reason}"


def test_an_image_keeps_its_kind_and_its_attachments() -> None:
    attached = {"path": "a.png", "sha256": "0" * 64, "role": "result", "width": 8, "height": 9}
    image = {
        **ROW,
        "kind": "image",
        "messages": [],
        "alternatives": None,
        "text": None,
        "attachments": [attached],
    }
    row = read_one(build_candidates([image]).to_pylist()[0])

    assert (row["failure"], row["kind"], row["text"], row["attachments"]) == (None, "image", None, [attached])
    assert "attachments" not in json.loads(row["extra"])


def test_a_pack_read_twice_is_read_the_same(tmp_path: Path) -> None:
    dataset = open_dataset(write_pack(tmp_path / "pack"))
    first, again = (list(read_candidates(dataset)) for _ in range(2))

    assert first == again
    once = read(open_records(first[0].to_pylist(), "memory"))
    assert [row["source_id"] for row in once] == first[0]["row_id"].to_pylist()
    assert json.loads(once[1]["extra"])["extra"]["extra"] == {"n": 1}
