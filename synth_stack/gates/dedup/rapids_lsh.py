"""NeMo Curator's LSHStage over signatures in a folder, run by a Python with RAPIDS and without this package.

    python rapids_lsh.py FOLDER BANDS

reads FOLDER/MinHashStage and writes FOLDER/LSHStage (nemo_buckets.py says what is in them).
"""

import sys
from pathlib import Path

from nemo_curator.backends.ray_actor_pool import RayActorPoolExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.deduplication.fuzzy.lsh.stage import LSHStage
from nemo_curator.tasks import FileGroupTask

BANDS_AT_ONCE = 5
"""NeMo Curator's default: fewer take less memory and more shuffles."""


def build_stage(folder: Path, bands: int) -> LSHStage:
    """The stage for signatures of one hash a band."""
    return LSHStage(
        num_bands=bands,
        minhashes_per_band=1,
        output_path=str(folder),
        bands_per_iteration=min(BANDS_AT_ONCE, bands),
    )


def list_tasks(folder: Path) -> list[FileGroupTask]:
    """A task for each file of signatures."""
    parts = sorted((folder / "MinHashStage").glob("part-*.parquet"))
    return [FileGroupTask(dataset_name="band_keys", data=[str(part)]) for part in parts]


def main(folder: Path, bands: int) -> None:
    """Runs the stage on every GPU of this machine, on a Ray that the executor starts and ends."""
    pipeline = Pipeline("band_keys", stages=[build_stage(folder, bands)])
    pipeline.run(RayActorPoolExecutor(), initial_tasks=list_tasks(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
