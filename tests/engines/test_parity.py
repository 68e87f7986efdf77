"""One batch with planted defects of every gate that needs no model of somebody else, on every engine.

Whole folders are compared, byte by byte: verdicts, canaries, states, decisions and piles. ENGINE_ROWS sets
the size of the batch, 20,000 rows by default. Run by `make test-parity`, where all engines are installed.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tests.engines.backwards  # noqa: F401  (registers an engine)
from synth_stack.runs.folder import MANIFEST
from synth_stack.workflows.curate import curate
from tests.engines.engine_runs import read_bytes
from tests.engines.planted_rows import GATES, write_batch
from tests.nemo_installed import need_nemo

pytestmark = [*need_nemo(), pytest.mark.parity, pytest.mark.xdist_group("ray")]

ROWS = int(os.environ.get("ENGINE_ROWS", "20000"))


def run_batch(batch: Path, out: Path, engine: Mapping[str, Any], shard_rows: int) -> Path:
    """The batch judged, in shards of so many rows."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("synth_stack.runs.folder", "synth_stack.inputs.foreign"):
            patch.setattr(f"{module}.SHARD_ROWS", shard_rows)
        folder = curate(batch / "rows.jsonl", batch / "gates.yaml", out, engine=engine).folder
    assert json.loads((folder / MANIFEST).read_bytes())["facts"]["engine"]["name"] == engine["use"]
    return folder


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch")
    write_batch(folder, ROWS)
    return folder


@pytest.fixture(scope="module")
def here(batch: Path) -> Path:
    """The reference: the local engine, twenty shards."""
    return run_batch(batch, batch / "here", {"use": "local"}, max(ROWS // 20, 1))


def test_every_gate_has_something_to_turn_away(here: Path) -> None:
    for gate in GATES:
        parts = (here / "verdicts" / gate["use"]).glob("*.parquet")
        outcomes = set(pl.concat([pl.read_parquet(part, columns=["outcome"]) for part in parts])["outcome"])
        assert outcomes & {"reject", "hold"}, gate
    held = list((here / "verdicts" / "toxicity").glob("part-late-*.parquet"))
    assert sum(len(pl.read_parquet(part)) for part in held) > 0
    assert any((here / "candidates").glob("part-amended-*.parquet"))


@pytest.mark.parametrize(
    "engine",
    [
        {"use": "backwards"},
        {"use": "dask", "workers": 2},
        {"use": "dask", "workers": 1},
        {"use": "datatrove", "workers": 2},
        {"use": "datatrove", "workers": 3},
        {"use": "nemo", "workers": 2},
        {"use": "nemo", "workers": 1},
    ],
    ids=lambda engine: "-".join(map(str, engine.values())),
)
def test_every_engine_leaves_the_bytes_of_the_local_one(
    engine: dict[str, Any], batch: Path, here: Path, tmp_path: Path
) -> None:
    expected = read_bytes(here)
    made = read_bytes(run_batch(batch, tmp_path / "there", engine, max(ROWS // 20, 1)))
    assert set(made) == set(expected)
    assert [name for name in expected if made[name] != expected[name]] == []


@pytest.mark.parametrize(("share", "engine"), [(1, "dask"), (7, "datatrove"), (11, "nemo")])
def test_other_shards_change_no_verdict_and_no_decision(
    share: int, engine: str, batch: Path, here: Path, tmp_path: Path
) -> None:
    there = run_batch(batch, tmp_path / "there", {"use": engine, "workers": 2}, ROWS // share)
    assert (there / "decisions.parquet").read_bytes() == (here / "decisions.parquet").read_bytes()
    for gate in (each["use"] for each in GATES):  # canaries are made of the first shard, so these are others
        said = [_read_verdicts(folder, gate) for folder in (here, there)]
        assert said[0].equals(said[1]), gate


def _read_verdicts(folder: Path, gate: str) -> pl.DataFrame:
    parts = sorted((folder / "verdicts" / gate).glob("*.parquet"))
    return pl.concat([pl.read_parquet(part) for part in parts]).sort("row_id", "scope")
