from pathlib import Path

from synth_stack.files import write_table
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.amended import (
    find_copies,
    find_part,
    find_replaced_copy,
    list_before,
    list_made_by,
    list_stage,
    read_gone,
    read_links,
)
from synth_stack.runs.folder import REPLACED_PREFIX, Shard, list_parts, list_shards
from tests.some_rows import make_row, make_texts

SHARD = Shard("part-00000.parquet", (), 1)


def put(path: Path, parent: str) -> str:
    """One row that replaces `parent`; its own id."""
    table = build_candidates([make_row(("user", path.name), parent_id=parent, slice="new")])
    write_table(path, table)
    return str(table["row_id"][0].as_py())


def fill(folder: Path) -> dict[str, str]:
    """Rows by two gates and a person, by what made them."""
    made = make_texts(["a", "b"])
    write_table(folder / "part-00000.parquet", made)
    first, second = made["row_id"].to_pylist()
    ids = {"second": second, "gate 0": put(find_part(folder, 0, SHARD), first)}
    ids["person"] = put(folder / f"{REPLACED_PREFIX}00000.parquet", "p" * 32)
    ids["copy"] = put(find_replaced_copy(folder, 0), ids["person"])
    ids["gate 1"] = put(find_part(folder, 1, SHARD), second)
    ids["again"] = put(find_copies(folder, 0, 1, SHARD), ids["gate 1"])
    return ids


def test_every_row_stands_after_the_one_that_it_replaces_and_beside_no_other_gate_s(tmp_path: Path) -> None:
    fill(tmp_path)
    assert [path.name for path in list_parts(tmp_path)] == [
        "part-00000.parquet",
        "part-amended-00000.parquet",
        "part-amended-by-person-00000.parquet",
        "part-amended-copies-00000.parquet",
        "part-amended-then-01-00000.parquet",
        "part-amended-then-01-copies-00-00000.parquet",
    ]
    assert [len(shard.parts) for shard in list_shards(tmp_path)] == [1] * 6


def test_a_part_says_which_gate_made_it_and_when(tmp_path: Path) -> None:
    fill(tmp_path)
    assert [len(list_before(tmp_path, gate)) for gate in (0, 1, 2)] == [1, 4, 6]
    assert [len(list_made_by(tmp_path, gate)) for gate in (0, 1)] == [3, 1]
    assert len(list_stage(tmp_path, 1)) == 2


def test_links_are_those_of_the_gate_and_gone_is_what_stood_before_it_and_stands_no_more(
    tmp_path: Path,
) -> None:
    ids = fill(tmp_path)
    assert read_links(tmp_path, 1).to_pylist() == [
        {"parent_id": ids["second"], "row_id": ids["gate 1"], "slice": "new"}
    ]
    assert read_links(tmp_path, 2).num_rows == 0
    assert read_gone(tmp_path, 0).to_pylist() == ["p" * 32]
    assert len(read_gone(tmp_path, 1)) == 3
