"""Ranks as tasks of a Ray cluster, by datatrove's Ray executor.

Without an address Ray is started here (ray_head.py). Nothing of Ray is imported: a process of its own talks
to it (ray_driver.py).
"""

import contextlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from synth_stack.engines.datatrove.shard_job import ShardJob
from synth_stack.engines.engine import Advance
from synth_stack.engines.ray_driver import RayDriver, connect_to, start_ray
from synth_stack.engines.ray_head import listens
from synth_stack.engines.tasks import Answer, read_answer
from synth_stack.engines.worker import ONE_THREAD, find_import_path
from synth_stack.errors import ConfigError, GateError, MissingExtra
from synth_stack.host import count_cores
from synth_stack.watcher import watch

_RUNNER = "synth_stack.engines.datatrove.ray_executor"


class RayRanks:
    """Runs the ranks of a job; Ray is there."""

    def __init__(self, driver: RayDriver, options: Mapping[str, Any]) -> None:
        self._driver, self._options = driver, options

    def run(self, job: ShardJob, gate: str, advance: Advance) -> None:
        """Every rank. Raises what the gate raised, GateError for tasks that ended without an answer."""
        asked = {"folder": str(job.folder), "ranks": job.ranks, "options": dict(self._options)}
        self._driver.ask(asked, gate, _hear_none)
        answered = job.list_answered()
        for rank in sorted(answered):
            advance(read_answer(job.read_answer(rank)))
        if len(answered) < job.ranks:
            raise GateError(
                f"Ray tasks of gate {gate} ended without an answer",
                seen=f"{job.ranks - len(answered)} of {job.ranks} shards",
                mend="The same command goes on at these shards.",
            )


def _hear_none(answer: Answer) -> None:
    """Answers lie in the job's folder."""


@contextlib.contextmanager
def open_ray(
    address: str | None, workers: int | None, cpus_per_task: int, shards_per_job: int
) -> Iterator[RayRanks]:
    """Ranks on the cluster at `address`, or on one of its own. Raises MissingExtra, ConfigError."""
    if find_spec("ray") is None:
        raise MissingExtra(
            "engine datatrove: its executor ray needs Ray",
            seen="No module named 'ray'",
            mend="Run: pip install 'synth-stack[ray]'",
        )
    own = workers or count_cores()
    options = {
        "workers": own if address is None else workers or -1,
        "cpus_per_task": cpus_per_task,
        "tasks_per_job": shards_per_job,
        "mem_per_cpu_gb": 0,
    }
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(
                _start(own * cpus_per_task) if address is None else _connect(address)
            )
        except GateError as exc:
            raise ConfigError(f"engine datatrove: {exc.what}", seen=exc.seen, mend=exc.mend) from exc
        yield RayRanks(driver, options)


def _start(cores: int) -> contextlib.AbstractContextManager[RayDriver]:
    return start_ray(cores, _RUNNER, {**ONE_THREAD, "PYTHONPATH": find_import_path()}, "datatrove")


@contextlib.contextmanager
def _connect(address: str) -> Iterator[RayDriver]:
    """A driver on a cluster of the user's, with the token that Ray finds for it as usual."""
    if address != "auto" and not listens(address):
        raise GateError(
            "there is no Ray that can be reached at this address",
            seen=address,
            mend="Check address, or leave it out.",
        )
    with watch("datatrove") as den:
        env = {**den.env, "PYTHONPATH": find_import_path()}
        with connect_to(address, _RUNNER, env) as driver:
            yield driver
