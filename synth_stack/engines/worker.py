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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

import orjson

import synth_stack
from synth_stack.engines.engine import Advance, Spec, Step
from synth_stack.engines.tasks import Answer, Task, answer_task, describe_task, read_answer
from synth_stack.errors import GateError, SynthStackError
from synth_stack.runs.folder import Shard

ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
"""A worker has one core; libraries that start a thread per core in each worker slow each other down."""


def find_import_path() -> str:
    """PYTHONPATH of a worker on this machine: this package and whatever is found from here."""
    home = str(Path(synth_stack.__file__).parents[1])
    return os.pathsep.join(filter(None, [home, *sys.path]))  # a script's own folder is on it


class Crew:
    """Up to `size` worker processes, started when they are first needed, each with one gate at a time.

    `module` is what a worker runs, in the environment `env`; a task whose worker dies is done again until
    `attempts` workers have died of it.
    """

    def __init__(
        self,
        size: int,
        *,
        module: str = "synth_stack.engines.worker",
        env: Mapping[str, str] | None = None,
        attempts: int = 1,
    ) -> None:
        self._size = size
        self._start = partial(_Worker, module, env)
        self._attempts = attempts
        self._workers: list[_Worker] = []

    def map_shards(self, spec: Spec, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """One step on every shard, written by the workers. Raises what `map_tasks` raises."""
        self.map_tasks([partial(describe_task, spec, step, shard) for shard in shards], spec.gate, advance)

    def map_tasks(self, tasks: Sequence[Callable[[], Task]], gate: str, advance: Advance) -> None:
        """Every task, by whichever worker is free. Raises what the gate raised there.

        Raises GateError for a worker that died; the others finish their tasks, and what was written stays.
        """
        waiting: _Waiting = queue.SimpleQueue()
        for task in tasks:
            waiting.put((task, 1))
        failures: list[SynthStackError] = []
        while len(self._workers) < min(self._size, len(tasks)):
            self._workers.append(self._start())
        threads = [
            threading.Thread(target=self._work, args=(place, waiting, failures, gate, advance), daemon=True)
            for place in range(len(self._workers))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            self.close()
            raise failures[0]

    def _work(
        self, place: int, waiting: "_Waiting", failures: list[SynthStackError], gate: str, advance: Advance
    ) -> None:
        """Tasks by the worker at `place`, until none waits or one has failed."""
        try:
            while not failures:
                task, attempt = waiting.get_nowait()
                rows = self._ask(place, task(), gate, last=attempt == self._attempts)
                if rows is None:
                    waiting.put((task, attempt + 1))
                else:
                    advance(rows)
        except queue.Empty:
            return
        except SynthStackError as exc:
            failures.append(exc)

    def _ask(self, place: int, task: Task, gate: str, *, last: bool) -> int | None:
        """The rows of the answer; None where the worker died of it and was replaced. Raises at the `last`."""
        try:
            return self._workers[place].ask(task, gate)
        except _WorkerDied:
            if last:
                raise
            self._workers[place].end()
            self._workers[place] = self._start()
            return None

    def close(self) -> None:
        """End every worker."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()


_Waiting: TypeAlias = "queue.SimpleQueue[tuple[Callable[[], Task], int]]"
"""Tasks, and which attempt each is."""


class _WorkerDied(GateError):
    """A worker that gave no answer."""


class _Worker:
    """A worker process and its three pipes."""

    def __init__(self, module: str, env: Mapping[str, str] | None) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `end`)
        self._process = subprocess.Popen(  # noqa: S603  (a module of ours)
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**(os.environ if env is None else env), **ONE_THREAD, "PYTHONPATH": find_import_path()},
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
            raise _WorkerDied(
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


def serve(answer: Callable[[Task], Answer]) -> None:
    """Answer every line of standard input, a task, in a line of standard output; nothing else is there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    for line in sys.stdin.buffer:
        answers.write(orjson.dumps(answer(orjson.loads(line))) + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(answer_task)
