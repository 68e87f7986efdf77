"""Steps of gates in processes of their own, one per core: most of a judge is Python, and holds its lock.

A worker is `python -m synth_stack.engines.worker`: it answers one line for each task (tasks.py) that it is
given in a line. It is no fork (threads of the libraries would not survive
one) and no `multiprocessing` (which would run a pipeline author's script again). It ends when its input
does, so none outlives a parent that was killed.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import orjson

import synth_stack
from synth_stack.engines.engine import Advance, Spec, Step
from synth_stack.engines.tasks import Task, answer_task, describe_task, read_answer
from synth_stack.errors import GateError, SynthStackError
from synth_stack.runs.folder import Shard

_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
"""A worker has one core; libraries that start a thread per core in each worker slow each other down."""


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """Up to `size` worker processes, started when they are first needed, each with one gate at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._workers: list[_Worker] = []

    def map_shards(self, spec: Spec, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """One step on every shard, written by the workers. Raises what the gate raised there.

        Raises GateError for a worker that died; the others finish their shards, and what was written stays.
        """
        waiting: queue.SimpleQueue[Shard] = queue.SimpleQueue()
        for shard in shards:
            waiting.put(shard)
        failures: list[BaseException] = []
        while len(self._workers) < min(self._size, len(shards)):
            self._workers.append(_Worker())

        def work(worker: "_Worker") -> None:
            try:
                while not failures:
                    advance(worker.ask(describe_task(spec, step, waiting.get_nowait()), spec.gate))
            except queue.Empty:
                return
            except SynthStackError as exc:
                failures.append(exc)

        threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            self.close()
            raise failures[0]

    def close(self) -> None:
        """End every worker."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()


class _Worker:
    """A worker process and its three pipes."""

    def __init__(self) -> None:
        home = str(Path(synth_stack.__file__).parents[1])
        path = os.pathsep.join(filter(None, [home, *sys.path]))  # a script's own folder is on it
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `end`)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "synth_stack.engines.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
        )

    def ask(self, task: Task, gate: str) -> int:
        """The rows of its answer. Raises what was raised there, GateError when the worker is dead."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        with contextlib.suppress(OSError):  # one that is dead is found out when it is heard
            asked.write(orjson.dumps(task) + b"\n")
            asked.flush()
        line = answers.readline()
        if not line:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
            raise GateError(
                f"a worker of gate {gate} died",
                seen=said[-1] if said else f"exit {self._process.wait()}",
                mend="Run the same command again: it goes on at the shards that are not judged.",
            )
        return read_answer(orjson.loads(line))

    def end(self) -> None:
        """Kill the process and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with contextlib.suppress(OSError):  # unread questions cannot be flushed to the dead
                    pipe.close()


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer every line, a task, in a line."""
    for line in asked:
        answers.write(orjson.dumps(answer_task(orjson.loads(line))) + b"\n")
        answers.flush()


def _serve_here() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _serve_here()
