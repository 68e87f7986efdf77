"""What happens to a batch as a whole: a blind gate fails it, a first gate replaces rows, a shard is broken."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from synth_stack.errors import BlindGate, ConfigError, InputError
from synth_stack.files import read_table, write_table
from synth_stack.gates.canaries import plant_defects
from synth_stack.gates.gate import Judge, State
from synth_stack.registry import gate
from synth_stack.rows.schemas import (
    CANARY_SCHEMA,
    CANDIDATE_SCHEMA,
    DECISION_SCHEMA,
    build_candidates,
    build_verdicts,
)
from synth_stack.runs.folder import MANIFEST, list_amended, list_parts
from synth_stack.workflows.curate import curate
from synth_stack.workflows.judge import bind_gates
from tests.recipes import call, read_tree, write_jsonl

ROWS = [{"id": f"r{k}", "text": f"Text number {k} is an ordinary one."} for k in range(6)]


@gate("batch-test-sleepy", version="1")
def sleepy(*, word: str = "LOUD") -> Judge:
    """A judge that rejects texts in capitals that hold its word; its canaries shout, whispering or not."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        outcomes = ["reject" if word in (text or "") else "accept" for text in table["text"].to_pylist()]
        classes = ["batch-test-sleepy.loud" if o == "reject" else None for o in outcomes]
        return build_verdicts(table["row_id"], "batch-test-sleepy", outcomes, reason_classes=classes)

    def plant(sample: pa.Table, n: int, seed: int) -> pa.Table:
        return plant_defects(sample, n, [("it is loud", lambda t: f"{t} LOUD"), ("it is not", str.lower)])

    return Judge(judge, plant=plant, min_recall=0.9)


@gate("batch-test-tidy", version="1")
def tidy(*, word: str = "number") -> Judge:
    """A judge that replaces rows that hold its word by rows without it."""

    def replace(row: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in row.items() if key not in {"row_id", "parent_id"}}
        return {**kept, "text": row["text"].replace(word, "[WORD]"), "parent_id": row["row_id"]}

    def amend(table: pa.Table, _: State) -> pa.Table:
        return build_candidates(replace(r) for r in table.to_pylist() if word in (r["text"] or ""))

    def judge(table: pa.Table, _: State) -> pa.Table:
        outcomes = ["reject" if word in (text or "") else "accept" for text in table["text"].to_pylist()]
        copies = {row["parent_id"]: row["row_id"] for row in amend(table, {}).to_pylist()}
        evidence = [
            json.dumps({"replaced_by": copies[row_id]}) if row_id in copies else None
            for row_id in table["row_id"].to_pylist()
        ]
        return build_verdicts(
            table["row_id"],
            "batch-test-tidy",
            outcomes,
            reasons=["word: another row stands for it" if o == "reject" else None for o in outcomes],
            reason_classes=["batch-test-tidy.word" if o == "reject" else None for o in outcomes],
            evidence=evidence,
        )

    return Judge(judge, amend=amend)


def keep(path: Path, rows: list[dict[str, Any]]) -> Path:
    write_jsonl(path, rows)
    return path


def write_gates(folder: Path, *gates: dict[str, Any]) -> Path:
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "gates": list(gates)}))
    return path


def read_decisions(folder: Path) -> list[tuple[str, str, str | None]]:
    table = read_table(folder / "decisions.parquet", DECISION_SCHEMA)
    columns = (table[name].to_pylist() for name in ("source_id", "decision", "gate"))
    return list(zip(*columns, strict=True))


def test_a_blind_gate_fails_the_batch_and_holds_every_row_that_would_be_accepted(tmp_path: Path) -> None:
    rows = keep(tmp_path / "rows.jsonl", [*ROWS, {"id": "loud", "text": "LOUD"}])
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy", "canaries": 20})
    with pytest.raises(
        BlindGate, match=r"caught 0 of 20 planted rows of kind \w+, where 0\.9 of them is the bar"
    ):
        curate(rows, gates, tmp_path / "out")

    assert read_decisions(tmp_path / "out") == [
        *[(f"r{k}", "held", "batch-test-sleepy") for k in range(6)],
        ("loud", "rejected", "batch-test-sleepy"),
    ]
    assert (tmp_path / "out" / MANIFEST).exists()
    assert (tmp_path / "out" / "report.html").exists()
    assert (
        read_table(tmp_path / "out" / "canaries" / "batch-test-sleepy.parquet", CANARY_SCHEMA).num_rows == 40
    )
    with pytest.raises(BlindGate):
        curate(rows, gates, tmp_path / "out")


def test_a_bar_in_the_gate_file_is_the_one_that_counts(tmp_path: Path) -> None:
    rows = keep(tmp_path / "rows.jsonl", ROWS)
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy", "canaries": 20, "min_recall": 0.0})
    assert curate(rows, gates, tmp_path / "out").figures.accepted == 6


def test_without_canaries_nothing_is_known_and_nothing_fails(tmp_path: Path) -> None:
    rows = keep(tmp_path / "rows.jsonl", ROWS)
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy", "canaries": 0})
    assert curate(rows, gates, tmp_path / "out").figures.accepted == 6
    assert not (tmp_path / "out" / "canaries").exists()


def test_the_price_of_each_gate_is_told_and_a_repeated_call_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = keep(tmp_path / "rows.jsonl", ROWS)
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy", "canaries": 0})
    command = ("curate", rows, "--gates", gates, "--out", tmp_path / "out", "--json")
    code, out, _ = call(monkeypatch, capsys, *command)
    [price] = json.loads(out)["gates"]
    assert (code, price["gate"], price["model_calls"], price["planted"]) == (0, "batch-test-sleepy", 0, 0)
    assert price["seconds"] > 0
    assert json.loads(call(monkeypatch, capsys, *command)[1])["gates"] == [price]
    assert "Price of the gates" in call(monkeypatch, capsys, *command[:-1])[1]


def test_the_command_shows_the_figures_of_a_blind_batch_and_exits_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = keep(tmp_path / "rows.jsonl", ROWS)
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy"})
    code, out, err = call(
        monkeypatch, capsys, "curate", rows, "--gates", gates, "--out", tmp_path / "out", "--quiet"
    )
    assert code == 1
    assert "Funnel" in out
    assert "blind gate: batch-test-sleepy caught 0 of 20 planted rows of kind" in err
    assert "min_recall" in err


@pytest.mark.parametrize(("key", "value"), [("canaries", -1), ("canaries", "many"), ("min_recall", 1.5)])
def test_canary_settings_out_of_range_are_refused(tmp_path: Path, key: str, value: object) -> None:
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy", key: value})
    with pytest.raises(ConfigError, match=rf"gates\[0\]\.{key}"):
        bind_gates(gates)


def test_a_first_gate_replaces_rows_and_the_others_judge_what_it_made(tmp_path: Path) -> None:
    rows = keep(tmp_path / "rows.jsonl", [*ROWS, {"id": "plain", "text": "Nothing to replace."}])
    gates = write_gates(tmp_path, {"use": "batch-test-tidy"}, {"use": "batch-test-sleepy", "canaries": 0})
    batch = curate(rows, gates, tmp_path / "out")

    decided = read_decisions(tmp_path / "out")
    assert decided[:7] == [
        *[(f"r{k}", "rejected", "batch-test-tidy") for k in range(6)],
        ("plain", "accepted", None),
    ]
    assert decided[7:] == [(f"r{k}", "accepted", None) for k in range(6)]
    [made] = list_amended(tmp_path / "out" / "candidates")
    originals = read_table(list_parts(tmp_path / "out" / "candidates")[0], CANDIDATE_SCHEMA)
    assert read_table(made)["parent_id"].to_pylist() == originals["row_id"].to_pylist()[:6]
    accepted = [
        t for p in list_parts(tmp_path / "out" / "accepted") for t in read_table(p)["text"].to_pylist()
    ]
    assert accepted == ["Nothing to replace.", *[f"Text [WORD] {k} is an ordinary one." for k in range(6)]]

    before = read_tree(tmp_path / "out")
    assert curate(rows, gates, tmp_path / "out").figures == batch.figures
    assert read_tree(tmp_path / "out") == before


def test_rows_that_another_gate_file_replaced_are_gone_with_it(tmp_path: Path) -> None:
    rows = keep(tmp_path / "rows.jsonl", ROWS)
    curate(rows, write_gates(tmp_path, {"use": "batch-test-tidy"}), tmp_path / "out")
    batch = curate(rows, write_gates(tmp_path, {"use": "batch-test-sleepy", "canaries": 0}), tmp_path / "out")
    assert not list_amended(tmp_path / "out" / "candidates")
    assert batch.figures.accepted == 6

    first = curate(rows, write_gates(tmp_path, {"use": "batch-test-tidy"}), tmp_path / "first")
    again = curate(first.folder, write_gates(tmp_path, {"use": "batch-test-tidy"}), tmp_path / "second")
    assert again.figures == first.figures


def test_a_gate_that_replaces_rows_has_to_stand_first(tmp_path: Path) -> None:
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy"}, {"use": "batch-test-tidy"})
    with pytest.raises(
        ConfigError,
        match=r"gates\[1\]: batch-test-tidy replaces rows, so it has to stand first, or after others",
    ):
        bind_gates(gates)


def test_a_broken_shard_stops_the_work_and_is_named_or_is_skipped_when_asked(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    for name in ("a", "b", "c"):
        write_table(shards / f"{name}.parquet", pa.table({"id": [name], "text": [f"Text of shard {name}."]}))
    torn = (shards / "b.parquet").read_bytes()
    (shards / "b.parquet").write_bytes(torn[: len(torn) // 2])
    gates = write_gates(tmp_path, {"use": "batch-test-sleepy", "canaries": 0})

    with pytest.raises(InputError, match=r"b\.parquet is not a readable Parquet file"):
        curate(shards, gates, tmp_path / "stopped")
    curate(shards, gates, tmp_path / "out", skip_broken=True)

    table = read_table(tmp_path / "out" / "decisions.parquet", DECISION_SCHEMA)
    assert table["source_id"].to_pylist() == ["a", None, "c"]
    assert table["decision"].to_pylist() == ["accepted", "rejected", "accepted"]
    assert "b.parquet: broken shard, the rest of it is skipped" in table["reason"][1].as_py()
    # what was stopped goes on when the broken shard may be skipped
    curate(shards, gates, tmp_path / "stopped", skip_broken=True)
    assert read_decisions(tmp_path / "stopped") == read_decisions(tmp_path / "out")


def test_a_text_file_that_ends_in_the_middle_is_a_broken_record_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "A whole row."}) + '\n{"id": "b", "text": "torn')
    batch = curate(path, write_gates(tmp_path, {"use": "structure", "languages": []}), tmp_path / "out")
    assert (batch.figures.accepted, batch.figures.rejected) == (1, 1)
