"""A batch that grows: which verdicts are kept, and which are given again."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from synth_stack.engines.gate_loop import GateRun, forget_batch
from synth_stack.files import read_table, write_table
from synth_stack.gates.gate import Judge, State
from synth_stack.progress import Silent
from synth_stack.registry import Bound
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.committed import DONE
from synth_stack.runs.folder import list_shards
from tests.engines.test_gate_loop import hold_texts, note_texts, run_gates
from tests.some_rows import make_texts

Seen = list[list[str]]


def write_round(folder: Path, number: int, texts: Sequence[str]) -> None:
    """One part of a round; texts have to differ."""
    table = make_texts(texts)
    write_table(folder / "candidates" / f"part-{number:03d}-00-0000000-aaaaaaaa.parquet", table)


def make_gate(
    name: str, seen: Seen, *, bad: str = "bad", learns: bool = False, holds_late: bool = False
) -> GateRun:
    """A gate that rejects texts with a word, and notes what it is shown."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        texts = table["text"].to_pylist()
        seen.append(texts)
        bad_ones = [bad in text for text in texts]
        outcomes = ["reject" if is_bad else "accept" for is_bad in bad_ones]
        classes = [f"{name}.bad" if is_bad else None for is_bad in bad_ones]
        return build_verdicts(table["row_id"], name, outcomes, reason_classes=classes)

    made = Judge(judge, rounds=(note_texts([]),) if learns else (), alone="a test made it")
    late = hold_texts("nothing") if holds_late else None
    return GateRun(Bound("gate", name, "1", {}, Judge), made, scores_all=False, late=late)


def test_the_rows_of_a_round_are_in_shards_of_their_own(tmp_path: Path) -> None:
    for number in range(3):
        write_round(tmp_path, number, [f"row {number}"])
    write_table(tmp_path / "candidates" / "part-amended-00000.parquet", make_texts(["copy"]))

    shards = list_shards(tmp_path / "candidates")
    assert [(shard.name, shard.rows) for shard in shards] == [(f"part-0000{i}.parquet", 1) for i in range(4)]


def test_a_gate_on_single_rows_sees_only_the_new_ones_and_one_that_learns_sees_all(tmp_path: Path) -> None:
    single: Seen = []
    whole: Seen = []
    gates = [make_gate("single", single), make_gate("whole", whole, learns=True)]
    write_round(tmp_path, 0, ["a", "b"])
    run_gates(tmp_path, gates, Silent())
    forget_batch(tmp_path, gates)
    write_round(tmp_path, 1, ["c"])
    run_gates(tmp_path, gates, Silent())

    assert single == [["a", "b"], ["c"]]
    assert whole == [["a", "b"], ["a", "b"], ["c"]]


def test_verdicts_are_given_again_where_a_gate_before_turns_other_rows_away(tmp_path: Path) -> None:
    seen: Seen = []
    later = make_gate("later", seen)
    write_round(tmp_path, 0, ["a", "b"])
    run_gates(tmp_path, [make_gate("first", [], bad="a", learns=True), later], Silent())
    forget_batch(tmp_path, [make_gate("first", [], learns=True), later])
    write_round(tmp_path, 1, ["c"])
    run_gates(tmp_path, [make_gate("first", [], bad="b", learns=True), later], Silent())

    assert seen == [["b"], ["a"], ["c"]]
    verdicts = read_table(tmp_path / "verdicts" / "later" / "part-00000.parquet", VERDICT_SCHEMA)
    assert len(verdicts) == 1


def test_rows_that_moved_to_another_shard_are_judged_again(tmp_path: Path) -> None:
    seen: Seen = []
    gate = make_gate("gate", seen)
    amended = tmp_path / "candidates" / "part-amended-00000.parquet"
    write_round(tmp_path, 0, ["a"])
    write_table(amended, make_texts(["copy of a"]))
    run_gates(tmp_path, [gate], Silent())
    forget_batch(tmp_path, [gate])
    write_round(tmp_path, 1, ["b"])
    run_gates(tmp_path, [gate], Silent())

    assert seen == [["a"], ["copy of a"], ["b"], ["copy of a"]]


def test_a_batch_that_shrank_leaves_no_verdicts_on_rows_that_are_gone(tmp_path: Path) -> None:
    gate = make_gate("gate", [])
    for number in range(2):
        write_round(tmp_path, number, [f"row {number}"])
    run_gates(tmp_path, [gate], Silent())
    forget_batch(tmp_path, [gate])
    (tmp_path / "candidates" / "part-001-00-0000000-aaaaaaaa.parquet").unlink()
    run_gates(tmp_path, [gate], Silent())

    assert sorted(path.name for path in (tmp_path / "verdicts" / "gate").iterdir()) == [
        DONE,
        "part-00000.parquet",
    ]


def test_what_a_gate_said_of_the_whole_batch_is_taken_back(tmp_path: Path) -> None:
    gate = make_gate("gate", [], holds_late=True)
    write_round(tmp_path, 0, ["a"])
    run_gates(tmp_path, [gate], Silent())
    target = tmp_path / "verdicts" / "gate"
    assert (target / "part-late-00000.parquet").exists()
    forget_batch(tmp_path, [gate])

    assert [path.name for path in target.iterdir()] == ["part-00000.parquet"]
