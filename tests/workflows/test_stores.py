"""Rows that lie in an object store, and folders that go there: whole, or known to be unfinished."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pytest
import yaml

from synth_stack.errors import InputError, MissingExtra, RunMismatch, StoreError
from synth_stack.inputs.object_stores import ObjectStore, fetch_source, hide_secrets, is_address
from synth_stack.runs.folder import LOCK, MANIFEST
from synth_stack.workflows.curate import curate
from tests.recipes import read_tree

ROWS = [
    {
        "id": f"r{n}",
        "instruction": f"Name a colour, number {n}.",
        "output": f"Colour {n} is the blue of place {n * n}.",
    }
    for n in range(12)
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store in memory, with two shards of rows under memory://data/rows; runs/ is made in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    memory = fsspec.filesystem("memory")
    for number in range(2):
        lines = "\n".join(json.dumps(row) for row in ROWS[number * 6 : number * 6 + 6])
        memory.pipe(f"/data/rows/part-{number}.jsonl", lines.encode())
    yield memory
    memory.rm("/data", recursive=True)


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    path = tmp_path / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "gates": [{"use": "dedup", "canaries": 0}]}))
    return path


def read_objects(memory: Any, prefix: str) -> dict[str, bytes]:
    names = [str(name) for name in memory.find(prefix)]
    return {name.removeprefix(f"{prefix}/"): memory.cat(name) for name in names}


def test_rows_of_a_store_are_judged_like_those_of_a_folder_and_the_result_is_sent(
    store: Any, gates: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows"
    store.get("/data/rows", str(rows), recursive=True)
    here = curate(rows, gates, tmp_path / "here").folder
    batch = curate("memory://data/rows", gates, "memory://data/out")

    assert batch.address == "memory://data/out"
    assert batch.folder.parent == Path("runs")
    assert read_objects(store, "/data/out") == read_tree(here) == read_tree(batch.folder)
    assert not (batch.folder / ".input").exists()
    accepted = [name for name in store.find("/data/out/accepted") if name.endswith(".parquet")]
    assert sum(len(pl.read_parquet(store.cat(name))) for name in accepted) == len(ROWS)


def test_a_single_object_is_a_file(store: Any, gates: Path, tmp_path: Path) -> None:
    batch = curate("memory://data/rows/part-1.jsonl", gates, tmp_path / "out")
    assert batch.figures.counts()["generated"] == 6
    assert batch.address is None
    assert json.loads((batch.folder / "input.json").read_bytes())["name"] == "part-1.jsonl"


def test_the_same_call_again_sends_nothing(store: Any, gates: Path) -> None:
    curate("memory://data/rows", gates, "memory://data/out")
    before = {name: store.info(name)["created"] for name in store.find("/data/out")}
    curate("memory://data/rows", gates, "memory://data/out")
    assert {name: store.info(name)["created"] for name in store.find("/data/out")} == before


def test_a_manifest_is_there_only_when_everything_is(
    store: Any, gates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    upload = ObjectStore.upload

    def fail_once(self: ObjectStore, source: Path, name: str) -> None:
        sent.append(name)
        if len(sent) == 4:
            raise StoreError("the network is gone")
        upload(self, source, name)

    monkeypatch.setattr(ObjectStore, "upload", fail_once)
    with pytest.raises(StoreError, match="the network is gone"):
        curate("memory://data/rows", gates, "memory://data/out")
    assert LOCK in read_objects(store, "/data/out")
    assert MANIFEST not in read_objects(store, "/data/out")

    batch = curate("memory://data/rows", gates, "memory://data/out")
    assert sent[-1] == MANIFEST
    assert read_objects(store, "/data/out") == read_tree(batch.folder)


def test_other_gates_leave_nothing_of_the_first_ones(store: Any, gates: Path) -> None:
    curate("memory://data/rows", gates, "memory://data/out")
    gates.write_text(yaml.safe_dump({"version": 1, "gates": [{"use": "turns", "canaries": 0}]}))
    batch = curate("memory://data/rows", gates, "memory://data/out")
    assert read_objects(store, "/data/out") == read_tree(batch.folder)
    assert not any("dedup" in name for name in store.find("/data/out"))


def test_an_address_that_holds_something_else_is_refused(store: Any, gates: Path) -> None:
    with pytest.raises(RunMismatch, match="memory://data/rows is not empty and holds no run"):
        curate("memory://data/rows", gates, "memory://data/rows")
    curate("memory://data/rows", gates, "memory://data/out")
    with pytest.raises(RunMismatch, match="holds a different run"):
        curate("memory://data/rows/part-0.jsonl", gates, "memory://data/out")


def test_what_cannot_be_fetched_is_refused(store: Any, gates: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="memory://data/nothing holds nothing"):
        curate("memory://data/nothing", gates, tmp_path / "out")
    with pytest.raises((MissingExtra, InputError), match="nosuchstore://bucket/rows"):
        curate("nosuchstore://user:secret@bucket/rows?key=secret", gates, tmp_path / "out")


def test_an_address_on_this_machine_is_a_folder_that_is_made(
    gates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    batch = curate(ROWS, gates, f"file://{tmp_path}/new/out")
    assert read_tree(tmp_path / "new" / "out") == read_tree(batch.folder)


def test_a_name_that_leads_out_of_the_folder_is_refused(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"/data/rows/../../evil.jsonl": {"type": "file", "size": 3}}
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "find", lambda *_, **__: found)
        with pytest.raises(InputError, match="an object whose name is no path"):
            fetch_source("memory://data/rows", tmp_path / "in")
    assert list(tmp_path.rglob("evil*")) == []


def test_addresses_are_told_from_paths_and_shown_without_secrets() -> None:
    assert [
        is_address(s)
        for s in ("s3://b/k", "HF://datasets/a/b", "rows.jsonl", "owner/name", Path("s3:/b"), None)
    ] == [*(True, True, False, False, False, False)]
    assert hide_secrets("s3://key:secret@bucket/rows?token=x#y") == "s3://bucket/rows"


@pytest.mark.engines
def test_s3_by_a_server_that_speaks_it(gates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.chdir(tmp_path)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():
            monkeypatch.setenv(name, value)
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.mkdir("bucket")
        for number in range(2):
            lines = "\n".join(json.dumps(row) for row in ROWS[number * 6 : number * 6 + 6])
            files.pipe(f"bucket/rows/part-{number}.jsonl", lines.encode())
        batch = curate("s3://bucket/rows", gates, "s3://bucket/out")
        assert batch.figures.counts()["accepted"] == len(ROWS)
        files.invalidate_cache()
        sent = {str(name).removeprefix("bucket/out/"): files.cat(name) for name in files.find("bucket/out")}
        assert sent == read_tree(batch.folder)
        with pytest.raises(InputError, match="s3://nowhere/rows"):
            curate("s3://nowhere/rows", gates, tmp_path / "out")
        with pytest.raises(StoreError, match="s3://nowhere/out cannot be written to"):
            curate(ROWS, gates, "s3://nowhere/out")
        untried = [path for path in Path("runs").iterdir() if path.resolve() != batch.folder.resolve()]
        assert not any((path / "verdicts").exists() for path in untried)
        assert "secret" not in os.linesep.join(map(str, sent))
    finally:
        server.stop()
