"""Gates over the shards of a run: which rows a gate sees, what is kept, what is refused."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.engines.gate_loop import GateRun
from synth_stack.engines.gate_loop import run_gates as run_on
from synth_stack.engines.local import open_local
from synth_stack.errors import GateError, StoreError
from synth_stack.files import SHARD_ROWS, read_table, write_table
from synth_stack.gates.gate import Judge, Late, Round, State
from synth_stack.progress import Progress, Silent
from synth_stack.registry import Bound
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_verdicts
from synth_stack.runs import folder
from synth_stack.runs.committed import DONE
from synth_stack.runs.folder import list_shards, read_state, state_folder
from synth_stack.runs.judged import read_shards
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
    rounds: Sequence[Round] = (),
    late: Late | None = None,
) -> GateRun:
    """A gate whose outcome is `say(text)`; it notes the texts of each table in `seen`."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        texts = table["text"].to_pylist()
        if seen is not None:
            seen.append(texts)
        outcomes = [say(text) for text in texts]
        classes = [f"{name}.said_so" if outcome in {"reject", "hold"} else None for outcome in outcomes]
        return build_verdicts(table["row_id"], name, outcomes, reason_classes=classes)

    made = Judge(judge, rounds=tuple(rounds), alone="a test made it")
    return GateRun(Bound("gate", name, "1", {}, Judge), made, scores_all, late=late)


def run_gates(folder: Path, gates: Sequence[GateRun], progress: Progress) -> None:
    """The gates on the local engine."""
    with open_local() as engine:
        run_on(folder, gates, engine, progress)


def note_texts(read: list[list[str]]) -> Round:
    """A round that notes the texts of every table that it sketches, and how many came together."""

    def sketch(table: pa.Table, _: State) -> pa.Table:
        read.append(table["text"].to_pylist())
        return pa.table({"rows": [len(table)]})

    def merge(sketches: Iterable[pa.Table], state: State) -> State:
        return {f"rows{len(state)}": pa.table({"rows": [sum(s["rows"][0].as_py() for s in sketches)]})}

    return Round(sketch, merge)


def hold_texts(text: str) -> Late:
    """Holds, late, the rows of this text if there are two of them in the batch."""

    def count(table: pa.Table, verdicts: pa.Table) -> pa.Table:
        assert table["row_id"].equals(verdicts["row_id"])
        return pa.table({"n": [table["text"].to_pylist().count(text)]})

    def merge(counts: Iterable[pa.Table], _: State) -> State:
        return {"total": pa.table({"n": [sum(c["n"][0].as_py() for c in counts)]})}

    def hold(table: pa.Table, verdicts: pa.Table, state: State) -> pa.Table:
        wanted = [said == text and state["total"]["n"][0].as_py() > 1 for said in table["text"].to_pylist()]
        ids = verdicts["row_id"].filter(pa.array(wanted, pa.bool_()))
        n = len(ids)
        return build_verdicts(ids, "gate", ["hold"] * n, reason_classes=["gate.twice"] * n, scope="slice")

    return Late(count, merge, hold)


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


def test_a_reject_of_a_thorough_gate_counts_for_the_gates_after_it(tmp_path: Path) -> None:
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


def test_a_round_sketches_the_rows_that_will_be_judged_and_merges_in_the_order_of_the_batch(
    tmp_path: Path,
) -> None:
    write_candidates(tmp_path, ["bad", "good"], ["good"])
    read: list[list[str]] = []
    rounds = [note_texts(read), note_texts(read)]
    gates = [
        make_gate("first", lambda t: "reject" if t == "bad" else "accept"),
        make_gate("second", rounds=rounds),
    ]
    run_gates(tmp_path, gates, Silent())

    assert read == [
        ["good", "good"],
        [],
        ["good", "good"],
        [],
    ]  # each time the canaries, none here, come last
    state = state_folder(tmp_path, "second")
    assert sorted(path.name for path in state.iterdir()) == [
        ".merged-0",
        ".merged-1",
        "rows0.arrow",
        "rows1.arrow",
    ]
    assert read_state(tmp_path, "second")["rows1"]["rows"].to_pylist() == [2]


def test_the_state_is_what_the_judge_is_handed_and_no_round_is_repeated(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a", "b"])
    states: list[State] = []
    read: list[list[str]] = []

    def judge(table: pa.Table, state: State) -> pa.Table:
        states.append(state)
        return build_verdicts(table["row_id"], "gate", ["accept"] * len(table))

    made = Judge(judge, rounds=(note_texts(read),), alone="a test made it")
    gate = GateRun(Bound("gate", "gate", "1", {}, Judge), made, scores_all=False)
    run_gates(tmp_path, [gate], Silent())
    (tmp_path / "verdicts" / "gate" / DONE).unlink()
    (tmp_path / "verdicts" / "gate" / "part-00000.parquet").unlink()
    run_gates(tmp_path, [gate], Silent())

    assert [state["rows0"]["rows"].to_pylist() for state in states] == [[2], [2]]
    assert read == [["a", "b"], []]


@pytest.mark.parametrize("steps", range(12))
def test_a_merge_is_seen_as_a_whole_wherever_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    write_candidates(tmp_path, ["a", "b"])
    seen: list[list[str]] = []
    known: list[int] = []

    def sketch(table: pa.Table, state: State) -> pa.Table:
        seen.append(sorted(state))
        return pa.table({"rows": [len(table)]})

    def merge(sketches: Iterable[pa.Table], state: State) -> State:
        known.append(len(state))
        told = pa.table({"rows": [sum(s["rows"][0].as_py() for s in sketches)]})
        return {f"{name}{len(state)}": told for name in ("few", "many")}

    def judge(table: pa.Table, state: State) -> pa.Table:
        seen.append(sorted(state))
        return build_verdicts(table["row_id"], "gate", ["accept"] * len(table))

    made = Judge(judge, rounds=(Round(sketch, merge), Round(sketch, merge)), alone="a test made it")
    gate = GateRun(Bound("gate", "gate", "1", {}, Judge), made, scores_all=False)

    def die(done: list[None], step: Callable[..., None]) -> Callable[..., None]:
        def perform(*args: Any, **named: Any) -> None:
            if len(done) == steps:
                raise KeyboardInterrupt
            done.append(None)
            step(*args, **named)

        return perform

    done: list[None] = []
    with monkeypatch.context() as patched:
        for name in ("write_arrow", "write_bytes", "rename_whole"):
            patched.setattr(folder, name, die(done, getattr(folder, name)))
        with pytest.raises(KeyboardInterrupt):
            run_gates(tmp_path, [gate], Silent())
    run_gates(tmp_path, [gate], Silent())

    assert all(names in ([], ["few0", "many0"], ["few0", "few2", "many0", "many2"]) for names in seen)
    assert seen[-1] == ["few0", "few2", "many0", "many2"]
    assert known[0] == 0
    assert known[-1] == 2
    names = {path.name for path in state_folder(tmp_path, "gate").iterdir()}
    assert names == {".merged-0", ".merged-1", "few0.arrow", "few2.arrow", "many0.arrow", "many2.arrow"}


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
    run_gates(tmp_path, [make_gate("gate", rounds=[note_texts([])])], Silent())
    folder = tmp_path / "verdicts" / "gate"
    before = (folder / "part-00000.parquet").read_bytes()
    (folder / DONE).unlink()
    (folder / "part-00001.parquet").unlink()

    seen: list[list[str]] = []
    read: list[list[str]] = []
    progress = Counting()
    run_gates(tmp_path, [make_gate("gate", seen=seen, rounds=[note_texts(read)])], progress)
    assert [set(texts) for texts in seen] == [{"b"}]
    assert progress.stages["gate"] == [2 * SHARD_ROWS + 1, 2 * SHARD_ROWS + 1]
    assert read == []
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


def test_what_a_gate_says_late_is_read_with_the_shard_of_the_row(tmp_path: Path) -> None:
    ids = write_candidates(tmp_path, ["b"] + ["a"] * (SHARD_ROWS - 1), ["b", "c"])
    run_gates(tmp_path, [make_gate("gate", late=hold_texts("b")), make_gate("other")], Silent())
    judged = list(read_shards(tmp_path, ["gate", "other"]))

    assert [shard.candidates["text"].to_pylist()[-1] for shard in judged] == ["a", "c"]
    assert [[v.num_rows for v in shard.verdicts] for shard in judged] == [
        [SHARD_ROWS + 1, SHARD_ROWS],
        [3, 2],
    ]
    late = [shard.verdicts[0]["row_id"].to_pylist()[-1] for shard in judged]
    assert late == [ids[0], ids[SHARD_ROWS]]
    assert judged[1].verdicts[0]["scope"].to_pylist() == ["row", "row", "slice"]


def test_a_gate_that_finds_nothing_late_holds_nothing(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"])
    run_gates(tmp_path, [make_gate("gate", late=hold_texts("a"))], Silent())

    [shard] = read_shards(tmp_path, ["gate"])
    assert shard.verdicts[0]["outcome"].to_pylist() == ["accept"]


def test_a_late_verdict_that_is_no_hold_of_a_group_is_refused(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"])
    sound = hold_texts("a")

    def reject(table: pa.Table, verdicts: pa.Table, _: State) -> pa.Table:
        return build_verdicts(verdicts["row_id"], "gate", ["reject"], reason_classes=["gate.late"])

    with pytest.raises(GateError, match="gate gate said something late that is no hold"):
        run_gates(tmp_path, [make_gate("gate", late=Late(sound.count, sound.merge, reject))], Silent())


def test_progress_tells_of_the_rows_that_each_gate_looks_at(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["bad", "good"], ["good"])
    progress = Counting()
    gates = [
        make_gate("first", lambda t: "reject" if t == "bad" else "accept"),
        make_gate("second"),
        make_gate("thorough", scores_all=True, rounds=[note_texts([]), note_texts([])]),
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

    [shard] = read_shards(tmp_path, ["gate"])
    assert (shard.shard.rows, shard.candidates.num_rows, shard.verdicts[0].num_rows) == (0, 0, 0)


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
        (
            lambda verdicts: verdicts.set_column(
                2, VERDICT_SCHEMA.field("outcome"), pa.array(["accept", "reject"])
            ),
            "turned a row away without a reason_class",
        ),
        (
            lambda verdicts: verdicts.set_column(
                6, VERDICT_SCHEMA.field("reason_class"), pa.array([None, "other.reason"], pa.string())
            ),
            "gave a reason_class that is none of its own; seen: other.reason; allowed: gate.<what>",
        ),
    ],
)
def test_a_gate_that_breaks_its_contract_is_named_and_nothing_of_it_is_kept(
    change: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    write_candidates(tmp_path, ["a", "b"])
    sound = make_gate("gate").judge.judge
    broken = Judge(judge=lambda table, state: change(sound(table, state)), alone="a test made it")
    gate = GateRun(Bound("gate", "gate", "1", {}, Judge), broken, scores_all=False)
    with pytest.raises(GateError) as caught:
        run_gates(tmp_path, [gate], Silent())

    assert str(caught.value) == f"gate gate {message}"
    assert not (tmp_path / "verdicts" / "gate").exists()


def test_a_candidate_part_that_is_torn_is_named(tmp_path: Path) -> None:
    write_candidates(tmp_path, ["a"])
    part = tmp_path / "candidates" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"candidates/part-00000\.parquet"):
        run_gates(tmp_path, [make_gate("gate")], Silent())
