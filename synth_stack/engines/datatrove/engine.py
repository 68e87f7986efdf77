"""The datatrove engine: a shard is a rank of a pipeline, run by datatrove's local, Slurm or Ray executor."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Annotated, Literal, Protocol

from pydantic import Field

from synth_stack.engines.datatrove.ray_ranks import open_ray
from synth_stack.engines.datatrove.shard_job import ATTEMPTS, ShardJob, remove_job, write_job
from synth_stack.engines.datatrove.slurm_ranks import SlurmOptions, SlurmRanks
from synth_stack.engines.engine import Advance, Step, Work
from synth_stack.engines.tasks import Task
from synth_stack.engines.worker import Crew
from synth_stack.errors import ConfigError
from synth_stack.host import count_cores
from synth_stack.registry import engine
from synth_stack.runs.folder import Shard
from synth_stack.watcher import watch

Text = Annotated[str, Field(min_length=1)]


class Ranks(Protocol):
    """What runs the ranks of a job."""

    def run(self, job: ShardJob, gate: str, advance: Advance) -> None:
        """Every rank of the job; `advance` is told of the rows of each. Raises what was raised there."""


class DatatroveEngine:
    """Writes a job for each step, has its ranks run, and removes it when every shard is done."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """Do one step on every shard. Raises what the gate raised, GateError for processes that died."""
        job = write_job(work.spec, step, shards)
        self._ranks.run(job, work.spec.gate, advance)
        remove_job(job)


class LocalRanks:
    """Ranks in processes of their own on this machine."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def run(self, job: ShardJob, gate: str, advance: Advance) -> None:
        """Every rank, one after the other in each process; one that dies is started again."""
        tasks = [partial(_describe_rank, job, rank) for rank in range(job.ranks)]
        self._crew.map_tasks(tasks, gate, advance)


def _describe_rank(job: ShardJob, rank: int) -> Task:
    return {"folder": str(job.folder), "ranks": job.ranks, "rank": rank}


SlurmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,@+-]+$")]
"""A name, or several with commas. Whatever else would stand in the batch script as a line of its own."""


@engine("datatrove", version=version("datatrove"))
@contextlib.contextmanager
def open_datatrove(
    *,
    executor: Literal["local", "slurm", "ray"] = "local",
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None,
    partition: SlurmName | None = None,
    time: Annotated[str, Field(pattern=r"^[0-9:-]+$")] = "12:00:00",
    cpus_per_task: Annotated[int, Field(ge=1)] = 1,
    mem_per_cpu_gb: Annotated[int, Field(ge=1)] = 4,
    qos: SlurmName = "normal",
    env_command: Text | None = None,
    shards_per_job: Annotated[int, Field(ge=1)] = 1,
    poll_s: Annotated[float, Field(gt=0, le=3600)] = 5.0,
    address: Text | None = None,
) -> Iterator[DatatroveEngine]:
    """Ranks by an executor of datatrove; `workers` at a time (default: one a core, or as many as there are).

    `slurm` needs a `partition`; `time`, `cpus_per_task`, `mem_per_cpu_gb`, `qos` and `env_command` (a line of
    shell that makes the environment ready) go into its batch script, a job of the array does
    `shards_per_job` shards, and the queue is looked at every `poll_s` seconds. `ray` joins the cluster at
    `address` ("host:port", or "auto"), or starts one of its own here.
    """
    given = {"partition": partition, "address": address}
    stray = [k for k, v in given.items() if v is not None and k != _OWN.get(executor)]
    if stray or (executor == "slurm" and partition is None):
        raise ConfigError(
            f"engine datatrove: the executor {executor} and its options do not fit",
            seen=", ".join(stray) or "no partition",
            allowed="partition with slurm, and there it is needed; address with ray",
        )
    with contextlib.ExitStack() as stack:
        ranks: Ranks
        if executor == "slurm":
            options = SlurmOptions(
                partition=str(partition),
                time=time,
                cpus_per_task=cpus_per_task,
                mem_per_cpu_gb=mem_per_cpu_gb,
                qos=qos,
                env_command=env_command,
                tasks_per_job=shards_per_job,
                workers=workers or -1,
            )
            ranks = stack.enter_context(contextlib.closing(SlurmRanks(options, poll_s)))
        elif executor == "ray":
            ranks = stack.enter_context(open_ray(address, workers, cpus_per_task, shards_per_job))
        else:
            den = stack.enter_context(watch("datatrove"))
            crew = Crew(workers or count_cores(), module=_WORKER, env=den.env, attempts=ATTEMPTS)
            ranks = LocalRanks(stack.enter_context(contextlib.closing(crew)))
        yield DatatroveEngine(ranks)


_OWN = {"slurm": "partition", "ray": "address"}
_WORKER = "synth_stack.engines.datatrove.rank_worker"
