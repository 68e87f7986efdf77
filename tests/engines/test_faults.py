"""What goes wrong on every engine: killed workers, killed runs, a full disk, a folder in use.

Whatever happens, nothing of an engine is left, and the same command leaves the bytes of an undisturbed run.
"""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engines.engine_runs import (
    finish,
    list_marked,
    make_rows,
    read_bytes,
    started,
    wait_until,
    write_gates,
)
from tests.nemo_installed import REQUIRED

LIBRARIES = {"dask": "distributed", "datatrove": "datatrove", "nemo": "nemo_curator"}
ENGINES = [{"use": use, "workers": 2} for use, library in LIBRARIES.items() if find_spec(library)]
"""Those that are installed: with NeMo Curator in its own environment all three."""
WORKERS = {"dask": ("dask spec", "spawn_main"), "datatrove": ("rank_worker",), "nemo": ("ray::",)}
"""In the command lines of the processes that may be killed: of Dask, nannies and their workers."""
if os.environ.get(REQUIRED):
    assert len(ENGINES) == len(LIBRARIES)

each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: str(engine["use"]))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows, a gate file, and the folder that an undisturbed local run leaves."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "rows.json").write_text(json.dumps(make_rows(1_200)))
    write_gates(folder)
    with started(folder / "rows.json", folder / "gates.yaml", folder / "here", {"use": "local"}) as process:
        assert finish(process) == (0, "")
    return folder


@pytest.fixture
def den() -> Iterator[Path]:
    """Where a run has its temporary files: a folder of its own, with a name that is short enough for Ray."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as folder:
        yield Path(folder)


def start(batch: Path, out: Path, engine: Mapping[str, Any], den: Path | None = None) -> Any:
    return started(batch / "rows.json", batch / "gates.yaml", out, engine, str(out), den=den)


def wait_for_work(process: "subprocess.Popen[str]", out: Path, gate: str = "dedup") -> None:
    """Returns when the workers are at a gate. Fails where the run has ended."""
    verdicts = out / "verdicts" / gate
    wait_until(lambda: any(verdicts.glob("*.parquet")) or process.poll() is not None)
    if process.poll() is not None:
        pytest.fail(str(finish(process)))


def kill_worker(out: Path, use: str, rng: random.Random) -> None:
    """End a process of the engine, where there is one by now."""
    found = [
        process
        for process, words in list_marked(str(out)).items()
        if any(part in words for part in WORKERS[use])
        and "Agent" not in words  # Ray's own: without them its node ends
    ]
    if found:
        os.kill(rng.choice(found), signal.SIGKILL)


def require_nothing_left(out: Path, den: Path) -> None:
    wait_until(lambda: not list_marked(str(out)), 60)
    wait_until(lambda: not list(den.glob("synth-stack-*")), 60)


@pytest.mark.engines
@each_engine
def test_a_killed_worker_changes_nothing(
    engine: dict[str, Any], batch: Path, tmp_path: Path, den: Path
) -> None:
    out = tmp_path / "out"
    with start(batch, out, engine, den) as process:
        wait_for_work(process, out, "structure")
        kill_worker(out, engine["use"], random.Random(0))
        assert finish(process) == (0, "")
    assert read_bytes(out) == read_bytes(batch / "here")


@pytest.mark.engines
@each_engine
def test_a_killed_run_leaves_nothing_and_goes_on(
    engine: dict[str, Any], batch: Path, tmp_path: Path, den: Path
) -> None:
    out = tmp_path / "out"
    with start(batch, out, engine, den) as process:
        wait_for_work(process, out)
        assert list_marked(str(out))
        process.kill()
        process.wait()
        require_nothing_left(out, den)
    with start(batch, out, engine, den) as process:
        assert finish(process) == (0, "")
    assert read_bytes(out) == read_bytes(batch / "here")


@pytest.mark.engines
@each_engine
def test_ctrl_c_leaves_nothing(engine: dict[str, Any], batch: Path, tmp_path: Path, den: Path) -> None:
    out = tmp_path / "out"
    with start(batch, out, engine, den) as process:
        wait_for_work(process, out, "structure")
        process.send_signal(signal.SIGINT)
        assert finish(process)[0] != 0
    require_nothing_left(out, den)


@pytest.mark.engines
@each_engine
def test_a_folder_in_use_is_refused_and_the_first_run_ends_well(
    engine: dict[str, Any], batch: Path, tmp_path: Path, den: Path
) -> None:
    out = tmp_path / "out"
    with start(batch, out, engine, den) as process:
        wait_for_work(process, out, "structure")
        with start(batch, out, engine, den) as second:
            code, said = finish(second)
        assert (code, "is in use by another process" in said) == (1, True)
        assert finish(process) == (0, "")
    assert read_bytes(out) == read_bytes(batch / "here")


@pytest.mark.engines
@each_engine
def test_a_full_disk_on_a_worker_is_told_and_nothing_is_half_written(
    engine: dict[str, Any], batch: Path, tmp_path: Path, den: Path
) -> None:
    out = tmp_path / "out"
    gates = tmp_path / "gates.yaml"
    small = Path(__file__).with_name("small_disk.py")
    gates.write_text(yaml.safe_dump({"version": 1, "load": [str(small)], "gates": [{"use": "small_disk"}]}))
    with started(batch / "rows.json", gates, out, engine, str(out), den=den) as process:
        code, said = finish(process)
    assert code == 1
    assert "StoreError: " in said
    assert "File too large" in said
    assert not list((out / "verdicts").rglob("*.parquet"))
    assert not list((out / "verdicts").rglob(".*.tmp"))
    require_nothing_left(out, den)
    with started(batch / "rows.json", gates, out, {"use": "local"}, str(out)) as process:
        assert finish(process) == (0, "")


def list_verdicts(out: Path) -> list[Path]:
    return list((out / "verdicts").rglob("part-*.parquet"))


@pytest.mark.kills
@each_engine
@pytest.mark.parametrize("number", range(20))
def test_a_kill_at_a_random_moment(
    number: int, engine: dict[str, Any], batch: Path, tmp_path: Path, den: Path
) -> None:
    """The moment is drawn by how much is judged, so that a busy machine does not move all of them to the start."""
    out, rng = tmp_path / "out", random.Random(number)
    judged = rng.randrange(len(list_verdicts(batch / "here")))
    with start(batch, out, engine, den) as process:
        wait_until(lambda: (out / "gates.lock.yaml").exists() or process.poll() is not None)
        wait_until(lambda: len(list_verdicts(out)) >= judged or process.poll() is not None, 900)
        time.sleep(rng.uniform(0, 1))
        if number % 2:
            kill_worker(out, engine["use"], rng)
            assert finish(process) == (0, "")
        else:
            process.kill()
            process.wait()
    require_nothing_left(out, den)
    if not number % 2:
        with start(batch, out, engine, den) as process:
            assert finish(process) == (0, "")
    assert read_bytes(out) == read_bytes(batch / "here")
