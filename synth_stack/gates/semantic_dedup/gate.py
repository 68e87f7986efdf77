"""Rows that say the same in other words: cosine of sentence embeddings, each against the rows that stay.

Off by default: it stands in no standard gate file. What counts as the same thing said twice depends on the
data far more than with words, and every row has to be embedded.

Rows are parted into clusters of about a thousand by spherical k-means, and compared within their cluster
(SemDeDup, Abbas et al. 2023, section 3), so time and memory grow with the rows and not with their square. A
pair that the border between two clusters parts is missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.canaries import build_canary
from synth_stack.gates.gate import Judge, Shards
from synth_stack.models.embedders import Embedder, Vectors, load_embedder
from synth_stack.registry import gate
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_candidates
from synth_stack.text.fields import find_canaries, hash_ids, read_field
from synth_stack.text.ragged import Counts, Hashes, Mask
from synth_stack.text.words import TEXT_SCHEME

if TYPE_CHECKING:
    import polars as pl

Cosines = NDArray[np.float32]

_CLUSTER_ROWS = 1_000
_WHOLE_ROWS = 4_000
"""Fewer rows than these are one cluster: nothing is missed, and they are compared in half a second."""
_SAMPLE_PER_CLUSTER = 64
_ITERATIONS = 8
_BLOCK_ROWS = 1_024
_KEPT_ROWS = 8_192
_DECIMALS = 4
"""Cosines are rounded to what vectors in float16 hold, whatever order a matrix product adds in."""

_NOTHING_TO_READ = "nothing to read: the field is empty, missing or without a known word"

_NO_TWIN = -1


def redecide_semantic(
    old: Mapping[str, Any], new: Mapping[str, Any], facts: Mapping[str, Any], rows: "pl.DataFrame"
) -> "pl.DataFrame":
    """The verdicts under another threshold, from the stored cosines alone.

    Those were measured against the rows that stayed under the old threshold, of which a new judgement might
    keep others: an estimate. Raises ConfigError for any other parameter.
    """
    import polars as pl

    for name in new:
        if name != "threshold" and new[name] != old[name]:
            raise ConfigError(f"semantic_dedup: {name} cannot change without judging again", seen=new[name])
    goes = pl.col("score") > float(new["threshold"])
    outcome = pl.when(goes).then(pl.lit("reject")).otherwise(pl.lit("accept"))
    return rows.with_columns(
        outcome=pl.when(pl.col("outcome") == "abstain").then("outcome").otherwise(outcome),
        threshold=pl.lit(float(new["threshold"])),
    )


@gate("semantic_dedup", version="1", redecide=redecide_semantic)
def semantic_dedup(
    *,
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.9,
    model: Literal["wordllama", "minilm"] = "wordllama",
    field: Literal["text", "prompt", "answer"] = "prompt",
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42,
) -> Judge:
    """A judge that rejects a row whose cosine to an earlier row that stays is above `threshold`.

    Exactly at the threshold a row is accepted. The score is the highest cosine to a row that stays of the
    same cluster. Evidence of a reject: the twin's row_id and the cosine. A row with nothing to read, or
    nothing that the model has a token for, is abstained on.

    Defaults: `prompt`, because two answers to one question are no duplicates; 0.9, which
    benchmarks/semantic_dedup.py weighs on public corpora; wordllama, many times faster than minilm. `seed`
    draws the first centres of the clusters. Raises MissingExtra and ModelError as load_embedder does.
    """
    embedder = load_embedder(model)
    prepared: list[_Found] = []

    def prepare(shards: Shards) -> None:
        prepared[:] = [_find_twins(shards, embedder, field, threshold, seed)]

    def judge(table: pa.Table) -> pa.Table:
        if not prepared:
            raise GateError("semantic_dedup was asked for verdicts before it saw the batch")
        return _state(prepared[0], table, threshold)

    facts = {
        "model": embedder.name,
        "files": dict(embedder.facts),
        "text": TEXT_SCHEME,
        "reject_when": "score > threshold",
    }
    return Judge(judge=judge, facts=facts, prepare=prepare, plant=_plant, min_recall=0.95)


@dataclass(frozen=True, slots=True)
class _Found:
    """The n rows of a batch, sorted by the hash of their row_id.

    `ids` (n,); `readable` (n,); `best` (n,), the highest cosine to a row that stays; `goes` (n,); `twins`
    (n,), a row of `names`, the row_ids of twins, or -1.
    """

    ids: Hashes
    readable: Mask
    best: Cosines
    goes: Mask
    twins: Counts
    names: pa.Array


def _find_twins(shards: Shards, embedder: Embedder, field: Any, threshold: float, seed: int) -> _Found:
    batch = _embed_rows(shards, embedder, field)
    readable: Mask = np.any(batch.vectors, axis=1)
    # canaries come last, and are nobody's twin
    order = np.argsort(batch.canary, kind="stable")
    order = order[readable[order]]
    home = _part_rows(batch.vectors, order[~batch.canary[order]], seed)
    order = order[np.argsort(home[order], kind="stable")]
    near = _Near(np.zeros(len(readable), dtype=np.float32), np.full(len(readable), _NO_TWIN, dtype=np.int64))
    for rows in np.split(order, np.flatnonzero(np.diff(home[order])) + 1):
        _compare_cluster(batch, rows, threshold, near)
    best, twin = near.best, near.twin
    goes = best > threshold
    used, number = np.unique(twin[goes], return_inverse=True)
    twin[:] = _NO_TWIN
    twin[goes] = number
    by_id = np.argsort(batch.ids, kind="stable")
    names = batch.names.take(pa.array(used))
    return _Found(batch.ids[by_id], readable[by_id], best[by_id], goes[by_id], twin[by_id], names)


@dataclass(frozen=True, slots=True)
class _Batch:
    """n rows in order: `vectors` (n, d) float16 of unit length or zero; `ids` and `canary` (n,); row_ids."""

    vectors: NDArray[np.float16]
    ids: Hashes
    canary: Mask
    names: pa.Array


def _embed_rows(shards: Shards, embedder: Embedder, field: Any) -> _Batch:
    vectors, ids, canary, names = [], [], [], []
    for table in shards():
        texts = read_field(table, field).fill_null("").str.strip_chars()
        vectors.append(embedder.embed(texts.to_list()).astype(np.float16))
        ids.append(hash_ids(table))
        canary.append(find_canaries(table))
        names.append(table["row_id"].combine_chunks().cast(pa.string()))
    width = vectors[0].shape[1] if vectors else 1
    return _Batch(
        vectors=np.concatenate([np.zeros((0, width), dtype=np.float16), *vectors]),
        ids=np.concatenate([np.zeros(0, dtype=np.uint64), *ids]),
        canary=np.concatenate([np.zeros(0, dtype=bool), *canary]),
        names=pa.concat_arrays([pa.array([], pa.string()), *names]),
    )


def _part_rows(vectors: NDArray[np.float16], rows: Counts, seed: int) -> Counts:
    """The cluster of every vector, (n,): its nearest centre, of those that k-means finds among `rows`."""
    home = np.zeros(len(vectors), dtype=np.int64)
    if len(rows) < _WHOLE_ROWS:
        return home
    count = len(rows) // _CLUSTER_ROWS
    drawn = np.random.default_rng(seed).choice(
        rows, min(len(rows), count * _SAMPLE_PER_CLUSTER), replace=False
    )
    sample = vectors[drawn].astype(np.float32)
    centres = sample[:count]
    for _ in range(_ITERATIONS):
        nearest = _find_nearest(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        empty = ~sums.any(axis=1)
        sums[empty] = centres[empty]
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    for first in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[first : first + _BLOCK_ROWS].astype(np.float32)
        home[first : first + _BLOCK_ROWS] = _find_nearest(block, centres)
    return home


def _find_nearest(vectors: Vectors, centres: Vectors) -> Counts:
    blocks = range(0, len(vectors), _BLOCK_ROWS)
    return np.concatenate([(vectors[k : k + _BLOCK_ROWS] @ centres.T).argmax(axis=1) for k in blocks])


@dataclass(frozen=True, slots=True)
class _Near:
    """Of n rows the highest cosine to a row that stays, 0 without one, and which row that is, or -1."""

    best: Cosines
    twin: Counts

    def improve(self, rows: Counts, cosines: Cosines, mates: Counts) -> None:
        """Take in the `cosines` (r, m) of `rows` to `mates`."""
        nearest = cosines.argmax(axis=1)
        top = cosines[np.arange(len(rows)), nearest]
        better = top > self.best[rows]
        self.best[rows[better]], self.twin[rows[better]] = top[better], mates[nearest[better]]


def _compare_cluster(batch: _Batch, rows: Counts, threshold: float, near: _Near) -> None:
    """Fill in the highest cosine of each of `rows` to one before it that stays, and which row that is.

    At most some 40 MB at a time. Time grows with the rows times those of them that stay.
    """
    kept = np.zeros(0, dtype=np.int64)
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = rows[first : first + _BLOCK_ROWS]
        vectors = batch.vectors[block].astype(np.float32)
        for since in range(0, len(kept), _KEPT_ROWS):
            mates = kept[since : since + _KEPT_ROWS]
            near.improve(block, _measure(vectors, batch.vectors[mates].astype(np.float32)), mates)
        stays = _settle_block(vectors, block, batch.canary[block], threshold, near)
        kept = np.concatenate([kept, block[stays]])


def _settle_block(vectors: Vectors, rows: Counts, canary: Mask, threshold: float, near: _Near) -> Mask:
    """Which rows of a block stay, one after the other: each is compared with those before it that do."""
    cosines = _measure(vectors, vectors)
    stays = np.zeros(len(rows), dtype=bool)
    for k in range(len(rows)):
        mates = np.flatnonzero(stays[:k])
        if len(mates):
            near.improve(rows[k : k + 1], cosines[k : k + 1, mates], rows[mates])
        stays[k] = not (canary[k] or near.best[rows[k]] > threshold)
    return stays


def _measure(vectors: Vectors, mates: Vectors) -> Cosines:
    return np.minimum(np.round(vectors @ mates.T, _DECIMALS), np.float32(1))


def _state(found: _Found, table: pa.Table, threshold: float) -> pa.Table:
    """One verdict a row of the table, in order. Raises GateError for a row that `prepare` was not shown."""
    import polars as pl

    ids = hash_ids(table)
    place = np.minimum(np.searchsorted(found.ids, ids), max(len(found.ids) - 1, 0))
    if len(ids) and not (len(found.ids) and (found.ids[place] == ids).all()):
        raise GateError("semantic_dedup was asked for verdicts on rows that it had not seen")
    goes = found.goes[place]
    twins = pa.array(np.where(goes, found.twins[place], 0), mask=~goes)
    frame = pl.DataFrame(
        {
            "row_id": pl.Series(values=pl.from_arrow(table["row_id"])),
            "readable": found.readable[place],
            "goes": goes,
            # the float that its decimals spell, as the threshold is one
            "score": found.best[place].astype(np.float64).round(_DECIMALS),
            "twin": pl.Series(values=pl.from_arrow(found.names.take(twins)), dtype=pl.String),
        }
    )
    readable, lost = pl.col("readable"), pl.col("goes")
    said = pl.concat_str(
        pl.lit("same meaning: like "), "twin", pl.lit(", cosine "), pl.col("score").cast(pl.String)
    )
    shown = pl.concat_str(
        pl.lit('{"cosine":'),
        pl.col("score").cast(pl.String).str.strip_suffix(".0"),
        pl.lit(',"twin":"'),
        "twin",
        pl.lit('"}'),
    )
    verdicts: pa.Table = (
        frame.select(
            "row_id",
            gate=pl.lit("semantic_dedup"),
            outcome=pl.when(~readable)
            .then(pl.lit("abstain"))
            .when(lost)
            .then(pl.lit("reject"))
            .otherwise(pl.lit("accept")),
            score=pl.when(readable).then("score"),
            threshold=pl.lit(threshold),
            reason=pl.when(~readable).then(pl.lit(_NOTHING_TO_READ)).when(lost).then(said),
            evidence=pl.when(lost).then(shown),
            scope=pl.lit("row"),
        )
        .rechunk()
        .to_arrow()
        .cast(VERDICT_SCHEMA)
    )
    return verdicts


def _plant(sample: pa.Table, n: int, _: int) -> pa.Table:
    """Copies of rows with other white space: no offline tool writes paraphrases that could be trusted."""
    sources = sample.select(["row_id", "kind", "messages", "text"]).slice(0, n).to_pylist()
    rows: list[dict[str, Any]] = []
    for draw, source in enumerate(sources):
        turns = source["messages"] or [{"role": "text", "content": source["text"]}]
        said = [{**turn, "content": f" {turn['content'] or ''} "} for turn in turns]
        rows.append(build_canary(source["kind"], said, f"copy: of {source['row_id']}", draw))
    return build_candidates(rows)
