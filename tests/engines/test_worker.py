"""Steps in processes of their own: the same bytes, and nothing left after them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth_stack.engines.engine import Spec, Step, Work, open_work, perform
from synth_stack.engines.gate_loop import GateRun
from synth_stack.engines.worker import Crew
from synth_stack.errors import GateError, StoreError
from synth_stack.files import digest_file, write_table
from synth_stack.gates.gate import Judge
from synth_stack.inputs.extensions import load_extensions
from synth_stack.registry import bind, gate
from synth_stack.rows.canonical import digest_json
from synth_stack.runs.folder import Shard, list_shards
from tests.some_rows import make_texts

TOY = Path(__file__).parent / "long_texts.py"


def make_spec(folder: Path, **changes: Any) -> Spec:
    """The toy gate at work in `folder`."""
    load_extensions([str(TOY)])
    spec: dict[str, Any] = {
        "folder": str(folder),
        "gate": "long_texts",
        "version": "1",
        "params": {"times": 2.0},
        "facts_sha256": digest_json({}),
        "extensions": {str(TOY): digest_file(TOY)},
    }
    return Spec(**{**spec, **changes})


def write_shards(folder: Path, *texts: list[str]) -> list[Shard]:
    """One shard for each list of texts: rounds of a run are in shards of their own."""
    for number, part in enumerate(texts):
        path = folder / "candidates" / f"part-{number:03d}-00-0000000-aaaaaaaa.parquet"
        write_table(path, make_texts(part, first=100 * number))
    return list_shards(folder / "candidates")


@pytest.fixture
def crew() -> Iterator[Crew]:
    workers = Crew(2)
    yield workers
    workers.close()


def merge(work: Work, shards: list[Shard]) -> None:
    """What the driver does between two steps on shards."""
    from synth_stack.files import read_arrow, write_arrow
    from synth_stack.runs.folder import sketch_file, state_folder

    folder = Path(work.spec.folder)
    sketches = (read_arrow(sketch_file(folder, "long_texts", "round-0", shard)) for shard in shards)
    for name, table in work.judge.rounds[0].merge(sketches, {}).items():
        write_arrow(state_folder(folder, "long_texts") / f"{name}.arrow", table)


def test_workers_write_the_bytes_that_are_written_here(tmp_path: Path, crew: Crew) -> None:
    texts = [["a", "bb", "c" * 40], ["dd"], ["e" * 9, "f" * 50]]
    here, there = tmp_path / "here", tmp_path / "there"
    work = open_work(make_spec(here))
    for shard in write_shards(here, *texts):
        perform(work, Step("sketch"), shard)
    merge(work, list_shards(here / "candidates"))
    for shard in list_shards(here / "candidates"):
        perform(work, Step("judge"), shard)

    shards = write_shards(there, *texts)
    rows: list[int] = []
    spec = make_spec(there)
    crew.map_shards(spec, Step("sketch"), shards, rows.append)
    merge(open_work(spec), shards)
    crew.map_shards(spec, Step("judge"), shards, rows.append)

    assert sorted(rows[:3]) == sorted(rows[3:]) == [1, 2, 3]
    for shard in shards:
        made, expected = (f / "verdicts" / "long_texts" / shard.name for f in (there, here))
        assert made.read_bytes() == expected.read_bytes()


def test_what_is_there_is_not_done_again(tmp_path: Path) -> None:
    [shard] = write_shards(tmp_path, ["a"])
    work = open_work(make_spec(tmp_path))
    perform(work, Step("sketch"), shard)
    merge(work, [shard])
    perform(work, Step("judge"), shard)
    verdicts = tmp_path / "verdicts" / "long_texts" / shard.name
    before = verdicts.stat().st_mtime_ns

    assert perform(work, Step("judge"), shard) == 1
    assert verdicts.stat().st_mtime_ns == before


def test_a_worker_with_other_model_files_refuses_to_judge(tmp_path: Path, crew: Crew) -> None:
    shards = write_shards(tmp_path, ["a"])
    for changes in ({"facts_sha256": "0" * 64}, {"version": "2"}):
        with pytest.raises(GateError, match="a worker would judge with another gate long_texts than the run"):
            crew.map_shards(make_spec(tmp_path, **changes), Step("sketch"), shards, lambda n: None)


def test_what_a_worker_cannot_read_is_raised_here(tmp_path: Path, crew: Crew) -> None:
    shards = write_shards(tmp_path, ["a"])
    part = shards[0].parts[0]
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"aaaaaaaa\.parquet is not a readable Parquet file"):
        crew.map_shards(make_spec(tmp_path), Step("sketch"), shards, lambda n: None)


def test_what_a_gate_raises_in_a_worker_is_raised_here_and_the_crew_can_be_used_again(
    tmp_path: Path, crew: Crew
) -> None:
    shards = write_shards(tmp_path, ["boom"])
    spec = make_spec(tmp_path)
    crew.map_shards(spec, Step("sketch"), shards, lambda n: None)
    merge(open_work(spec), shards)
    with pytest.raises(GateError, match="long_texts cannot read a text; seen: boom"):
        crew.map_shards(spec, Step("judge"), shards, lambda n: None)

    other = write_shards(tmp_path / "other", ["a"])
    rows: list[int] = []
    crew.map_shards(make_spec(tmp_path / "other"), Step("sketch"), other, rows.append)
    assert rows == [1]


def test_a_worker_that_dies_is_named_with_what_it_said(tmp_path: Path, crew: Crew) -> None:
    shards = write_shards(tmp_path, ["die"])
    spec = make_spec(tmp_path)
    crew.map_shards(spec, Step("sketch"), shards, lambda n: None)
    merge(open_work(spec), shards)
    with pytest.raises(GateError, match=r"a worker of gate long_texts died; seen: ValueError"):
        crew.map_shards(spec, Step("judge"), shards, lambda n: None)


def test_a_gate_that_a_script_registered_stays_in_the_process_of_the_script() -> None:
    @gate("test-worker-own", version="1")
    def own() -> Judge:
        raise AssertionError

    load_extensions([str(TOY)])
    judge = Judge(lambda table, state: table)
    mine, loaded = (bind("gate", name, {}, where="here") for name in ("test-worker-own", "long_texts"))
    assert (
        GateRun(mine, judge, scores_all=False).alone
        == f"it was registered by {__name__}, which no worker loads"
    )
    assert GateRun(loaded, judge, scores_all=False).alone is None


def test_no_worker_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    code = (
        "import dataclasses, os\n"
        "from synth_stack.engines.engine import Spec, Step\n"
        "from synth_stack.engines.worker import Crew\n"
        f"crew = Crew(1); spec = Spec(**{vars_of(spec)!r})\n"
        "from pathlib import Path\n"
        "from synth_stack.runs.folder import list_shards\n"
        f"crew.map_shards(spec, Step('sketch'), list_shards(Path({str(tmp_path)!r}) / 'candidates'), print)\n"
        "print(crew._workers[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    write_shards(tmp_path, ["a"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    worker = int(done.stdout.split()[-1])
    deadline = time.monotonic() + 20
    while _runs(worker):
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.05)


def vars_of(spec: Spec) -> dict[str, Any]:
    """The fields of a spec."""
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
