"""A map of a batch: a sample of its rows by meaning, on the plane on which they differ most."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth_stack.errors import MissingExtra
from synth_stack.models.embedders import load_embedder

Reals = NDArray[np.float64]

MAPPED_ROWS = 1_500
"""As many dots as a page draws at once and an eye tells apart; at most a tenth of a second of embedding."""
_CHARS = 160
"""Of a row's text, shown at its dot."""


def draw_map(
    candidates: Iterable[pa.Table], decisions: pa.Table, centres: Sequence[str] = ()
) -> dict[str, Any] | None:
    """The sampled rows, each with its place from 0 to 1 and its decision; None without an embedder, or for
    fewer than three rows that say something. `centres` are texts whose places are told beside them: they lie
    on the plane of the rows, and do not move it.

    Which rows is decided by a hash of their ids, so the same batch has the same map. Vectors are wordllama's;
    the plane is that of the first two principal components (Hotelling 1933), whose share of the variance is
    stated: most of what tells rows apart is not on it.
    """
    try:
        embedder = load_embedder("wordllama")
    except MissingExtra:
        return None
    rows = _sample(candidates, decisions)
    vectors = embedder.embed(rows["text"].to_pylist())
    told = np.flatnonzero(np.any(vectors, axis=1))
    if len(told) < 3:
        return None
    rows = rows.take(told)
    places, explained, place = _project(vectors[told].astype(np.float64))
    middles = place(embedder.embed(list(centres)).astype(np.float64)) if centres else np.empty((0, 2))
    return {
        "explained": round(explained, 4),
        "centres": [[round(float(x), 4), round(float(y), 4)] for x, y in middles],
        "rows": [
            {
                "row_id": row["row_id"],
                "x": round(float(x), 4),
                "y": round(float(y), 4),
                "slice": row["slice"],
                "decision": row["decision"],
                "text": row["text"][:_CHARS],
            }
            for row, (x, y) in zip(rows.to_pylist(), places, strict=True)
        ],
    }


def _sample(candidates: Iterable[pa.Table], decisions: pa.Table) -> pa.Table:
    """The decided rows of the lowest ids, which are hashes: a uniform sample, the same however it is cut."""
    lowest = pc.select_k_unstable(decisions["row_id"], MAPPED_ROWS, [("", "ascending")])
    kept = decisions.select(["row_id", "decision"]).take(lowest)
    found = [
        table.select(["row_id", "slice", "text"]).filter(
            pc.and_(pc.is_in(table["row_id"], value_set=kept["row_id"]), pc.is_valid(table["text"]))
        )
        for table in candidates
    ]
    if not found:
        empty = pa.nulls(0, pa.string())
        return kept.append_column("slice", empty).append_column("text", empty)
    return pa.concat_tables(found).join(kept, "row_id").sort_by("row_id").combine_chunks()


def _project(vectors: Reals) -> tuple[Reals, float, Callable[[Reals], Reals]]:
    """Places (n, 2) from 0 to 1 on the first two principal components, their share of the variance, and what
    gives the places of other vectors (k, d): (k, 2), cut off at the rim.
    """
    middle = vectors.mean(axis=0)
    centred = vectors - middle
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2, np.argmax(np.abs(axes[:2]), axis=1)].diagonal())[:, None]
    places = centred @ axes.T
    low, high = places.min(axis=0), places.max(axis=0)
    wide = np.where(high > low, high - low, 1)
    total = float((sizes**2).sum())
    explained = float((sizes[:2] ** 2).sum()) / total if total else 0.0

    def place(others: Reals) -> Reals:
        placed: Reals = np.clip(((others - middle) @ axes.T - low) / wide, 0, 1)
        return placed

    return (places - low) / wide, explained, place
