"""The Dask engine: steps as tasks of a cluster of its own on this machine, or of any scheduler.

Its own cluster has one worker process a core, or with dask-cuda one a GPU. A worker that dies is started
again, and its shards are done again elsewhere; what the run leaves is the same.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import dask
import distributed
from distributed.deploy.subprocess import SubprocessWorker
from distributed.diagnostics import nvml
from pydantic import Field

from synth_stack.engines.engine import Advance, Step, Work
from synth_stack.engines.tasks import answer_task, describe_task, list_packages, read_answer
from synth_stack.engines.watcher import Den, watch
from synth_stack.engines.worker import ONE_THREAD, find_import_path
from synth_stack.errors import ConfigError, GateError, MissingExtra
from synth_stack.host import count_cores, start_apart
from synth_stack.registry import FilePath, engine
from synth_stack.runs.folder import Shard

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
}
_QUIET = {"DASK_LOGGING__DISTRIBUTED": "error"}


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
    patience_s: Annotated[float, Field(gt=0)] = 120.0,
) -> Iterator[DaskEngine]:
    """A cluster of `workers` processes on this machine (default: one a core), or the one of a scheduler.

    `gpus`: one worker a GPU by dask-cuda; None: where there are GPUs and dask-cuda. `scheduler` is the
    address of a running one, `scheduler_file` the file that it wrote; their certificates come from Dask's own
    configuration. `patience_s` is how long the run waits for workers when there are none: a cluster that
    grows on demand may take that long.
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
        if given:
            client = stack.enter_context(_connect(scheduler, scheduler_file, patience_s))
        else:
            den = stack.enter_context(watch("dask"))
            cuda = _find_gpus(gpus)
            make = _start_gpus(den, workers, cuda) if cuda else _start(den, workers or count_cores())
            cluster = stack.enter_context(make)
            client = stack.enter_context(distributed.Client(cluster))
            if not cuda:
                crowd = _Crowd(lambda: _has_process(cluster), lambda: _find_last_line(den))
        _require_workers(client, crowd, patience_s)
        yield DaskEngine(client, crowd, patience_s)


@contextlib.contextmanager
def _connect(address: str | None, file: str | None, patience_s: float) -> Iterator[distributed.Client]:
    try:
        if file is not None and not Path(file).is_file():  # Dask would wait for it for ever
            raise FileNotFoundError("it is not a file")
        client = distributed.Client(address, scheduler_file=file, timeout=min(patience_s, 30.0))
    except (OSError, ValueError, TypeError, TimeoutError, RuntimeError) as exc:
        raise ConfigError(
            "engine dask: no scheduler answers",
            seen=f"{address or Path(file or '').name}: {exc}",
            mend="Start one with `dask scheduler`, and give its address as scheduler=tcp://HOST:8786.",
        ) from exc
    with client:
        yield client


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


class _Worker(SubprocessWorker):  # type: ignore[misc]  # distributed has no types
    """A nanny with its worker, in processes with the mark of the engine, silent on this terminal.

    Not distributed's own way, which would run a pipeline author's script again in each worker.
    """

    env: dict[str, str]
    log: str

    def __init__(self, scheduler: str, *, env: dict[str, str], log: str, **options: Any) -> None:
        super().__init__(scheduler, **options)
        self.env, self.log = env, log

    async def _start(self) -> None:
        spec = json.dumps({"cls": self.worker_class, "opts": self.worker_kwargs})
        with Path(self.log).open("ab") as said:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dask", "spec", self.scheduler, "--spec", spec),
                env=self.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                **start_apart(),  # Ctrl-C is for the run, which ends them
            )


def _start(den: Den, workers: int) -> distributed.SpecCluster:
    """A scheduler in this process and `workers` beside it; they speak over TLS with keys of their own."""
    keys = _write_keys(den)
    log = den.folder / _LOG
    log.touch()
    options = {
        "worker_class": "distributed.Nanny",
        "worker_kwargs": {
            "nthreads": 1,  # most of a judge is Python
            "memory_limit": 0,  # it has one shard and the models of one gate; a pause makes them no less
            "local_directory": str(den.folder),
            "dashboard": False,
        },
        "env": {**den.env, **ONE_THREAD, **keys, **_QUIET, "PYTHONPATH": find_import_path()},
        "log": str(log),
    }
    files = {what: str(den.folder / f"{what}.pem") for what in ("cert", "key")}
    tls = distributed.Security(
        require_encryption=True,
        **{f"tls_{role}_{what}": path for role in _ROLES for what, path in files.items()},
        tls_ca_file=files["cert"],
    )
    scheduler = {
        "host": "127.0.0.1",
        "port": 0,
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",  # else 8787, and a warning where that is taken
        "security": tls,
        "protocol": "tls",
    }
    try:
        return distributed.SpecCluster(
            scheduler={"cls": distributed.Scheduler, "options": scheduler},
            workers={number: {"cls": _Worker, "options": options} for number in range(workers)},
            security=tls,
            silence_logs="error",
        )
    except (OSError, RuntimeError) as exc:
        raise ConfigError("engine dask: its cluster cannot start here", seen=str(exc)) from exc


_ROLES = ("scheduler", "worker", "client")
_LOG = "workers.log"


def _write_keys(den: Den) -> dict[str, str]:
    """A certificate for this cluster alone, and the environment that tells its workers of it."""
    made = distributed.Security.temporary()
    for name, text in (("cert", made.tls_ca_file), ("key", made.tls_scheduler_key)):
        path = den.folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(text)
    start = "DASK_DISTRIBUTED__COMM"
    env = {f"{start}__REQUIRE_ENCRYPTION": "true", f"{start}__TLS__CA_FILE": str(den.folder / "cert.pem")}
    for role in _ROLES:
        for what in ("cert", "key"):
            env[f"{start}__TLS__{role.upper()}__{what.upper()}"] = str(den.folder / f"{what}.pem")
    return env


def _find_gpus(wanted: bool | None) -> Any:
    """dask_cuda where its workers are to be used, else None. Raises MissingExtra, ConfigError."""
    if wanted is False:
        return None
    try:
        import dask_cuda
    except ImportError as exc:
        if wanted:
            raise MissingExtra(
                "engine dask: workers on GPUs are started by dask-cuda",
                seen=str(exc),
                mend="Run: pip install 'synth-stack[gpu]'",
            ) from exc
        return None
    count = nvml.device_get_count()
    if not count and wanted:
        raise ConfigError("engine dask: there is no GPU here", seen="gpus: true", mend="Leave gpus out.")
    return dask_cuda if count else None


def _start_gpus(den: Den, workers: int | None, cuda: Any) -> distributed.SpecCluster:
    """One worker a GPU, each of which sees its own first."""
    return cuda.LocalCUDACluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,
        local_directory=str(den.folder),
        dashboard_address=None,
        env={**den.env, "PYTHONPATH": find_import_path()},
        silence_logs="error",
    )


def _take(waiting: Iterator[Shard], most: int) -> Iterator[Shard]:
    for _, shard in zip(range(most), waiting, strict=False):
        yield shard


def _has_process(cluster: distributed.SpecCluster) -> bool:
    """Whether a nanny is there, which starts its worker again."""
    processes = [worker.process for worker in cluster.workers.values()]
    return any(process is not None and process.returncode is None for process in processes)


def _find_last_line(den: Den) -> str:
    """What the workers of a cluster on this machine said last."""
    lines = (den.folder / _LOG).read_bytes()[-10_000:].decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
