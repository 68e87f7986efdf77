"""Judging in processes of their own: the same verdicts, and nothing left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.engines.worker import Task, count_cores, is_portable, judge_apart
from synth_stack.errors import GateError, StoreError
from synth_stack.files import read_table, write_table
from synth_stack.gates.gate import Judge
from synth_stack.registry import bind, gate
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import list_shards
from tests.some_rows import make_texts

PARAMS = {"answer": {"max_words": 5}, "languages": []}


def write_shards(folder: Path, count: int = 3) -> list[Task]:
    """Shards of four rows, of which every second has six words; one row of each is not alive."""
    for number in range(count):
        table = make_texts(["one two", "one two three four five six"] * 2, first=4 * number)
        write_table(folder / str(number) / "part-00000.parquet", table)
    shards = [list_shards(folder / str(number))[0] for number in range(count)]
    alive = np.array([True, True, False, True])
    return [Task(shard, alive, folder / "out" / f"{k}.parquet") for k, shard in enumerate(shards)]


def test_workers_write_what_the_judge_would_have_said(tmp_path: Path) -> None:
    bound = bind("gate", "structure", PARAMS, where="here")
    tasks = write_shards(tmp_path)
    rows: list[int] = []
    judge_apart(bound, 9, tasks, 2, rows.append)

    assert rows == [3, 3, 3]
    judge = bound.make()
    for task in tasks:
        table = task.shard.read(CANDIDATE_SCHEMA).take([0, 1, 3]).combine_chunks()
        assert read_table(task.target).equals(judge.judge(table))


def test_what_a_worker_cannot_read_is_raised_here(tmp_path: Path) -> None:
    tasks = write_shards(tmp_path, 1)
    part = tasks[0].shard.parts[0]
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"part-00000\.parquet is not a readable Parquet file"):
        judge_apart(bind("gate", "structure", PARAMS, where="here"), 3, tasks, 1, lambda n: None)


def test_a_worker_that_dies_is_named_with_what_it_said(tmp_path: Path) -> None:
    [task] = write_shards(tmp_path, 1)
    nowhere = Task(task.shard, task.alive, Path("\0"))
    with pytest.raises(GateError, match=r"a worker of gate structure died; seen: ValueError"):
        judge_apart(bind("gate", "structure", PARAMS, where="here"), 3, [nowhere], 1, lambda n: None)


def test_a_gate_of_a_users_script_is_not_taken_elsewhere() -> None:
    @gate("test-worker-own", version="1")
    def own(*, level: int = 1) -> Judge:
        raise AssertionError

    assert not is_portable(bind("gate", "test-worker-own", {}, where="here"))
    assert is_portable(bind("gate", "structure", {}, where="here"))
    assert count_cores() >= 1


def test_no_worker_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, os\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'synth_stack.engines.worker', 'structure'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        'worker.stdin.write(b\'{"params": {"languages": []}}\\n\'); worker.stdin.flush()\n'
        "worker.stdout.readline(); print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    worker = int(done.stdout)
    deadline = time.monotonic() + 20
    while _runs(worker):
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
