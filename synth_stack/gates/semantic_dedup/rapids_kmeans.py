"""NeMo Curator's KMeansStage over vectors in a folder, run by a Python with RAPIDS and without this package.

    python rapids_kmeans.py FOLDER PARAMS

reads FOLDER/vectors/part-*.parquet (id int64, embeddings list<float>) and leaves the centres as
FOLDER/centres/kmeans_centroids.npy. PARAMS is JSON: n_clusters, seed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from nemo_curator.backends.ray_actor_pool import RayActorPoolExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.deduplication.semantic.kmeans import KMeansStage


def build_stage(folder: Path, params: dict[str, Any]) -> KMeansStage:
    """The stage of SemanticDeduplicationWorkflow, fitted on every vector."""
    return KMeansStage(
        n_clusters=params["n_clusters"],
        id_field="id",
        embedding_field="embeddings",
        input_path=str(folder / "vectors"),
        output_path=str(folder / "clusters"),
        cache_path=str(folder / "centres"),
        random_state=params["seed"],
        fit_data_fraction=1.0,
    )


def main(folder: Path, params: dict[str, Any]) -> None:
    """Runs the stage on every GPU of this machine, on a Ray that the executor starts and ends."""
    (folder / "clusters").mkdir()
    Pipeline("centres", stages=[build_stage(folder, params)]).run(RayActorPoolExecutor())


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
