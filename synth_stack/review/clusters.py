"""In which cluster each row is, for lots: as a gate found it, else by static embeddings, else in none."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

import synth_stack.gates  # noqa: F401  (registers the gates, which say where their clusters are)
from synth_stack.errors import MissingExtra, ModelError
from synth_stack.models.embedders import Embedder, load_embedder
from synth_stack.registry import registered
from synth_stack.review.sampling import rank_rows
from synth_stack.runs.folder import read_state
from synth_stack.runs.judged import Judged, read_candidates
from synth_stack.stats.spherical_kmeans import Vectors, find_nearest, fit_centres
from synth_stack.text.fields import hash_ids

if TYPE_CHECKING:
    import polars as pl

CENTRE_ROWS = 64
"""Rows of a slice that each of its centres is fitted from: a mean of 64 has an eighth of the spread of one
row."""
EMBEDDED_CHARS = 400
"""Of a row's text, its beginning: the question, by which rows of one slice differ. All of it would double the
time of a plan."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """The cluster of each row (None: of none), in order, and in words what the clusters are."""

    clusters: "pl.Series"
    described: str | None


def find_clusters(run: Judged, rows: "pl.DataFrame", *, lot_rows: int, seed: int) -> Clustering:
    """The clusters of the rows (`row_id`, `slice`, `generator`) of a run.

    A cluster that a gate found keeps its rows together. The other rows of a slice and generator are cut into
    clusters of about `lot_rows` by static embeddings where they are at least twice as many; where the
    embedder is not installed, they are not cut. Memory is that of a shard of texts, and 100 bytes a row.
    """
    import polars as pl

    found = _read_gates(run, rows)
    sizes = found.filter(pl.col("cluster").is_null()).group_by("slice", "generator").len()
    large = sizes.filter(pl.col("len") >= 2 * lot_rows)
    words = [f"those of {name}" for name in found["gate"].drop_nulls().unique(maintain_order=True)]
    if len(large):
        try:
            embedder = load_embedder("wordllama")
        except (MissingExtra, ModelError):
            words.append("large slices not cut, for want of the embedder (pip install 'synth-stack[embed]')")
        else:
            counted = large.with_columns(count=(pl.col("len") / lot_rows).round().cast(pl.Int64))
            found = _cut_large(run, found, counted, embedder, seed)
            words.append(f"spherical k-means over static embeddings ({embedder.name}) in large slices")
    return Clustering(found["cluster"], "; ".join(words) or None)


def _read_gates(run: Judged, rows: "pl.DataFrame") -> "pl.DataFrame":
    """The rows with the `cluster` and `gate` of the first gate that found them in one."""
    import polars as pl

    rows = rows.with_columns(cluster=pl.lit(None, pl.String), gate=pl.lit(None, pl.String))
    for name in run.gate_names:
        entry = registered("gate").get(name)
        state = read_state(run.folder, name) if entry is not None and entry.clusters else {}
        if entry is None or entry.clusters is None or entry.clusters not in state:
            continue
        known = pl.DataFrame(state[entry.clusters]).select("id", number=pl.col("cluster")).unique("id")
        ids = pl.Series(hash_ids(rows.select("row_id").to_arrow()), dtype=pl.UInt64)
        joined = rows.with_columns(id=ids).join(known, on="id", how="left", maintain_order="left")
        fresh = pl.col("cluster").is_null() & pl.col("number").is_not_null()
        label = pl.format("{}-{}", pl.lit(name), pl.col("number"))
        rows = joined.with_columns(
            cluster=pl.when(fresh).then(label).otherwise("cluster"),
            gate=pl.when(fresh).then(pl.lit(name)).otherwise("gate"),
        ).drop("id", "number")
    return rows


def _cut_large(
    run: Judged, rows: "pl.DataFrame", large: "pl.DataFrame", embedder: Embedder, seed: int
) -> "pl.DataFrame":
    """The rows with those of the `large` groups (`count` clusters each) in numbered clusters."""
    import polars as pl

    large = large.with_row_index("group")
    keys = ["slice", "generator"]
    todo = rows.filter(pl.col("cluster").is_null()).select("row_id", *keys)
    todo = todo.join(large, on=keys, how="inner", nulls_equal=True, maintain_order="left")
    rank = pl.Series("rank", rank_rows(todo["row_id"].to_list(), seed, "centre"), dtype=pl.UInt64)
    todo = todo.with_columns(rank, place=rank.rank("ordinal"))
    drawn = todo.filter(pl.col("rank").rank("ordinal").over("group") <= CENTRE_ROWS * pl.col("count"))
    centres = _fit(run, drawn, large, embedder, seed)
    parts = []
    for table in _read_texts(run, todo):
        vectors = embedder.embed(table["text"].to_list())
        numbers = np.zeros(len(table), dtype=np.int64)
        groups = table["group"].to_numpy()
        for group in np.unique(groups):
            mine = groups == group
            numbers[mine] = find_nearest(vectors[mine], centres[int(group)])[0]
        parts.append(table.select("row_id").with_columns(number=pl.Series(numbers)))
    label = pl.format("static-{}", pl.col("number"))
    cut = pl.concat(parts).select("row_id", cut=label)
    joined = rows.join(cut, on="row_id", how="left", maintain_order="left")
    return joined.with_columns(cluster=pl.coalesce("cluster", "cut")).drop("cut")


def _fit(
    run: Judged, drawn: "pl.DataFrame", large: "pl.DataFrame", embedder: Embedder, seed: int
) -> dict[int, Vectors]:
    """The centres of each group, fitted from its drawn rows in the order of their draw."""
    import polars as pl

    read = [table.select("row_id", "text") for table in _read_texts(run, drawn)]
    texts = drawn.join(pl.concat(read), on="row_id", how="left").sort(["group", "rank"])
    centres: dict[int, Vectors] = {}
    for row in large.to_dicts():
        mine = texts.filter(group=row["group"])
        vectors = embedder.embed(mine["text"].fill_null("").to_list())
        centres[row["group"]] = fit_centres(vectors, row["count"], seed % 2**32)
    return centres


def _read_texts(run: Judged, rows: "pl.DataFrame") -> Any:
    """Part by part the rows that are among `rows`, with the beginning of their `text`."""
    import polars as pl

    for part in read_candidates(run.folder, ["row_id", "text"]):
        table = pl.DataFrame(pa.table(part)).join(
            rows.select("row_id", "group"), on="row_id", how="inner", maintain_order="left"
        )
        if len(table):
            yield table.with_columns(pl.col("text").str.slice(0, EMBEDDED_CHARS).fill_null(""))
