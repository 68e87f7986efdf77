"""The Dask engine: steps as tasks of a cluster of its own on this machine, or of any scheduler.

Its own cluster has one worker process a core, or with dask-cuda one a GPU. A worker that dies is started
again, and its shards are done again elsewhere; what the run leaves is the same.
"""

import contextlib
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import dask
import distributed
from distributed.versions import VersionMismatchWarning
from pydantic import Field

from synth_stack.engines.dask_cluster import (
    CONNECT_S,
    find_gpus,
    find_last_line,
    has_process,
    start_cluster,
    start_gpus,
)
from synth_stack.engines.engine import Advance, Step, Work
from synth_stack.engines.tasks import answer_task, describe_task, list_packages, read_answer
from synth_stack.errors import ConfigError, GateError
from synth_stack.host import count_cores
from synth_stack.registry import FilePath, engine
from synth_stack.runs.folder import Shard
from synth_stack.watcher import watch

_ATTEMPTS = 3
"""Deaths of a worker on the same shard before it is the shard's fault."""
_AHEAD = 4
"""Tasks that wait for each thread of a worker: none idles, and no scheduler holds a task per shard of a large
run."""
_LOOK_S = 2.0
"""How often the cluster is looked at while nothing is done."""

_SETTINGS = {
    "distributed.scheduler.allowed-failures": _ATTEMPTS,
    "distributed.comm.retry.count": 3,
    "distributed.admin.low-level-log-length": 0,  # a shard's task is never looked into
    "distributed.deploy.lost-worker-timeout": "600s",  # with 15 it gives up workers that import
}
_PATIENCE_S = 120.0
"""How long workers of somebody else's cluster may be away: one that grows on demand takes about that."""
_OWN_PATIENCE_S = 600.0
"""The same for a cluster of its own, where the wait ends with the last process: a worker takes 10 seconds of
a core to start."""


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The workers of a cluster: how to look whether any can come back, and what they said last."""

    may_return: Callable[[], bool] = lambda: True
    explain: Callable[[], str] = str


class DaskEngine:
    """Sends each step of a shard to a cluster as one task, a few at a time."""

    def __init__(self, client: distributed.Client, crowd: _Crowd, patience_s: float) -> None:
        self._client = client
        self._crowd = crowd
        self._patience_s = patience_s

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """Do one step on every shard. Raises what the gate raised, GateError for workers that died."""
        waiting = iter(shards)
        running: set[distributed.Future] = set()
        try:
            while True:
                for shard in _take(waiting, self._count_threads() * _AHEAD - len(running)):
                    task = describe_task(work.spec, step, shard)
                    running.add(self._client.submit(answer_task, task, pure=False))
                if not running:
                    return
                done = self._wait(running)
                running -= done
                for future in done:
                    advance(self._read(future, work.spec.gate))
        finally:
            if running and self._client.status == "running":
                self._client.cancel(list(running), force=True)

    def _wait(self, running: set[distributed.Future]) -> set[distributed.Future]:
        """Those that are done, at least one. Raises GateError when no worker is left for too long."""
        last_seen = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError, CancelledError):
                distributed.wait(running, timeout=_LOOK_S, return_when="FIRST_COMPLETED")
            done = {future for future in running if future.status != "pending"}
            if done:
                return done
            if self._client.status == "running" and self._count_threads(least=0):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > self._patience_s or not self._crowd.may_return():
                raise GateError(
                    "no worker is left on the Dask cluster",
                    seen=self._crowd.explain() or f"none for {self._patience_s:.0f} s",
                    mend="Run the same command again: it goes on at the shards that are not judged.",
                )

    def _count_threads(self, least: int = 1) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return max(least, sum(threads.values()))

    def _read(self, future: distributed.Future, gate: str) -> int:
        try:
            answer = future.result()
        except distributed.KilledWorker as exc:
            raise GateError(
                f"workers of gate {gate} died {_ATTEMPTS + 1} times on the same shard",
                seen=self._crowd.explain() or "killed",
                mend="Look for what ends them: memory, as a rule. The same command goes on at this shard.",
            ) from exc
        except CancelledError as exc:
            raise GateError(
                "the connection to the Dask scheduler was lost",
                mend="Run the same command again: it goes on at the shards that are not judged.",
            ) from exc
        except Exception as exc:  # whatever a library raises in a worker
            raise GateError(
                f"a worker of gate {gate} failed",
                seen=f"{type(exc).__name__}: {exc}",
                mend="Run the same command again: it goes on at the shards that are not judged.",
            ) from exc
        return read_answer(answer)


@engine("dask", version=distributed.__version__)
@contextlib.contextmanager
def open_dask(
    *,
    workers: Annotated[int, Field(ge=1, le=1024)] | None = None,
    gpus: bool | None = None,
    scheduler: Annotated[str, Field(min_length=1)] | None = None,
    scheduler_file: FilePath | None = None,
    patience_s: Annotated[float, Field(gt=0)] | None = None,
) -> Iterator[DaskEngine]:
    """A cluster of `workers` processes on this machine (default: one a core), or the one of a scheduler.

    `gpus`: one worker a GPU by dask-cuda; None: where there are GPUs and dask-cuda. `scheduler` is the
    address of a running one, `scheduler_file` the file that it wrote; their certificates come from Dask's own
    configuration. `patience_s` is how long the run waits for workers when there are none. Default: 120, since
    a cluster that grows on demand may take that long, and 600 for one of its own, on a busy machine.
    """
    either = {"scheduler": scheduler, "scheduler_file": scheduler_file}
    own = {"workers": workers, "gpus": gpus}
    given = [name for name, value in either.items() if value is not None]
    if len(given) > 1 or (given and any(value is not None for value in own.values())):
        raise ConfigError(
            "engine dask: a scheduler has its own workers",
            seen=", ".join([*given, *(name for name, value in own.items() if value is not None)]),
            allowed="scheduler, or scheduler_file, or workers and gpus",
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(_SETTINGS))
        crowd = _Crowd()
        patience_s = patience_s or (_PATIENCE_S if given else _OWN_PATIENCE_S)
        if given:
            client = stack.enter_context(_connect(scheduler, scheduler_file, patience_s))
        else:
            stack.enter_context(dask.config.set({"distributed.comm.timeouts.connect": f"{CONNECT_S}s"}))
            den = stack.enter_context(watch("dask"))
            cuda = find_gpus(gpus)
            make = start_gpus(den, workers, cuda) if cuda else start_cluster(den, workers or count_cores())
            cluster = stack.enter_context(make)
            client = stack.enter_context(distributed.Client(cluster))
            if not cuda:
                crowd = _Crowd(lambda: has_process(cluster), lambda: find_last_line(den))
        _require_workers(client, crowd, patience_s)
        yield DaskEngine(client, crowd, patience_s)


@contextlib.contextmanager
def _connect(address: str | None, file: str | None, patience_s: float) -> Iterator[distributed.Client]:
    try:
        if file is not None:
            address = _read_address(Path(file))
        with warnings.catch_warnings():  # of other versions _require_versions says more
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = distributed.Client(address, timeout=min(patience_s, 30.0))
    except TypeError as exc:  # what it answers with when it knows other parameters
        raise ConfigError(
            "engine dask: the scheduler is of another version of Dask",
            seen=str(exc),
            allowed=f"dask and distributed {distributed.__version__}",
            mend="Install the same version for the scheduler, its workers and the run.",
        ) from exc
    except (OSError, ValueError, TimeoutError, RuntimeError) as exc:
        raise ConfigError(
            "engine dask: no scheduler answers",
            seen=f"{Path(file).name if file else address}: {exc}",
            mend="Start one with `dask scheduler`, and give its address as scheduler=tcp://HOST:8786.",
        ) from exc
    with client:
        _require_versions(client)
        yield client


def _read_address(file: Path) -> str:
    """What `dask scheduler --scheduler-file` wrote there. Dask itself would wait for a file for ever, and
    takes any JSON for one. Raises OSError and ValueError.
    """
    if not file.is_file():
        raise FileNotFoundError("it is not a file")
    try:
        said = json.loads(file.read_bytes())
    except ValueError as exc:
        raise ValueError("it is not JSON") from exc
    if not isinstance(said, dict) or not isinstance(said.get("address"), str):
        raise ValueError("it names no address")
    return str(said["address"])


def _require_versions(client: distributed.Client) -> None:
    """Raises ConfigError for a scheduler or worker with another Dask: its messages may mean other things."""
    here = distributed.__version__
    told = client.get_versions()
    others = {
        f"{role} {said['packages'].get('distributed')}"
        for role, answers in (("scheduler", [told["scheduler"]]), ("worker", told["workers"].values()))
        for said in answers
        if said["packages"].get("distributed") != here
    }
    if others:
        raise ConfigError(
            "engine dask: the cluster is of another version of Dask",
            seen=", ".join(sorted(others)),
            allowed=f"dask and distributed {here}",
            mend="Install the same version for the scheduler, its workers and the run.",
        )


def _require_workers(client: distributed.Client, crowd: _Crowd, patience_s: float) -> None:
    """Raises ConfigError for a cluster of which no worker takes a task, or whose workers lack the package."""
    probe = client.submit(list_packages, pure=False)
    deadline = time.monotonic() + patience_s
    while probe.status == "pending" and time.monotonic() < deadline and crowd.may_return():
        with contextlib.suppress(TimeoutError):
            distributed.wait([probe], timeout=min(_LOOK_S, patience_s))
    if probe.status == "pending":
        raise ConfigError(
            "engine dask: no worker took a task",
            seen=crowd.explain() or f"{len(client.nthreads())} workers after {patience_s:.0f} s",
            mend="Start some with `dask worker`, or give more time: patience_s.",
        )
    try:
        probe.result()
    except Exception as exc:  # whatever a worker without our package, or of another version, raises
        raise ConfigError(
            "engine dask: a worker cannot load this package",
            seen=f"{type(exc).__name__}: {exc}",
            mend="Install the same version of synth-stack and its extras where the workers run.",
        ) from exc


def _take(waiting: Iterator[Shard], most: int) -> Iterator[Shard]:
    for _, shard in zip(range(most), waiting, strict=False):
        yield shard
