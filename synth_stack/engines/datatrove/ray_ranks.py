"""Ranks as tasks of a Ray cluster, by datatrove's Ray executor.

Without an address Ray is started here, with its files and its token in the engine's own folder, so that
neither another Ray on this machine is met nor anything of it is left.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

from datatrove.executor.ray import RayPipelineExecutor
from datatrove.utils.logging import logger

from synth_stack.engines.datatrove.shard_job import JudgeShard, ShardJob
from synth_stack.engines.engine import Advance
from synth_stack.engines.tasks import read_answer
from synth_stack.engines.watcher import MARK, Den
from synth_stack.engines.worker import ONE_THREAD, find_import_path
from synth_stack.errors import ConfigError, GateError, MissingExtra
from synth_stack.host import count_cores


class RayRanks:
    """Runs the ranks of a job; Ray is initialised."""

    def __init__(self, workers: int, cpus_per_task: int, shards_per_job: int) -> None:
        self._workers = workers
        self._options = {"cpus_per_task": cpus_per_task, "tasks_per_job": shards_per_job, "mem_per_cpu_gb": 0}

    def run(self, job: ShardJob, gate: str, advance: Advance) -> None:
        """Every rank. Raises what the gate raised, GateError for tasks that ended without an answer."""
        executor = RayPipelineExecutor(
            [JudgeShard(job)],
            tasks=job.ranks,
            workers=self._workers,
            logging_dir=str(job.logs),
            skip_completed=False,
            **self._options,
        )
        executor.run()
        answered = job.list_answered()
        for rank in sorted(answered):
            advance(read_answer(job.read_answer(rank)))
        if len(answered) < job.ranks:
            raise GateError(
                f"Ray tasks of gate {gate} ended without an answer",
                seen=f"{job.ranks - len(answered)} of {job.ranks} shards",
                mend="The same command goes on at these shards.",
            )


@contextlib.contextmanager
def open_ray(
    den: Den, address: str | None, workers: int | None, cpus_per_task: int, shards_per_job: int
) -> Iterator[RayRanks]:
    """Ranks on the cluster at `address`, or on one of its own. Raises MissingExtra, ConfigError."""
    logger.remove()
    cores = workers or count_cores()
    with _own_environment(den) if address is None else contextlib.nullcontext():
        try:
            import ray
        except ImportError as exc:
            raise MissingExtra(
                "engine datatrove: its executor ray needs Ray",
                seen=str(exc),
                mend="Run: pip install 'synth-stack[ray]'",
            ) from exc
        try:
            ray.init(**(_start_here(den, cores) if address is None else {"address": address}))
        except (OSError, RuntimeError, ConnectionError, ValueError) as exc:
            raise ConfigError("engine datatrove: Ray does not start", seen=str(exc)) from exc
        try:
            yield RayRanks(cores if address is None else workers or -1, cpus_per_task, shards_per_job)
        finally:
            ray.shutdown()


def _start_here(den: Den, cores: int) -> dict[str, Any]:
    return {
        "address": "local",
        "num_cpus": cores,
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "_temp_dir": str(den.folder / "ray"),
        "runtime_env": {"env_vars": {**ONE_THREAD, "PYTHONPATH": find_import_path()}},
    }


@contextlib.contextmanager
def _own_environment(den: Den) -> Iterator[None]:
    """The environment in which Ray is started: its own token and folder, and the mark of the engine."""
    token = den.folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    changes = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_TMPDIR": str(den.folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        MARK: den.env[MARK],
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
