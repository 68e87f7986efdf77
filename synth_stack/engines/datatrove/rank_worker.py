"""A process that runs ranks of datatrove pipelines, one for each line that it is given.

Not datatrove's own pool: that waits for ever for the rank of a process that was killed.
"""

from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.utils.logging import logger

from synth_stack.engines.datatrove.shard_job import JudgeShard, ShardJob
from synth_stack.engines.tasks import Answer, Task
from synth_stack.engines.worker import serve


def run_rank(task: Task) -> Answer:
    """Runs one rank of a job by datatrove's executor, in this process; its answer."""
    job, rank = ShardJob(Path(task["folder"]), task["ranks"]), int(task["rank"])
    executor = LocalPipelineExecutor(
        [JudgeShard(job)], tasks=job.ranks, logging_dir=str(job.logs), skip_completed=False
    )
    executor._run_for_rank(rank, local_rank=rank)
    return job.read_answer(rank)


if __name__ == "__main__":
    logger.remove()  # what a rank logs stands in the job's folder
    serve(run_rank)
