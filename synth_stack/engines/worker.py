"""Judging shards in processes of their own, one per core: most of a judge is Python, and holds its lock.

    judge_apart(bound, total, tasks, workers, advance)

A worker is `python -m synth_stack.engines.worker`: it binds the same gate from the same parameters and
answers one line for each line that it is given. It is no fork (threads of the libraries would not survive
one) and no `multiprocessing` (which would run a pipeline author's script again). It ends when its input
does, so none outlives a parent that was killed.
"""

import base64
import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

import synth_stack
import synth_stack.errors
import synth_stack.gates
from synth_stack.engines.contract import check_verdicts
from synth_stack.errors import GateError, SynthStackError
from synth_stack.files import write_table
from synth_stack.registry import Bound, bind, registered
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import Shard

_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
"""A worker has one core; libraries that start a thread per core in each worker slow each other down."""


@dataclass(frozen=True, slots=True)
class Task:
    """A shard to judge, which of its rows, (rows of the shard,), and the file for the verdicts."""

    shard: Shard
    alive: npt.NDArray[np.bool_]
    target: Path


def is_portable(bound: Bound) -> bool:
    """Whether a process of its own knows this gate: those that a user's script registers it does not."""
    return registered("gate")[bound.name].factory.__module__.startswith("synth_stack.")


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def judge_apart(
    bound: Bound, total: int, tasks: Sequence[Task], workers: int, advance: Callable[[int], None]
) -> None:
    """The verdicts of every task, written by `workers` processes; `advance` is told of the rows of each.

    `total` is what the gate may expect: all rows that it has to judge, also those that are judged already.

    Raises what the judge raised, or GateError for a worker that died. Verdicts that were written stay.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    failures: list[BaseException] = []

    def work(worker: "_Worker") -> None:
        try:
            worker.hear()
            while not failures:
                advance(worker.judge(waiting.get_nowait()))
        except queue.Empty:
            return
        except SynthStackError as exc:
            failures.append(exc)

    with contextlib.ExitStack() as stack:
        crew = [stack.enter_context(_hire(bound, total)) for _ in range(min(workers, len(tasks)))]
        threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in crew]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


@dataclass(frozen=True, slots=True)
class _Worker:
    gate: str
    process: "subprocess.Popen[bytes]"
    asked: IO[bytes]
    answers: IO[bytes]
    errors: IO[bytes]

    def judge(self, task: Task) -> int:
        """How many rows it judged. Raises what the judge raised there, GateError when the worker is dead."""
        mask = base64.b85encode(np.packbits(task.alive).tobytes()).decode()
        parts = [str(part) for part in task.shard.parts]
        self.tell({"parts": parts, "alive": mask, "rows": task.shard.rows, "to": str(task.target)})
        return self.hear()

    def tell(self, question: dict[str, Any]) -> None:
        """Write a line to the worker; one that is dead is found out when it is heard."""
        with contextlib.suppress(OSError):
            self.asked.write(orjson.dumps(question) + b"\n")
            self.asked.flush()

    def hear(self) -> int:
        """The rows of its next answer; 0 when it says that it is ready."""
        line = self.answers.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().decode("utf-8", "replace").strip().splitlines()
            raise GateError(
                f"a worker of gate {self.gate} died",
                seen=said[-1] if said else f"exit {self.process.wait()}",
                mend="Run the same command again: it goes on at the shards that are not judged.",
            )
        answer = orjson.loads(line)
        if "error" in answer:
            kind = getattr(synth_stack.errors, answer["error"], GateError)
            raise kind(answer["what"], **answer["details"])
        return int(answer["rows"])


@contextlib.contextmanager
def _hire(bound: Bound, total: int) -> Iterator[_Worker]:
    home = str(Path(synth_stack.__file__).parents[1])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "synth_stack.engines.worker", bound.name]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603  (our own interpreter, the name of a registered gate)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            worker = _Worker(bound.name, process, process.stdin, process.stdout, errors)
            worker.tell({"params": dict(bound.params), "total": total})
            yield worker
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # unread questions cannot be flushed to the dead
                        pipe.close()


def serve(name: str, asked: IO[bytes], answers: IO[bytes]) -> None:
    """Bind the gate `name` by the parameters on the first line, then judge the shard of every further one."""
    hello = orjson.loads(asked.readline())
    judge = bind("gate", name, hello["params"], where=f"gate {name}").make()
    if judge.expect is not None:
        judge.expect(hello["total"])
    _answer(answers, {"rows": 0})
    for line in asked:
        question = orjson.loads(line)
        try:
            _answer(answers, {"rows": _judge(name, judge, question)})
        except SynthStackError as exc:
            seen = None if exc.seen is None else str(exc.seen)
            details = {"seen": seen, "allowed": exc.allowed, "mend": exc.mend}
            _answer(answers, {"error": type(exc).__name__, "what": exc.what, "details": details})


def _judge(name: str, judge: Any, question: dict[str, Any]) -> int:
    shard = Shard("", tuple(Path(part) for part in question["parts"]), question["rows"])
    bits = np.frombuffer(base64.b85decode(question["alive"]), dtype=np.uint8)
    alive = np.unpackbits(bits, count=shard.rows).astype(bool)
    table = shard.read(CANDIDATE_SCHEMA).filter(pa.array(alive)).combine_chunks()
    verdicts = judge.judge(table)
    check_verdicts(name, table, verdicts)
    write_table(Path(question["to"]), verdicts)
    return int(table.num_rows)


def _answer(answers: IO[bytes], answer: dict[str, Any]) -> None:
    answers.write(orjson.dumps(answer) + b"\n")
    answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    serve(sys.argv[1], sys.stdin.buffer, answers)
