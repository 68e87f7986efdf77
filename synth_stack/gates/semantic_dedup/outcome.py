"""What becomes of each row of a batch: tables are sketched as vectors, and merged into twins of rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.errors import GateError
from synth_stack.gates.gate import State
from synth_stack.gates.semantic_dedup.clusters import split_rows
from synth_stack.gates.semantic_dedup.nearest_kept import NO_TWIN, Cosines, NearestKept, compare_cluster
from synth_stack.models.embedders import Embedder, Vectors
from synth_stack.text.fields import find_canaries, hash_ids, read_field
from synth_stack.text.ragged import Counts, Hashes, Mask

_ROWS = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("readable", pa.bool_()),
        pa.field("cosine", pa.float32()),
        pa.field("twin", pa.int32()),
    ]
)
_TWINS = pa.schema([pa.field("row_id", pa.string())])


@dataclass(frozen=True, slots=True)
class SemanticOutcome:
    """The n rows of a batch, sorted by the hash of their row_id.

    `ids` (n,); `readable` (n,); `best` (n,), the highest cosine to a kept row; `twins` (n,), a row of
    `names`, the row_ids of twins, or NO_TWIN for a row that is not rejected.
    """

    ids: Hashes
    readable: Mask
    best: Cosines
    twins: NDArray[np.int32]
    names: pa.ChunkedArray

    @classmethod
    def from_state(cls, state: State) -> "SemanticOutcome":
        """What `find_twins` wrote. Raises GateError where it is missing."""
        if "rows" not in state or "twins" not in state:
            raise GateError("semantic_dedup was asked for verdicts before it saw the batch")
        rows = state["rows"]
        return cls(
            ids=rows["id"].to_numpy(),
            readable=rows["readable"].to_numpy(),
            best=rows["cosine"].to_numpy(),
            twins=rows["twin"].to_numpy(),
            names=state["twins"]["row_id"],
        )

    def find(self, ids: Hashes) -> Counts:
        """The places of the rows of these ids, (n,). Raises GateError for one that was not in the batch."""
        place = np.minimum(np.searchsorted(self.ids, ids), max(len(self.ids) - 1, 0))
        if len(ids) and not (len(self.ids) and (self.ids[place] == ids).all()):
            raise GateError("semantic_dedup was asked for verdicts on rows that it had not seen")
        return place


def sketch_vectors(table: pa.Table, _: State, *, embedder: Embedder, field: Any) -> pa.Table:
    """The vectors of n rows in float16, of unit length or zero, with what tells the rows apart."""
    texts = read_field(table, field).fill_null("").str.strip_chars()
    vectors = embedder.embed(texts.to_list()).astype(np.float16)
    flat = pa.array(vectors.ravel())
    return pa.table(
        {
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            "id": hash_ids(table),
            "canary": find_canaries(table),
            "row_id": table["row_id"].cast(pa.string()),
        }
    )


FindCentres = Callable[[NDArray[np.float16], Counts], Vectors]
"""From vectors (n, d) and the rows that count to the centres of clusters, (c, d)."""


def find_twins(
    sketches: Iterable[pa.Table], _: State, *, threshold: float, find_centres: FindCentres
) -> State:
    """What becomes of every row of the batch. Memory: the vectors in float16, and some 100 bytes a row."""
    batch = _read_sketches(sketches)
    readable: Mask = np.any(batch.vectors, axis=1)
    # the clusters are those of the rows: canaries are sorted into them
    rows, planted = np.flatnonzero(readable & ~batch.canary), np.flatnonzero(readable & batch.canary)
    centres = find_centres(batch.vectors, rows)
    n = len(readable)
    near = NearestKept(np.zeros(n, dtype=np.float32), np.full(n, NO_TWIN, dtype=np.int64))
    clusters = zip(*(split_rows(batch.vectors, some, centres) for some in (rows, planted)), strict=True)
    for mine, canaries in clusters:
        compare_cluster(batch.vectors, mine, canaries, threshold, near)
    rejected = near.best > threshold
    used, number = np.unique(near.twin[rejected], return_inverse=True)
    twin = np.full(n, NO_TWIN, dtype=np.int32)
    twin[rejected] = number
    order = np.argsort(batch.ids, kind="stable")
    columns = [batch.ids[order], readable[order], near.best[order], twin[order]]
    return {
        "rows": pa.table([pa.array(column) for column in columns], schema=_ROWS),
        "twins": pa.table([batch.names.take(pa.array(used))], schema=_TWINS),
    }


@dataclass(frozen=True, slots=True)
class _EmbeddedRows:
    """n rows in order: `vectors` (n, d), `ids` and `canary` (n,), and their row_ids."""

    vectors: NDArray[np.float16]
    ids: Hashes
    canary: Mask
    names: pa.ChunkedArray


def _read_sketches(sketches: Iterable[pa.Table]) -> _EmbeddedRows:
    vectors: list[NDArray[np.float16]] = []
    rest = []
    for sketch in sketches:
        lists = sketch["vector"].combine_chunks()
        vectors.append(lists.flatten().to_numpy().reshape(len(sketch), lists.type.list_size))
        rest.append(sketch.select(["id", "canary", "row_id"]))
    width = vectors[0].shape[1] if vectors else 1
    joined = np.concatenate([np.zeros((0, width), dtype=np.float16), *vectors])
    if not rest:
        return _EmbeddedRows(
            joined, np.zeros(0, np.uint64), np.zeros(0, bool), pa.chunked_array([], pa.string())
        )
    rows = pa.concat_tables(rest)
    return _EmbeddedRows(joined, rows["id"].to_numpy(), rows["canary"].to_numpy(), rows["row_id"])
