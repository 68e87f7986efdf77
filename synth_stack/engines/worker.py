"""Steps of gates in processes of their own, one per core: most of a judge is Python, and holds its lock.

A worker is `python -m synth_stack.engines.worker`: it builds the gate again from the spec that it is sent and
answers one line for each line that it is given. It is no fork (threads of the libraries would not survive
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
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import orjson

import synth_stack
import synth_stack.errors
from synth_stack.engines.engine import Advance, Spec, Step, Work, open_work, perform
from synth_stack.errors import GateError, SynthStackError
from synth_stack.gates.gate import NO_STATE, State
from synth_stack.runs.folder import Shard, read_state

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
                worker.ask({"spec": asdict(spec), "step": asdict(step)}, spec.gate)
                while not failures:
                    advance(worker.ask({"shard": _describe(waiting.get_nowait())}, spec.gate))
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

    def ask(self, question: dict[str, Any], gate: str) -> int:
        """The rows of its answer. Raises what was raised there, GateError when the worker is dead."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        with contextlib.suppress(OSError):  # one that is dead is found out when it is heard
            asked.write(orjson.dumps(question) + b"\n")
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
        answer = orjson.loads(line)
        if "error" in answer:
            kind = getattr(synth_stack.errors, answer["error"], GateError)
            raise kind(answer["what"], **answer["details"])
        return int(answer["rows"])

    def end(self) -> None:
        """Kill the process and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with contextlib.suppress(OSError):  # unread questions cannot be flushed to the dead
                    pipe.close()


def _describe(shard: Shard) -> dict[str, Any]:
    return {"name": shard.name, "parts": [str(part) for part in shard.parts], "rows": shard.rows}


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer every line: a spec and a step are kept, and the step is done on the shard of each line after
    it.
    """
    bench = _Bench()
    for line in asked:
        question = orjson.loads(line)
        try:
            rows = bench.answer(question)
        except SynthStackError as exc:
            seen = None if exc.seen is None else str(exc.seen)
            details = {"seen": seen, "allowed": exc.allowed, "mend": exc.mend}
            _answer(answers, {"error": type(exc).__name__, "what": exc.what, "details": details})
        else:
            _answer(answers, {"rows": rows})


class _Bench:
    """The gate that a worker has at hand, its state, and the step that it does."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._step = Step("judge")
        self._state: State = NO_STATE

    def answer(self, question: dict[str, Any]) -> int:
        """The rows of the shard in the question; 0 for a question that only says what to do."""
        if "spec" in question:
            spec = Spec(**question["spec"])
            if self._work is None or self._work.spec != spec:
                self._work = None  # the models of the last gate leave before those of the next one come
                self._work = open_work(spec)
            self._step = Step(**question["step"])
            self._state = read_state(spec.folder, spec.gate)
            return 0
        assert self._work is not None
        shard = question["shard"]
        parts = tuple(Path(part) for part in shard["parts"])
        return perform(self._work, self._step, Shard(shard["name"], parts, shard["rows"]), self._state)


def _answer(answers: IO[bytes], answer: dict[str, Any]) -> None:
    answers.write(orjson.dumps(answer) + b"\n")
    answers.flush()


def _serve_here() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _serve_here()
