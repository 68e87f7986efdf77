"""Planted rows: seen by the gate after the batch, kept apart from it, and counted."""

from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.engines.gate_loop import GateRun
from synth_stack.engines.self_tests import plant
from synth_stack.errors import GateError
from synth_stack.files import read_table, write_table
from synth_stack.gates.canaries import build_control, plant_defects
from synth_stack.gates.gate import Judge, State
from synth_stack.progress import Silent
from synth_stack.registry import Bound
from synth_stack.rows.schemas import CANARY_SCHEMA, CANDIDATE_SCHEMA, build_candidates, build_verdicts
from synth_stack.runs.folder import list_files
from synth_stack.runs.judged import read_shards
from synth_stack.runs.self_tests import SelfTestBars, read_self_tests
from tests.engines.test_gate_loop import note_texts, run_gates
from tests.some_rows import make_row, make_texts

BARS = SelfTestBars(0.9, max_unfair=0.1)


def make_rows(*texts: str | None, failure: str | None = None) -> pa.Table:
    return make_texts(texts, failure=failure)


def shout(sample: pa.Table, n: int, _: int) -> pa.Table:
    return plant_defects(sample, n, [("it shouts", str.upper), ("it whispers", str.lower)])


def speak(sample: pa.Table, n: int, _: int) -> pa.Table:
    said = [f"Speaking evenly, {draw}" for draw in range(n + 3)]
    return build_candidates(
        build_control("foreign", [{"role": "text", "content": text}], "it speaks", draw, kind="even")
        for draw, text in enumerate(said)
    )


def judge_shouting(table: pa.Table, _: State) -> pa.Table:
    loud = [text.isupper() for text in table["text"].to_pylist()]
    outcomes = ["reject" if is_loud else "accept" for is_loud in loud]
    classes = ["quiet.loud" if is_loud else None for is_loud in loud]
    return build_verdicts(table["row_id"], "quiet", outcomes, reason_classes=classes)


def test_canaries_are_seen_after_the_batch_and_kept_apart_from_it(tmp_path: Path) -> None:
    write_table(tmp_path / "candidates" / "part-00000.parquet", make_rows("Hello", "Good day"))
    prepared: list[list[str]] = []
    judge = Judge(
        judge_shouting, rounds=(note_texts(prepared),), plant=shout, control=speak, alone="a test made it"
    )
    run_gates(tmp_path, [GateRun(Bound("gate", "quiet", "1", {}, Judge), judge, False, 2, BARS)], Silent())

    assert prepared == [
        ["Hello", "Good day"],
        ["HELLO", "hello", "GOOD DAY", "good day", "Speaking evenly, 0", "Speaking evenly, 1"],
    ]
    [shard] = read_shards(tmp_path, ["quiet"])
    table, [verdicts] = shard.candidates, shard.verdicts
    assert (table.num_rows, verdicts["outcome"].to_pylist()) == (2, ["accept", "accept"])
    kept = read_table(tmp_path / "canaries" / "quiet.parquet", CANARY_SCHEMA)
    assert kept["outcome"].to_pylist() == ["reject", "accept", "reject", "accept", "accept", "accept"]
    assert kept["canary"].to_pylist() == ["it shouts", "it whispers"] * 2 + ["it speaks"] * 2
    assert kept["control"].to_pylist() == [False] * 4 + [True] * 2
    assert not set(kept["row_id"].to_pylist()) & set(table["row_id"].to_pylist())
    assert list_files(tmp_path) == [
        "canaries/quiet.parquet",
        "candidates/part-00000.parquet",
        "state/quiet/rows0.arrow",
        "verdicts/quiet/part-00000.parquet",
    ]
    [found] = read_self_tests(tmp_path, {"quiet": BARS})
    assert (found.planted, found.caught, found.blind) == (4, 2, True)
    assert (found.innocent, found.turned_away, found.unfair) == (2, 0, False)


def test_the_same_batch_gets_the_same_canaries_and_another_gets_others() -> None:
    rows = make_rows(*[f"Text number {k}" for k in range(3000)])
    judge = Judge(judge_shouting, plant=shout)
    first = plant("quiet", judge, 8, [rows])
    assert first.equals(plant("quiet", judge, 8, [rows]))
    assert not first.equals(plant("quiet", judge, 8, [rows.slice(1).combine_chunks()]))
    assert first.num_rows == 16


@pytest.mark.parametrize(
    "tables",
    [[], [CANDIDATE_SCHEMA.empty_table()], [make_rows(None)], [make_rows("torn", failure="it broke off")]],
)
def test_without_a_whole_row_nothing_is_planted(tables: list[pa.Table]) -> None:
    assert plant("quiet", Judge(judge_shouting, plant=shout), 8, tables).num_rows == 0


def test_a_gate_without_canaries_plants_none() -> None:
    assert plant("quiet", Judge(judge_shouting), 8, [make_rows("a")]).num_rows == 0
    assert plant("quiet", Judge(judge_shouting, plant=shout), 0, [make_rows("a")]).num_rows == 0


def test_of_each_kind_no_more_rows_are_kept_than_were_asked_for() -> None:
    rows = plant("quiet", Judge(judge_shouting, plant=shout, control=speak), 3, [make_rows("a", "b")])
    assert rows["generator"].to_pylist() == ["canary"] * 6 + ["control"] * 3


def test_a_gate_whose_controls_are_canaries_is_refused() -> None:
    with pytest.raises(GateError, match="gate quiet planted rows that are no controls"):
        plant("quiet", Judge(judge_shouting, control=shout), 3, [make_rows("a")])


def test_a_gate_that_plants_rows_of_the_batch_is_refused() -> None:
    judge = Judge(judge_shouting, plant=lambda sample, n, seed: sample)
    with pytest.raises(GateError, match="gate quiet planted rows that are no canaries"):
        plant("quiet", judge, 8, [make_rows("a")])


def test_rows_without_text_are_the_model_of_canaries_where_a_gate_reads_none() -> None:
    image = {"path": "a.png", "sha256": "0" * 64, "mime": "image/png"}
    rows = build_candidates(
        [make_row(kind="image", draw=n, attachments=[image] if n else [], text=None) for n in range(3)]
    )
    seen = []

    def plant_seen(sample: pa.Table, n: int, seed: int) -> pa.Table:
        seen.append(sample["row_id"].to_pylist())
        return shout(make_rows("a"), n, seed)

    judge = Judge(judge_shouting, plant=plant_seen)
    worded = make_rows("b")
    plant("quiet", judge, 8, [rows])
    plant("quiet", judge, 8, [rows], reads_text=False)
    plant("quiet", judge, 8, [rows, worded], reads_text=False)
    assert seen == [rows["row_id"].to_pylist()[1:], worded["row_id"].to_pylist()]
