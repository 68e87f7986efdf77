"""The centres of clusters by NeMo Curator's KMeansStage on GPUs, over files: fitted on every row."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synth_stack.errors import GateError
from synth_stack.gates.semantic_dedup.clusters import count_clusters
from synth_stack.models.embedders import Vectors
from synth_stack.models.rapids import run_script
from synth_stack.text.ragged import Counts
from synth_stack.watcher import watch

NAME = "nemo_semantic_dedup"

_SCRIPT = Path(__file__).with_name("rapids_kmeans.py")
_PART_ROWS = 100_000
_MAX_BYTES = 2**31
"""Of the file of centres: a million of 512 numbers."""


def find_centres_on_gpus(vectors: NDArray[np.float16], rows: Counts, seed: int, *, python: str) -> Vectors:
    """The centres of clusters of about a thousand of these rows of `vectors`, (c, d); one for few rows.

    The vectors go to the folder for temporary files, 4 bytes a number. Raises GateError where NeMo Curator
    fails, or leaves centres of another shape.
    """
    count = count_clusters(len(rows))
    if count == 1:
        return np.zeros((1, vectors.shape[1]), dtype=np.float32)
    with watch("rapids") as den:
        folder = den.folder
        _write_vectors(vectors, rows, folder / "vectors")
        run_script(
            python, _SCRIPT, den, json.dumps({"n_clusters": count, "seed": seed}),
            gate=NAME,
            mend="See docs/install.md for its environment.",
        )  # fmt: skip
        return _read_centres(folder / "centres" / "kmeans_centroids.npy", (count, vectors.shape[1]))


def _write_vectors(vectors: NDArray[np.float16], rows: Counts, home: Path) -> None:
    home.mkdir()
    for number, first in enumerate(range(0, len(rows), _PART_ROWS)):
        own = rows[first : first + _PART_ROWS]
        block = vectors[own].astype(np.float32)
        offsets = np.arange(len(own) + 1, dtype=np.int32) * block.shape[1]
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(block.ravel()))
        table = pa.table({"id": pa.array(own.astype(np.int64)), "embeddings": lists})
        pq.write_table(table, home / f"part-{number:05d}.parquet")


def _read_centres(path: Path, shape: tuple[int, int]) -> Vectors:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("a file of more than 2 GB")
        centres = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as exc:
        raise GateError(f"{NAME}: NeMo Curator left no centres", seen=str(exc)) from exc
    if centres.shape != shape or centres.dtype.kind != "f" or not np.isfinite(centres).all():
        raise GateError(
            f"{NAME}: NeMo Curator left other centres than were asked for",
            seen=f"{centres.shape} of {centres.dtype}",
            allowed=f"{shape} finite numbers",
        )
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    unit: Vectors = (centres / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit
