"""A run in a real tracking server of MLflow, with a store of files, and servers that are none."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from synth_stack.emitters.mlflow import emit_mlflow
from synth_stack.emitters.run_facts import RunFacts, read_facts
from synth_stack.errors import ConfigError, ServerError
from synth_stack.host import kill_group, start_apart
from tests.review.toy_run import make_toy_run

START_TIMEOUT_S = 300


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> RunFacts:
    return read_facts(make_toy_run(tmp_path_factory.mktemp("toy"), {"a": 6}), "a" * 64)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a tracking server that keeps all in a folder."""
    python = os.environ.get("SYNTH_STACK_MLFLOW")
    if not python:
        pytest.fail("SYNTH_STACK_MLFLOW names no interpreter with mlflow: make test-mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = [
        "--backend-store-uri",
        f"sqlite:///{folder}/db.sqlite",
        "--artifacts-destination",
        str(folder / "kept"),
    ]
    command = [
        python,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        *where,
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **start_apart())
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_up(address):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.5)
        yield address
    finally:
        kill_group(process.pid)
        process.wait()


def is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


def ask(server: str, what: str, **params: Any) -> Any:
    return httpx.get(f"{server}/api/2.0/mlflow/{what}", params=params).raise_for_status().json()


@pytest.mark.mlflow
def test_a_run_is_told_once_with_its_figures_and_its_root(server: str, facts: RunFacts) -> None:
    first = emit_mlflow(facts, server, "support rows", environment={})
    run = ask(server, "runs/get", run_id=first.run_id)["run"]
    assert run["info"]["status"] == "FINISHED"
    metrics = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
    assert metrics == facts.list_metrics()
    assert {param["key"]: param["value"] for param in run["data"]["params"]} == facts.list_params()
    where = {"run_id": first.run_id}
    assert {file["path"] for file in ask(server, "artifacts/list", **where)["files"]} == {
        "figures.json",
        "root.txt",
    }
    path = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:").strip("/")
    kept = httpx.get(f"{server}/api/2.0/mlflow-artifacts/artifacts/{path}/root.txt").text
    assert kept == f"{'a' * 64}\n"

    again = emit_mlflow(facts, server, "support rows", environment={})
    assert (again.run_id, again.again, first.again) == (first.run_id, True, False)
    elsewhere = emit_mlflow(facts, server, "other rows", environment={})
    assert elsewhere.run_id != first.run_id


@pytest.mark.mlflow
def test_the_command_tells_it(server: str, tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": 6})
    command = [sys.executable, "-m", "synth_stack.cli.main", "emit", str(run), "--mlflow", server]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mlflow       run ")


def test_what_is_no_server_of_mlflow_is_refused(facts: RunFacts) -> None:
    with pytest.raises(ServerError, match="MLflow does not answer: ConnectError"):
        emit_mlflow(facts, "http://127.0.0.1:9", "x", environment={})
    with pytest.raises(ConfigError, match="has an address"):
        emit_mlflow(facts, "mlruns", "x", environment={})
