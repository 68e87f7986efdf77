"""The reference engine: which rows a gate sees, what is kept, what is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.engines.local import DONE, GateRun, run_gates
from synth_stack.errors import GateError, StoreError
from synth_stack.files import SHARD_ROWS, read_table, write_table
from synth_stack.gates.gate import Judge, Judged, Shards
from synth_stack.progress import Silent
from synth_stack.registry import Bound
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.folder import list_shards
from synth_stack.runs.judged import FINISH_PART, read_shards
from tests.some_rows import make_texts

Say = Callable[[str], str]


def write_candidates(folder: Path, *parts: Sequence[str]) -> list[str]:
    """Parts of a run folder with one row per text; their row ids in order."""
    ids: list[str] = []
    for number, texts in enumerate(parts):
        table = make_texts(texts, first=len(ids))
        write_table(folder / "candidates" / f"part-{number:05d}.parquet", table)
        ids += table["row_id"].to_pylist()
    return ids


def accept_all(_: str) -> str:
    return "accept"


def make_gate(
    name: str,
    say: Say = accept_all,
    *,
    seen: list[list[str]] | None = None,
    scores_all: bool = False,
    prepare: Callable[[Shards], None] | None = None,
    finish: Callable[[Judged], pa.Table] | None = None,
    plant: Callable[[pa.Table, int, int], pa.Table] | None = None,
) -> GateRun:
    """A gate whose outcome is `say(text)`; it notes the texts of each table in `seen`."""

    def judge(table: pa.Table) -> pa.Table:
        texts = table["text"].to_pylist()
        if seen is not None:
            seen.append(texts)
        return build_verdicts(table["row_id"], name, [say(text) for text in texts])

    bound = Bound("gate", name, "1", {}, Judge)
    canaries = 0 if plant is None else 4
    return GateRun(bound, Judge(judge, prepare=prepare, finish=finish, plant=plant), scores_all, canaries)


def read_outcomes(folder: Path, gate: str) -> list[str]:
    """What a gate said, shard by shard."""
    return [
        outcome
        for shard in list_shards(folder / "candidates")
        for outcome in read_table(folder / "verdicts" / gate / shard.name, VERDICT_SCHEMA)[
            "outcome"
        ].to_pylist()
    ]


class Counting:
    """A listener that notes every stage and how far it came."""

    def __init__(self) -> None:
        self.stages: dict[str, list[int]] = {}

    def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
        self.stages[stage] = [total, done]

        def advance(n: int) -> None:
            self.stages[stage][1] += n

        return advance


def test_a_rejected_row_is_not_shown_to_the_gates_that_follow(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["bad", "good", "odd"])
    later: list[list[str]] = []
    all_rows: list[list[str]] = []
    outcomes = {"bad": "reject", "good": "accept", "odd": "hold"}
    gates = [
        make_gate("first", outcomes.__getitem__),
        make_gate("later", seen=later),
        make_gate("thorough", seen=all_rows, scores_all=True),
    ]
    run_gates(tmp_path, gates, Silent())

    assert later == [["good", "odd"]]
    assert all_rows == [["bad", "good", "odd"]]
    assert read_outcomes(tmp_path, "first") == ["reject", "accept", "hold"]


def test_a_reject_of_a_thorough_gate_counts_for_the_gates_behind_it(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a", "b"])
    seen: list[list[str]] = []
    run_gates(
        tmp_path,
        [
            make_gate("one", lambda text: "reject" if text == "a" else "accept"),
            make_gate("two", lambda text: "reject" if text == "b" else "accept", scores_all=True),
            make_gate("three", seen=seen),
        ],
        Silent(),
    )

    assert seen == [[]]


def test_small_parts_are_judged_together_and_large_ones_alone(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"] * SHARD_ROWS, ["b"] * 2, ["c"])
    seen: list[list[str]] = []
    run_gates(tmp_path, [make_gate("gate", seen=seen)], Silent())

    assert [len(texts) for texts in seen] == [SHARD_ROWS, 3]
    assert seen[1] == ["b", "b", "c"]


def test_a_gate_prepares_on_the_rows_that_it_will_judge_as_often_as_it_asks(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["bad", "good"], ["good"])
    read: list[list[str]] = []

    def prepare(shards: Shards) -> None:
        read.extend([text for table in shards() for text in table["text"].to_pylist()] for _ in range(2))

    gates = [
        make_gate("first", lambda t: "reject" if t == "bad" else "accept"),
        make_gate("second", prepare=prepare),
    ]
    run_gates(tmp_path, gates, Silent())

    assert read == [["good", "good"], ["good", "good"]]


def test_a_gate_that_is_done_is_not_run_again(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["bad", "good"])
    run_gates(tmp_path, [make_gate("first", lambda t: "reject" if t == "bad" else "accept")], Silent())

    again: list[list[str]] = []
    second: list[list[str]] = []
    gates = [make_gate("first", seen=again), make_gate("second", seen=second)]
    run_gates(tmp_path, gates, Silent())
    assert again == []
    assert second == [["good"]]


def test_a_stopped_gate_goes_on_at_the_first_shard_that_is_not_judged(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"] * SHARD_ROWS, ["b"], ["c"] * SHARD_ROWS)
    prepared: list[int] = []

    def prepare(shards: Shards) -> None:
        prepared.append(sum(table.num_rows for table in shards()))

    run_gates(tmp_path, [make_gate("gate", prepare=prepare)], Silent())
    folder = tmp_path / "verdicts" / "gate"
    before = (folder / "part-00000.parquet").read_bytes()
    (folder / DONE).unlink()
    (folder / "part-00001.parquet").unlink()

    seen: list[list[str]] = []
    progress = Counting()
    run_gates(tmp_path, [make_gate("gate", seen=seen, prepare=prepare)], progress)
    assert [set(texts) for texts in seen] == [{"b"}]
    assert progress.stages["gate"] == [2 * SHARD_ROWS + 1, 2 * SHARD_ROWS + 1]
    assert prepared == [2 * SHARD_ROWS + 1] * 2
    assert (folder / "part-00000.parquet").read_bytes() == before
    assert (folder / DONE).exists()


def test_a_stopped_gate_leaves_what_it_wrote_and_no_sign_that_it_is_done(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"] * SHARD_ROWS, ["stop"])

    def stop(text: str) -> str:
        if text == "stop":
            raise KeyboardInterrupt
        return "accept"

    with pytest.raises(KeyboardInterrupt):
        run_gates(tmp_path, [make_gate("gate", stop)], Silent())

    folder = tmp_path / "verdicts" / "gate"
    assert [path.name for path in folder.iterdir()] == ["part-00000.parquet"]


def test_what_a_gate_says_at_the_end_is_read_with_the_shard_of_the_row(tmp_path: Path) -> None:
    ids = write_candidates(tmp_path, ["a"] * SHARD_ROWS, ["b", "c"])

    def finish(judged: Judged) -> pa.Table:
        assert [(table.num_rows, verdicts.num_rows) for table, verdicts in judged()] == [
            (SHARD_ROWS, SHARD_ROWS),
            (2, 2),
        ]
        return build_verdicts(pa.array([ids[3], ids[-1]]), "gate", ["hold", "hold"], scope="slice")

    run_gates(tmp_path, [make_gate("gate", finish=finish), make_gate("other")], Silent())
    judged = list(read_shards(tmp_path, ["gate", "other"]))

    assert [table["text"].to_pylist()[-1] for _, table, _ in judged] == ["a", "c"]
    assert [[v.num_rows for v in verdicts] for _, _, verdicts in judged] == [
        [SHARD_ROWS + 1, SHARD_ROWS],
        [3, 2],
    ]
    assert [verdicts[0]["row_id"].to_pylist()[-1] for _, _, verdicts in judged] == [ids[3], ids[-1]]
    assert judged[1][2][0]["scope"].to_pylist() == ["row", "row", "slice"]


def test_a_gate_that_finds_nothing_at_the_end_holds_nothing(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"])
    run_gates(tmp_path, [make_gate("gate", finish=lambda _: VERDICT_SCHEMA.empty_table())], Silent())

    [(_, _, [verdicts])] = read_shards(tmp_path, ["gate"])
    assert verdicts["outcome"].to_pylist() == ["accept"]
    assert (tmp_path / "verdicts" / "gate" / FINISH_PART).exists()


def test_progress_tells_of_the_rows_that_each_gate_looks_at(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["bad", "good"], ["good"])
    progress = Counting()
    gates = [
        make_gate("first", lambda t: "reject" if t == "bad" else "accept"),
        make_gate("second"),
        make_gate("thorough", scores_all=True, prepare=lambda shards: [list(shards()) for _ in "ab"].clear()),
    ]
    run_gates(tmp_path, gates, progress)

    assert progress.stages == {
        "first": [3, 3],
        "second": [2, 2],
        "thorough pass 1": [3, 3],
        "thorough pass 2": [3, 3],
        "thorough": [3, 3],
    }


def test_a_folder_without_candidates_has_nothing_to_judge(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    run_gates(tmp_path, [make_gate("gate", seen=seen)], Silent())

    assert seen == []
    assert list(read_shards(tmp_path, ["gate"])) == []


def test_a_part_without_rows_is_judged_as_no_rows(tmp_path: Path) -> None:
    write_table(tmp_path / "candidates" / "part-00000.parquet", CANDIDATE_SCHEMA.empty_table())
    run_gates(tmp_path, [make_gate("gate")], Silent())

    [(shard, table, [verdicts])] = read_shards(tmp_path, ["gate"])
    assert (shard.rows, table.num_rows, verdicts.num_rows) == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda verdicts: verdicts.slice(1),
            "did not return one verdict per row, in order; seen: 1 verdicts for 2 rows",
        ),
        (
            lambda verdicts: verdicts.take([1, 0]),
            "did not return one verdict per row, in order; seen: 2 verdicts for 2 rows",
        ),
        (
            lambda verdicts: verdicts.select(["row_id", "gate"]),
            "did not return a verdict table; seen: ['row_id', 'gate']",
        ),
        (
            lambda verdicts: verdicts.set_column(
                2, VERDICT_SCHEMA.field("outcome"), pa.array(["accept", "Reject"])
            ),
            "gave an outcome that is none; seen: Reject; allowed: accept, reject, hold, abstain",
        ),
    ],
)
def test_a_gate_that_breaks_its_contract_is_named_and_nothing_of_it_is_kept(
    change: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    write_candidates(tmp_path, ["a", "b"])
    sound = make_gate("gate").judge.judge
    broken = Judge(judge=lambda table: change(sound(table)))
    gate = GateRun(Bound("gate", "gate", "1", {}, Judge), broken, scores_all=False)
    with pytest.raises(GateError) as caught:
        run_gates(tmp_path, [gate], Silent())

    assert str(caught.value) == f"gate gate {message}"
    assert not (tmp_path / "verdicts" / "gate").exists()


def test_what_a_gate_says_at_the_end_is_held_to_the_same_contract(tmp_path: Path) -> None:
    ids = write_candidates(tmp_path, ["a"])

    def finish(_: Judged) -> pa.Table:
        return build_verdicts(pa.array(ids), "gate", ["held"], scope="slice")

    with pytest.raises(GateError, match="gate gate gave an outcome that is none; seen: held"):
        run_gates(tmp_path, [make_gate("gate", finish=finish)], Silent())


def test_a_candidate_part_that_is_torn_is_named(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"])
    part = tmp_path / "candidates" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"candidates/part-00000\.parquet"):
        run_gates(tmp_path, [make_gate("gate")], Silent())
