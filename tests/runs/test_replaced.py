import json
from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.errors import StoreError
from synth_stack.files import read_table, write_table
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import list_made, list_parts, list_replaced, list_shards
from synth_stack.runs.replaced import (
    begin_replacing,
    end_replacing,
    find_replaced,
    is_replacing,
    put_replaced,
    read_replaced_ids,
)
from tests.some_rows import make_texts

PARENTS = make_texts(["one", "two"])
ROWS = make_texts(["ONE", "TWO"], parent_id="p" * 32)


def begin(folder: Path, rows: pa.Table = ROWS) -> None:
    begin_replacing(folder, rows, by="review", reason="wrong")


def test_what_is_written_down_is_put_in_its_places_once_and_again(tmp_path: Path) -> None:
    begin(tmp_path)
    assert is_replacing(tmp_path)
    assert is_replacing(tmp_path, ROWS)
    assert not is_replacing(tmp_path, PARENTS)
    assert find_replaced(tmp_path, ROWS) is None
    for _ in range(2):  # as after a kill
        assert put_replaced(tmp_path)
        (part,) = list_replaced(tmp_path / "candidates")
        assert read_table(part, CANDIDATE_SCHEMA).equals(ROWS)
        said = read_table(tmp_path / "verdicts" / "review" / "part-replaced-00000.parquet", VERDICT_SCHEMA)
    assert said["row_id"].to_pylist() == ["p" * 32] * 2
    assert set(said["reason_class"].to_pylist()) == {"review.replaced"}
    assert [json.loads(evidence)["replaced_by"] for evidence in said["evidence"].to_pylist()] == ROWS[
        "row_id"
    ].to_pylist()
    end_replacing(tmp_path)
    assert not is_replacing(tmp_path)
    assert not put_replaced(tmp_path)
    assert find_replaced(tmp_path, ROWS) == 0


def test_every_call_has_a_part_of_its_own_after_what_was_made(tmp_path: Path) -> None:
    write_table(tmp_path / "candidates" / "part-00000.parquet", PARENTS)
    for rows in (ROWS, make_texts(["three"], parent_id="q" * 32)):
        begin(tmp_path, rows)
        assert put_replaced(tmp_path)
        end_replacing(tmp_path)
    candidates = tmp_path / "candidates"
    assert [path.name for path in list_parts(candidates)] == [
        "part-00000.parquet",
        "part-amended-by-person-00000.parquet",
        "part-amended-by-person-00001.parquet",
    ]
    assert [path.name for path in list_made(candidates)] == ["part-00000.parquet"]
    assert read_replaced_ids(tmp_path).to_pylist() == ["p" * 32, "p" * 32, "q" * 32]
    assert [shard.rows for shard in list_shards(candidates)] == [2, 3]


def test_rows_of_one_origin_are_in_shards_of_their_own(tmp_path: Path) -> None:
    names = ("00000", "00001", "amended-00000", "amended-by-person-00000", "amended-copies-00000")
    for name in names:
        write_table(tmp_path / f"part-{name}.parquet", make_texts([name]))
    shards = [[part.name for part in shard.parts] for shard in list_shards(tmp_path)]
    assert shards == [[f"part-{name}.parquet" for name in group] for group in (names[:2], *zip(names[2:]))]


def test_a_folder_in_which_nothing_was_replaced_says_so(tmp_path: Path) -> None:
    assert not put_replaced(tmp_path)
    assert not is_replacing(tmp_path)
    assert read_replaced_ids(tmp_path).to_pylist() == []
    end_replacing(tmp_path)


def test_a_file_that_does_not_say_who_and_why_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "candidates" / ".replacing.parquet", ROWS)
    with pytest.raises(StoreError, match="does not say who replaces rows"):
        put_replaced(tmp_path)
