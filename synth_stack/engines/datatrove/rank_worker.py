"""A process that runs ranks of datatrove pipelines, one for each line that it is given.

Not datatrove's own pool: that waits for ever for the rank of a process that was killed.
"""

from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.utils.logging import logger

from synth_stack.engines.datatrove.shard_job import JudgeShard, ShardJob
from synth_stack.engines.tasks import Answer, Task
from synth_stack.engines.worker import serve
from synth_stack.errors import StoreError


def run_rank(task: Task) -> Answer:
    """Runs one rank of a job by datatrove's executor, in this process; its answer."""
    job, rank = ShardJob(Path(task["folder"]), task["ranks"]), int(task["rank"])
    step = JudgeShard(job)
    executor = LocalPipelineExecutor([step], tasks=job.ranks, logging_dir=str(job.logs), skip_completed=False)
    try:
        executor._run_for_rank(rank, local_rank=rank)
    except (StoreError, OSError):  # a disk that takes no answer and no log: this process can still tell
        if step.answer is None:
            raise
    assert step.answer is not None
    return step.answer


if __name__ == "__main__":
    logger.remove()  # what a rank logs stands in the job's folder
    serve(run_rank)
