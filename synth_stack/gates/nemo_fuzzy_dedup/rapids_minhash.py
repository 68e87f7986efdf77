"""NeMo Curator's MinHashStage and LSHStage over texts in a folder, run by a Python with RAPIDS and without
this package.

    python rapids_minhash.py FOLDER PARAMS

reads FOLDER/texts/part-*.parquet (_curator_dedup_id int64, text string) and writes FOLDER/MinHashStage and
FOLDER/LSHStage. PARAMS is JSON: char_ngrams, num_bands, minhashes_per_band, seed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from nemo_curator.backends.ray_actor_pool import RayActorPoolExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.deduplication.fuzzy.lsh.stage import LSHStage
from nemo_curator.stages.deduplication.fuzzy.minhash import MinHashStage
from nemo_curator.stages.text.io.reader.parquet import ParquetReaderStage
from nemo_curator.tasks import FileGroupTask

BANDS_AT_ONCE = 5
"""NeMo Curator's default: fewer take less memory and more shuffles."""
ID, TEXT = "_curator_dedup_id", "text"


def build_signing(folder: Path, params: dict[str, Any]) -> list[Any]:
    """The stages from texts to signatures: FuzzyDeduplicationWorkflow's, with row numbers of ours for ids."""
    signing = MinHashStage(
        output_path=str(folder),
        text_field=TEXT,
        char_ngrams=params["char_ngrams"],
        num_hashes=params["num_bands"] * params["minhashes_per_band"],
        seed=params["seed"],
    )
    return [ParquetReaderStage(fields=[ID, TEXT]), signing]


def build_grouping(folder: Path, params: dict[str, Any]) -> list[Any]:
    """The stage from signatures to buckets."""
    bands = params["num_bands"]
    return [
        LSHStage(
            num_bands=bands,
            minhashes_per_band=params["minhashes_per_band"],
            output_path=str(folder),
            bands_per_iteration=min(BANDS_AT_ONCE, bands),
        )
    ]


def list_tasks(folder: Path) -> list[FileGroupTask]:
    """A task for each file."""
    return [
        FileGroupTask(dataset_name=folder.name, data=[str(part)]) for part in sorted(folder.glob("*.parquet"))
    ]


def main(folder: Path, params: dict[str, Any]) -> None:
    """Runs both on every GPU of this machine, on a Ray that the executor starts and ends."""
    signing = Pipeline("signatures", stages=build_signing(folder, params))
    signing.run(RayActorPoolExecutor(), initial_tasks=list_tasks(folder / "texts"))
    grouping = Pipeline("buckets", stages=build_grouping(folder, params))
    grouping.run(RayActorPoolExecutor(), initial_tasks=list_tasks(folder / "MinHashStage"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
