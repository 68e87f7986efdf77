"""Clusters of the engine's own on this machine: workers on cores, or with dask-cuda one a GPU.

    with watch("dask") as den, start_cluster(den, workers) as cluster: ...

The scheduler is in this process. What it speaks with its workers goes over TLS, with keys made for the run.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import distributed
from distributed.deploy.subprocess import SubprocessWorker
from distributed.diagnostics import nvml

from synth_stack.engines.worker import ONE_THREAD, find_import_path
from synth_stack.errors import ConfigError, MissingExtra
from synth_stack.host import start_apart
from synth_stack.watcher import Den

CONNECT_S = 300
"""For a connection within such a cluster, whose processes are here: where each core has fifty others, Dask's
own 30 seconds pass before either side has its turn."""
_WORKERS_ENV = {
    "DASK_LOGGING__DISTRIBUTED": "error",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": f"{CONNECT_S}s",
}


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


def start_cluster(den: Den, workers: int) -> distributed.SpecCluster:
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
        "env": {**den.env, **ONE_THREAD, **keys, **_WORKERS_ENV, "PYTHONPATH": find_import_path()},
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


def find_gpus(wanted: bool | None) -> Any:
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


def start_gpus(den: Den, workers: int | None, cuda: Any) -> distributed.SpecCluster:
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


def has_process(cluster: distributed.SpecCluster) -> bool:
    """Whether a nanny is there, which starts its worker again."""
    processes = [worker.process for worker in cluster.workers.values()]
    return any(process is not None and process.returncode is None for process in processes)


def find_last_line(den: Den) -> str:
    """What the workers of a cluster on this machine said last."""
    lines = (den.folder / _LOG).read_bytes()[-10_000:].decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
