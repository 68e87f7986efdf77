"""The one reader of a judged run: shards with their verdicts, a person's among them, and what is refused."""

from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.errors import InputError, StoreError
from synth_stack.files import write_bytes, write_table
from synth_stack.rows.schemas import build_verdicts
from synth_stack.runs.folder import GATES_LOCK, LOCK
from synth_stack.runs.judged import list_gates, open_judged, read_candidates, read_shards, read_verdicts
from tests.some_rows import make_texts


def write_part(folder: Path, number: int, texts: list[str]) -> list[str]:
    table = make_texts(texts, first=100 * number)
    write_table(folder / "candidates" / f"part-{number:03d}-00-0000000-aaaaaaaa.parquet", table)
    ids: list[str] = table["row_id"].to_pylist()
    return ids


def write_verdicts(
    folder: Path, gate: str, part: str, ids: list[str], outcome: str, *, scope: str = "row"
) -> None:
    classes = [None if outcome == "accept" else f"{gate}.said_so"] * len(ids)
    said = build_verdicts(
        pa.array(ids, pa.string()), gate, [outcome] * len(ids), reason_classes=classes, scope=scope
    )
    write_table(folder / "verdicts" / gate / f"{part}.parquet", said)


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Two shards under one gate, of which it held a row late; a person released a row of the second."""
    first, second = write_part(tmp_path, 0, ["a", "b"]), write_part(tmp_path, 1, ["c"])
    write_verdicts(tmp_path, "gate", "part-00000", first, "accept")
    write_verdicts(tmp_path, "gate", "part-00001", second, "hold")
    write_verdicts(tmp_path, "gate", "part-late-00000", first[1:], "hold", scope="slice")
    write_verdicts(tmp_path, "review", "part-anything", second, "accept")
    return tmp_path


def test_each_shard_comes_with_every_verdict_on_its_rows_and_with_no_other(judged: Path) -> None:
    shards = list(read_shards(judged, ["gate"]))

    assert [shard.candidates["text"].to_pylist() for shard in shards] == [["a", "b"], ["c"]]
    assert [shard.gates for shard in shards] == [("gate", "review")] * 2
    outcomes = [[table["outcome"].to_pylist() for table in shard.verdicts] for shard in shards]
    assert outcomes == [[["accept", "accept", "hold"], []], [["hold"], ["accept"]]]
    assert shards[1].stack()["gate"].to_pylist() == ["gate", "review"]


def test_who_left_verdicts_is_listed_in_the_order_of_work_and_then_by_name(judged: Path) -> None:
    (judged / "verdicts" / ".hidden").mkdir()
    assert list_gates(judged, ["later", "gate"]) == ["later", "gate", "review"]
    assert list_gates(judged / "nowhere", ["gate"]) == ["gate"]


def test_parts_are_read_one_by_one(judged: Path) -> None:
    assert [len(table) for table in read_candidates(judged, ["row_id"])] == [2, 1]
    assert [table["scope"].to_pylist() for table in read_verdicts(judged, "gate")] == [
        ["row", "row"],
        ["row"],
        ["slice"],
    ]


def test_a_gate_without_verdicts_on_a_shard_is_refused(judged: Path) -> None:
    (judged / "verdicts" / "gate" / "part-00001.parquet").unlink()
    with pytest.raises(StoreError, match=r"gate/part-00001\.parquet"):
        list(read_shards(judged, ["gate"]))


def test_verdicts_on_rows_that_the_run_does_not_have_are_refused(judged: Path) -> None:
    write_verdicts(judged, "review", "part-strange", ["0" * 32], "reject")
    with pytest.raises(StoreError, match="verdicts/review holds verdicts on rows that the run does not have"):
        list(read_shards(judged, ["gate"]))


@pytest.mark.parametrize("missing", [LOCK, GATES_LOCK, "decisions.parquet"])
def test_a_run_that_is_not_judged_to_the_end_is_no_judged_run(judged: Path, missing: str) -> None:
    for name in {LOCK, GATES_LOCK, "decisions.parquet"} - {missing}:
        write_bytes(judged / name, b"")
    with pytest.raises(InputError, match=f"holds no judged rows: it has no {missing}"):
        open_judged(judged)
