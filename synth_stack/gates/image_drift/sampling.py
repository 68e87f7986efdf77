"""What is read of a batch and of the real images: samples of their features that do not depend on any cut."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.batch_samples import BatchSample, join_samples, sketch_sample
from synth_stack.gates.gate import State
from synth_stack.gates.image_drift.features import Describe, ImageFeatures, read_features
from synth_stack.images.attached import AttachedFile, ReadImage, list_attached, map_images
from synth_stack.text.fields import find_canaries, hash_ids, read_texts

if TYPE_CHECKING:
    import polars as pl

WHOLE_ROWS = 1_000
"""Images of either side: a share is then known to 3 points (95%)."""
SLICE_ROWS = 200
GROUPS = (("slice", SLICE_ROWS),)
COUNTED = ("slice",)


def sketch_images(table: pa.Table, _: State, *, folder: Path | None, describe: Describe) -> pa.Table:
    """The features of the sampled rows of a table and of its planted rows, and how many rows of each slice
    have an image. No image of another row is opened.
    """
    import polars as pl

    files = list_attached(table)
    rows = pl.DataFrame(
        {
            "id": hash_ids(table),
            "row_id": read_texts(table["row_id"]),
            "slice": read_texts(table["slice"]),
            "planted": find_canaries(table),
            "place": np.arange(len(table)),
        }
    ).filter(np.array([each is not None for each in files], bool))
    sketch = sketch_sample(rows, WHOLE_ROWS, GROUPS, COUNTED)
    read = list(_read(sketch["place"].to_pylist(), files, folder, describe))
    columns = {
        "figures": [None if each is None else each.figures.tolist() for each in read],
        "vector": [None if each is None else each.vector.tolist() for each in read],
    }
    for name, values in columns.items():
        sketch = sketch.append_column(name, pa.array(values, pa.list_(pa.float32())))
    return sketch


def join_sketches(sketches: Iterable[pa.Table]) -> BatchSample:
    """The sample of a batch from those of its tables; images that could not be decoded are in none."""
    import polars as pl

    joined = join_samples(sketches, WHOLE_ROWS, GROUPS, COUNTED)
    seen = pl.col("vector").is_not_null()
    return BatchSample(joined.rows.filter(seen), joined.planted.filter(seen), joined.counts)


def read_matrix(rows: "pl.DataFrame", name: str) -> NDArray[np.float32]:
    """A column of lists of m rows as (m, d) float32."""
    width = 0 if rows.is_empty() else len(rows[name][0])
    values = rows[name].explode().to_numpy().astype(np.float32)
    return np.reshape(values, (len(rows), width)) if width else np.zeros((0, 0), np.float32)


def _read(
    places: Iterable[int | None], files: list[AttachedFile | None], folder: Path | None, describe: Describe
) -> Iterator[ImageFeatures | None]:
    """Features by line of a sketch; a line that counts rows has no image."""
    wanted = [None if place is None else files[place] for place in places]
    return map_images(folder, wanted, partial(_look, describe=describe))


def _look(read: ReadImage, *, describe: Describe) -> ImageFeatures | None:
    return None if read.image is None else read_features(read.image.pixels, describe)
