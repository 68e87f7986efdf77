"""A gate of another author on the command line: in worker processes, in the lock, and in replay."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import yaml

from synth_stack.engines.engine import Spec, open_work
from synth_stack.engines.local import APART_ROWS
from synth_stack.errors import GateError
from synth_stack.files import digest_file, read_table
from synth_stack.gates.gate import Judge
from synth_stack.inputs.extensions import load_extensions
from synth_stack.registry import bind
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import list_shards, read_state
from synth_stack.runs.self_tests import SelfTestBars, read_self_tests
from synth_stack.workflows.judge import bind_gates
from tests.gates.playing import play
from tests.some_rows import make_texts

TOY = Path(__file__).with_name("toy_gate.py")
ROWS = 31_000
UNUSUAL = {7: 60, 10_007: 40, 30_999: 90}
"""Row to words, among rows of 8 to 12 words: the median is 10, the median distance from it 1."""

Command = tuple[int, str, str, bool]
"""Exit code, standard output, standard error, and whether worker processes were seen."""


def call(folder: Path, *words: str) -> Command:
    """The command line in a process of its own, watched for workers."""
    command = [sys.executable, "-m", "synth_stack.cli.main", *words]
    out, err = folder / "stdout.txt", folder / "stderr.txt"
    worked_apart = False
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(command, cwd=folder, stdout=stdout, stderr=stderr)
        while process.poll() is None:
            children = [] if worked_apart else list_children(process.pid)
            worked_apart = worked_apart or any("synth_stack.engines.worker" in each for each in children)
            time.sleep(0.05)
    return process.returncode, out.read_text(), err.read_text(), worked_apart


def list_children(pid: int) -> Iterator[str]:
    """The command lines of the processes that a process has started."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rpartition(")")[2].split()[1]) == pid:
                yield (status.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue


def write_gates(folder: Path, name: str, **params: Any) -> str:
    gates = {"version": 1, "gates": [{"use": "toy_length", **params}]}
    (folder / name).write_text(yaml.safe_dump(gates), encoding="utf-8")
    return name


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Command]:
    """A folder with 31,000 rows judged by the toy gate in `out`, and how the command went."""
    folder = tmp_path_factory.mktemp("toy")
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for number in range(ROWS):
            words = UNUSUAL.get(number, 8 + number % 5)
            text = " ".join(f"w{(number * 7 + k) % 997}" for k in range(words))
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
    gates = write_gates(folder, "gates.yaml", max_distance=20.0)
    command = call(
        folder, "curate", "rows.jsonl", "--gates", gates, "--out", "out", "--load", str(TOY), "--json"
    )
    return folder, command


@pytest.mark.slow
def test_it_judges_a_large_batch_in_workers_by_what_the_whole_batch_says(
    curated: tuple[Path, Command],
) -> None:
    folder, (code, out, err, worked_apart) = curated
    assert code == 0, err
    assert ROWS > APART_ROWS
    assert worked_apart or not Path("/proc/self/stat").exists()
    counts = json.loads(out)
    assert (counts["accepted"], counts["rejected"], counts["held"]) == (ROWS - 3, 3, 0)

    state = read_state(folder / "out", "toy_length")
    assert {name: table["value"].to_pylist() for name, table in state.items()} == {
        "median": [10],
        "spread": [1],
    }
    decisions = pl.read_parquet(folder / "out" / "decisions.parquet")
    away = decisions.filter(pl.col("decision") == "rejected")
    assert away["source_id"].to_list() == [str(number) for number in UNUSUAL]
    assert set(away["gate"]) == {"toy_length"}
    assert set(away["reason_class"]) == {"toy_length.unusual"}
    assert away["reason"][0] == "an unusual length: 50 median distances"
    [test] = read_self_tests(folder / "out", {"toy_length": SelfTestBars(0.9)})
    assert (test.planted, test.caught, test.blind) == (20, 20, False)


@pytest.mark.slow
def test_workers_say_what_one_process_says(curated: tuple[Path, Command]) -> None:
    folder = curated[0] / "out"
    load_extensions([str(TOY)])
    judge: Judge = bind("gate", "toy_length", {"max_distance": 20.0}, where="test").make()
    shards = list_shards(folder / "candidates")
    expected, _ = play(judge, [shard.read(CANDIDATE_SCHEMA) for shard in shards], name="toy_length")
    stored = [read_table(folder / "verdicts" / "toy_length" / shard.name, VERDICT_SCHEMA) for shard in shards]
    assert len(stored) == 4
    assert pa.concat_tables(stored).equals(pa.concat_tables(expected))


@pytest.mark.slow
def test_the_lock_names_the_extension_with_its_digest_and_not_where_it_lies(
    curated: tuple[Path, Command],
) -> None:
    text = (curated[0] / "out" / "gates.lock.yaml").read_text(encoding="utf-8")
    lock = yaml.safe_load(text)
    assert lock["load"] == [{"name": "toy_gate.py", "sha256": digest_file(TOY)}]
    [gate] = lock["gates"]
    assert (gate["params"], gate["facts"]) == ({"max_distance": 20.0}, {"measure": "words"})
    [dial] = gate["dials"]
    assert (dial["parameter"], dial["rejects"], dial["threshold"]) == ("max_distance", ">", "20.0")
    assert str(TOY.parent) not in text


@pytest.mark.slow
def test_another_threshold_is_tried_on_the_stored_scores(curated: tuple[Path, Command]) -> None:
    folder, _ = curated
    gates = write_gates(folder, "looser.yaml", max_distance=55.0)
    code, out, err, _ = call(folder, "replay", "out", "--gates", gates, "--load", str(TOY), "--json")
    assert code == 0, err
    replayed = json.loads(out)
    assert (replayed["before"]["accepted"], replayed["before"]["rejected"]) == (ROWS - 3, 3)
    assert (replayed["after"]["accepted"], replayed["after"]["rejected"]) == (ROWS - 1, 1)
    changed = {(row["source_id"], row["before"], row["after"]) for row in replayed["changed"]}
    assert changed == {("7", "rejected", "accepted"), ("10007", "rejected", "accepted")}


def test_without_its_file_the_gate_is_unknown_and_the_message_says_how_to_load_it(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
    gates = write_gates(tmp_path, "gates.yaml")
    code, _, err, _ = call(tmp_path, "curate", "rows.jsonl", "--gates", gates, "--out", "out")
    assert code == 2
    assert "there is no gate of that name; seen: toy_length" in err
    assert "--load" in err
    assert not (tmp_path / "out").exists()


def test_a_changed_file_is_another_gate_to_the_lock(tmp_path: Path) -> None:
    write_gates(tmp_path, "gates.yaml")
    locks = []
    for folder in ("one", "same", "other"):
        copy = tmp_path / folder / "toy.py"
        copy.parent.mkdir()
        text = TOY.read_text(encoding="utf-8").replace('"toy_length", v', f'"toy_{folder}", v')
        copy.write_text(text + ("# changed\n" if folder == "other" else ""), encoding="utf-8")
        gates = {"version": 1, "load": [f"{folder}/toy.py"], "gates": [{"use": f"toy_{folder}"}]}
        (tmp_path / "gates.yaml").write_text(yaml.safe_dump(gates), encoding="utf-8")
        locks.append(yaml.safe_load(bind_gates(tmp_path / "gates.yaml").lock))
    assert [lock["load"][0]["name"] for lock in locks] == ["toy.py"] * 3
    assert len({lock["load"][0]["sha256"] for lock in locks}) == 3
    # what an earlier call in this process loaded is in no other lock
    assert [len(lock["load"]) for lock in locks] == [1, 1, 1]


def test_a_worker_refuses_another_text_than_that_of_the_run(tmp_path: Path) -> None:
    [extension] = load_extensions([str(TOY)])
    bound = bind("gate", "toy_length", {}, where="test")
    spec = Spec(
        folder=str(tmp_path),
        gate="toy_length",
        version="1",
        params=dict(bound.params),
        facts_sha256=digest_json({"measure": "words"}),
        extensions={extension.reference: extension.sha256},
    )
    assert open_work(spec).judge.facts == {"measure": "words"}
    with pytest.raises(GateError, match=r"another text of toy_gate\.py than the run"):
        open_work(Spec(**{**vars_of(spec), "extensions": {extension.reference: "0" * 64}}))


def vars_of(spec: Spec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in Spec.__dataclass_fields__}


def test_an_empty_batch_and_one_without_texts_are_judged() -> None:
    load_extensions([str(TOY)])
    judge: Judge = bind("gate", "toy_length", {}, where="test").make()
    [empty], _ = play(judge, [make_texts([])], name="toy_length")
    assert len(empty) == 0
    [silent], _ = play(judge, [make_texts([None])], name="toy_length")
    assert silent["outcome"].to_pylist() == ["abstain"]
