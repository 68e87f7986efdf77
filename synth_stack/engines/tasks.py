"""A step on a shard as plain JSON, and its answer: all that travels between an engine and its workers.

    task = describe_task(spec, step, shard)        here
    answer = answer_task(task)                     in the worker, wherever it is
    rows = read_answer(answer)                     here; what was raised there is raised

A worker keeps the gate that it had last, so that its models are loaded once for many shards.
"""

import importlib.metadata
import threading
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import synth_stack.errors
from synth_stack import __version__
from synth_stack.engines.engine import Spec, Step, Work, open_work, perform
from synth_stack.errors import GateError, SynthStackError
from synth_stack.runs.folder import Shard

Task = Mapping[str, Any]
Answer = Mapping[str, Any]

_PACKAGES = ("numpy", "polars", "pyarrow")
"""Of another version of these, equal rows may get verdicts whose last digits or bytes differ."""


def describe_task(spec: Spec, step: Step, shard: Shard) -> Task:
    """A step on a shard for a worker anywhere that sees the run folder."""
    parts = [str(part.resolve()) for part in shard.parts]
    return {
        "spec": asdict(spec),
        "step": asdict(step),
        "shard": {"name": shard.name, "parts": parts, "rows": shard.rows},
        "packages": list_packages(),
    }


def answer_task(task: Task) -> Answer:
    """Does it: `rows`, how many the gate was shown, or the `error` that the package raised on purpose."""
    try:
        return {"rows": _bench.perform(task)}
    except SynthStackError as exc:
        return describe_error(exc)


def describe_error(exc: SynthStackError) -> Answer:
    """What the package raised on purpose, as the answer to a task."""
    seen = None if exc.seen is None else str(exc.seen)
    details = {"seen": seen, "allowed": exc.allowed, "mend": exc.mend}
    return {"error": type(exc).__name__, "what": exc.what, "details": details}


def read_answer(answer: Answer) -> int:
    """The rows of an answer. Raises what was raised where it was given."""
    if "error" in answer:
        kind = getattr(synth_stack.errors, answer["error"], GateError)
        raise kind(answer["what"], **answer["details"])
    return int(answer["rows"])


@cache
def list_packages() -> dict[str, str]:
    """The versions that a worker has to share."""
    return {"synth_stack": __version__} | {name: importlib.metadata.version(name) for name in _PACKAGES}


class _Bench:
    """The gate that this process has at hand. One shard is in memory at a time, whatever asks for it."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._alone = threading.Lock()

    def perform(self, task: Task) -> int:
        spec, step, shard = Spec(**task["spec"]), Step(**task["step"]), task["shard"]
        parts = tuple(Path(part) for part in shard["parts"])
        _require_same(task, spec)
        with self._alone:
            if self._work is None or self._work.spec != spec:
                self._work = None  # the models of the last gate leave before those of the next one come
                self._work = open_work(spec)
            return perform(self._work, step, Shard(shard["name"], parts, shard["rows"]))


_bench = _Bench()


def _require_same(task: Task, spec: Spec) -> None:
    """Raises GateError in a worker of other versions, or one that does not see the run folder."""
    here = list_packages()
    differ = [name for name, version in task["packages"].items() if here.get(name) != version]
    if differ:
        raise GateError(
            "a worker has other packages than the machine that leads the run",
            seen=", ".join(f"{name} {here.get(name)}" for name in differ),
            allowed=", ".join(f"{name} {task['packages'][name]}" for name in differ),
            mend="Install the same versions where the workers run.",
        )
    if not Path(spec.folder).is_dir():
        raise GateError(
            "a worker does not see the run folder",
            seen=spec.folder,
            mend="Choose a folder with --out that every worker sees under the same path.",
        )
