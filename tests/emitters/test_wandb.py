"""A run of Weights & Biases, written by its own package and core, and read back from the log that they leave."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from synth_stack.emitters.run_facts import RunFacts, read_facts
from synth_stack.emitters.wandb import emit_wandb
from synth_stack.errors import ConfigError, MissingExtra
from tests.review.toy_run import make_toy_run

ROOT = Path(__file__).parents[2]
SECRET = "5ecre7" * 6 + "0123"
READ = """
import json, struct, sys
from google.protobuf.json_format import MessageToDict
from wandb.proto import wandb_internal_pb2

def list_records(data):
    place, part = 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        place += 7 + size
        part += data[place - size : place]
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            yield MessageToDict(record, preserving_proto_field_name=True)

print(json.dumps(list(list_records(open(sys.argv[1], "rb").read()))))
"""
"""Prints the records of a log: blocks of 32 KiB, as LevelDB has them, of protobuf messages of the package."""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> RunFacts:
    return read_facts(make_toy_run(tmp_path_factory.mktemp("toy"), {"a": 6}), "a" * 64)


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter of an environment with wandb and this package."""
    named = os.environ.get("SYNTH_STACK_TRACKERS")
    if not named:
        pytest.fail("SYNTH_STACK_TRACKERS names no interpreter with wandb: make test-trackers")
    return named


def call(python: str, home: Path, *words: str) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "WANDB_API_KEY": SECRET,
        "WANDB_BASE_URL": "http://127.0.0.1:9",
        "WANDB_MODE": "online",  # what an offline run does not listen to
    }
    done = subprocess.run(
        [python, *words], env=env, cwd=home, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.trackers
def test_a_run_is_written_once_with_its_figures_and_nothing_of_the_machine(
    python: str, tmp_path: Path
) -> None:
    home, run = tmp_path / "home", make_toy_run(tmp_path / "toy", {"a": 6})
    home.mkdir()
    command = ["-m", "synth_stack.cli.main", "emit", str(run), "--wandb", "told", "--experiment", "support"]
    told = json.loads(call(python, home, *command, "--json"))["wandb"]
    assert told["again"] is False
    assert json.loads(call(python, home, *command, "--json"))["wandb"] == {**told, "again": True}
    assert "next         wandb sync " in call(python, home, *command)

    where = Path(told["folder"])
    [log] = where.glob("*.wandb")
    records: list[dict[str, Any]] = json.loads(call(python, home, "-c", READ, str(log)))
    begun = next(record["run"] for record in records if "run" in record)
    facts = read_facts(run)
    config = {item["key"]: json.loads(item["value_json"]) for item in begun["config"]["update"]}
    assert {key: value for key, value in config.items() if key != "_wandb"} == facts.list_params()
    assert (begun["run_id"], begun["project"], begun.get("host")) == (told["run_id"], "support", None)
    summary = [item for record in records for item in record.get("summary", {}).get("update", [])]
    figures = {item["key"]: json.loads(item["value_json"]) for item in summary if "key" in item}
    assert {key: value for key, value in figures.items() if not key.startswith("_")} == facts.list_metrics()
    [artefact] = [record["artifact"] for record in records if "artifact" in record]
    [content] = artefact["manifest"]["contents"]
    assert content["path"] == "figures.json"
    assert json.loads(Path(content["local_path"]).read_bytes()) == facts.to_json()
    assert Path(content["local_path"]).parent == where / "files"
    assert [record["exit"] for record in records if "exit" in record]

    written = b"".join(path.read_bytes() for path in where.rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    assert {path.name for path in (where / "files").iterdir()} == {"figures.json"}


def test_without_its_package_it_says_what_to_install(
    facts: RunFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(MissingExtra, match="written by its own package"):
        emit_wandb(facts, tmp_path, "x")


def test_an_address_is_refused(facts: RunFacts) -> None:
    with pytest.raises(ConfigError, match="is written to a folder"):
        emit_wandb(facts, Path("https://api.example.org"), "x")
