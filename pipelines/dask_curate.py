"""Rows curated on a Dask cluster: one of its own on this machine, or the one whose scheduler is named.

    python pipelines/dask_curate.py ROWS GATE_FILE OUT_FOLDER [tcp://SCHEDULER:8786]

The folder has to lie where every worker sees it. Needs the extra dask.
"""

import sys

from synth_stack import curate


def choose_cluster(scheduler: str | None) -> dict[str, str | int]:
    """The engine: the scheduler's workers, or two processes here."""
    return {"use": "dask", "scheduler": scheduler} if scheduler else {"use": "dask", "workers": 2}


if __name__ == "__main__":
    rows, gates, out, *rest = sys.argv[1:]
    batch = curate(rows, gates, out, engine=choose_cluster(rest[0] if rest else None))
    print(batch.figures.counts())
