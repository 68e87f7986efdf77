"""Ranks as jobs of a Slurm array, by datatrove's Slurm executor: submitted, watched, and taken back.

The run folder has to lie where every node sees it under the same path. A run that is killed leaves its jobs
in the queue; they finish their shards, and the same command takes these as done.
"""

import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from datatrove.executor import SlurmPipelineExecutor
from datatrove.utils.logging import logger

from synth_stack.engines.datatrove.shard_job import JudgeShard, ShardJob
from synth_stack.engines.engine import Advance
from synth_stack.engines.tasks import read_answer
from synth_stack.errors import ConfigError, GateError

_GRACE_S = 60.0
"""How long answers may stay unseen after the queue is empty: a shared file system shows files late."""
_COMMAND_S = 60.0


@dataclass(frozen=True, slots=True)
class SlurmOptions:
    """What goes into the batch script, by the names of datatrove's executor."""

    partition: str
    time: str
    cpus_per_task: int
    mem_per_cpu_gb: int
    qos: str
    env_command: str | None
    tasks_per_job: int
    workers: int


class _Submission(SlurmPipelineExecutor):  # type: ignore[misc]  # datatrove has no types
    """A submission without datatrove's extra job that adds up statistics."""

    def launch_merge_stats(self) -> None:
        """Nothing: the logs go when the shards are done."""


class SlurmRanks:
    """Submits the ranks of a job and waits for their answers; `close` takes back what is still queued."""

    def __init__(self, options: SlurmOptions, poll_s: float) -> None:
        self._options = options
        self._poll_s = poll_s
        self._name = ""
        _call("squeue", "--version")
        logger.remove()

    def run(self, job: ShardJob, gate: str, advance: Advance) -> None:
        """Every rank. Raises what the gate raised, GateError for jobs that ended without an answer."""
        self._name = f"synth-stack-{job.folder.name}"
        executor = _Submission(
            [JudgeShard(job)],
            tasks=job.ranks,
            job_name=self._name,
            logging_dir=str(job.logs),
            skip_completed=False,
            requeue=True,
            **asdict(self._options),
        )
        try:
            executor.run()
        except (OSError, subprocess.CalledProcessError) as exc:
            raise ConfigError(
                "engine datatrove: Slurm refuses the job",
                seen=str(exc),
                mend="Look at partition, qos and time.",
            ) from exc
        self._wait(job, gate, advance)
        self._name = ""

    def close(self) -> None:
        """Take the jobs back that are still queued or at work."""
        if self._name:
            _call("scancel", "--name", self._name)

    def _wait(self, job: ShardJob, gate: str, advance: Advance) -> None:
        told: set[int] = set()
        empty_since: float | None = None
        while True:
            queued = bool(_call("squeue", "--noheader", "--name", self._name).strip())
            for rank in sorted(job.list_answered() - told):  # looked at after the queue, so none is missed
                told.add(rank)
                advance(read_answer(job.read_answer(rank)))
            if len(told) == job.ranks:
                return
            empty_since = None if queued else empty_since or time.monotonic()
            if empty_since is not None and time.monotonic() - empty_since > _GRACE_S:
                missing = sorted(set(range(job.ranks)) - told)
                raise GateError(
                    f"jobs of gate {gate} ended without an answer",
                    seen=f"{len(missing)} of {job.ranks} shards; {_find_last_line(job.logs)}",
                    mend="The same command goes on at these shards.",
                )
            time.sleep(self._poll_s)


def _find_last_line(logs: Path) -> str:
    """What the last of the jobs said last."""
    files = sorted((logs / "slurm_logs").glob("*.out"), key=lambda path: path.stat().st_mtime)
    lines = files[-1].read_text("utf-8", "replace").splitlines() if files else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no log")


def _call(command: str, *words: str) -> str:
    """What a command of Slurm prints. Raises ConfigError where it is not there, GateError when it fails."""
    try:
        done = subprocess.run(  # noqa: S603  (a command of Slurm, and words of ours)
            [command, *words], capture_output=True, text=True, timeout=_COMMAND_S, check=True
        )
    except FileNotFoundError as exc:
        raise ConfigError(
            "engine datatrove: Slurm is not here",
            seen=f"no command {command}",
            mend="Run it on a login node.",
        ) from exc
    except (subprocess.SubprocessError, OSError) as exc:
        raise GateError(f"Slurm does not answer: {command} failed", seen=str(exc)) from exc
    return done.stdout
