"""`synth-stack replay`: its tables, its JSON, its exit codes."""

import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from synth_stack.cli.tables import replay_tables
from synth_stack.decisions.replay.result import CHANGED_SCHEMA, GateReplay, Replay
from synth_stack.runs.self_tests import SelfTestBars, measure
from tests.decisions.replay.scored_run import draw_scores, judge_rows, make_rows, use, write_gates
from tests.recipes import call


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 rows under two gates; the first has canaries."""
    rows = make_rows(draw_scores(60))
    return judge_rows(tmp_path_factory.mktemp("shown"), rows, *use(plants=True))


NONE = dict.fromkeys(("accepted", "rejected", "held", "undecided"), 0)
RECALL = measure("dedup", [], SelfTestBars(0.9))


def read_lines(shown: str) -> list[list[str]]:
    """The words of each line of a table, without its frame."""
    return [re.sub(r"[│┃]", " ", line).split() for line in shown.splitlines()]


def test_the_tables_say_what_changes_and_the_curve_has_the_threshold_that_stands(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = write_gates(tmp_path, *use(first=0.7, plants=True, min_recall=0.1))
    code, out, err = call(monkeypatch, capsys, "replay", run, "--gates", gates, "--json")
    value = json.loads(out)
    assert (code, err) == (0, "")

    monkeypatch.setenv("COLUMNS", "160")
    code, out, err = call(monkeypatch, capsys, "replay", run, "--gates", gates)
    lines = read_lines(out)

    assert (code, err) == (0, "")
    for decision in ("accepted", "rejected", "held", "undecided"):
        before, after = value["before"][decision], value["after"][decision]
        assert [decision, str(before), str(after), f"{after - before:+}"] in lines
    first = value["gates"][0]
    assert [
        "replay_first", str(first["before"]["rejected"]), "->", str(first["after"]["rejected"]), "0", "0",
        "20", "->", "12", "of", "20", "threshold:", "0.5", "->", "0.7",
    ] in lines  # fmt: skip
    changed = len(value["changed"])
    assert f"{changed} changed rows" in out
    assert value["changed"][0]["row_id"] in out
    [point] = [p for p in value["curves"][0]["points"] if p["threshold"] == 0.7]
    shown = ["0.7", str(point["accepted"]), str(point["undecided"]), "12"]
    assert any(line[:4] == shown for line in lines)
    assert sum("Yield of" in line for line in out.splitlines()) == 2
    assert "note    replay_second never scored" in out


def test_a_reason_is_shown_and_never_interpreted() -> None:
    hostile = "\x1b[2J[link=evil]\rred"
    row = dict.fromkeys(CHANGED_SCHEMA.names, hostile) | {"row_id": "f" * 32, "after": "rejected"}
    replayed = Replay(
        Path(),
        {"accepted": 1},
        {"rejected": 1},
        (GateReplay("dedup", ((hostile, hostile, hostile),), NONE, NONE, RECALL, RECALL),),
        pa.Table.from_pylist([row], schema=CHANGED_SCHEMA),
        (),
        (hostile,),
    )
    file = io.StringIO()
    Console(file=file, width=400).print(*replay_tables(replayed))

    assert "[link=evil]" in file.getvalue()
    assert not {"\x1b", "\r"} & set(file.getvalue())


def test_a_run_without_changes_shows_no_rows(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = write_gates(tmp_path, *use(plants=True))
    code, out, _ = call(monkeypatch, capsys, "replay", run, "--gates", gates)

    assert code == 0
    assert "changed rows" not in out
    assert "note" not in out


@pytest.mark.parametrize(
    ("gates", "code"),
    [([{"use": "replay_fixed"}], 2), (use(first=3.0), 2), (use(first=0.4, plants=True), 1)],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(
    tmp_path: Path,
    gates: list[dict[str, object]],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = judge_rows(tmp_path, make_rows([(0.1, 0.1)]), *use(plants=True))
    (broken / "verdicts" / "replay_first" / "part-00000.parquet").write_bytes(b"PAR1")
    path = write_gates(tmp_path, *gates, name="new.yaml")
    exit_code, out, err = call(monkeypatch, capsys, "replay", broken, "--gates", path)

    assert (exit_code, out) == (code, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
