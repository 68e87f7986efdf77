"""The rows of collapsed clusters: found by their wording, and all but the most central ones turned away."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synth_stack.gates.diversity.clusters import FAMILIAR, measure_familiar
from synth_stack.gates.diversity.outcome import OF_ALL
from synth_stack.gates.diversity.sampling import Field, read_said
from synth_stack.gates.diversity.wording import hash_grams
from synth_stack.gates.gate import State
from synth_stack.models.embedders import Embedder
from synth_stack.stats.diversity import owner_of
from synth_stack.text.fields import find_canaries, hash_ids
from synth_stack.text.ragged import Hashes, Ragged, offsets_of
from synth_stack.text.words import normalise

if TYPE_CHECKING:
    import polars as pl

MEMBERS = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("cluster", pa.int32()),
        pa.field("cosine", pa.float64()),
        pa.field("kept", pa.bool_()),
    ]
)

_DECIMALS = 4
"""Cosines are rounded to it, so that the order in which a matrix product adds does not show."""


def sketch_members(table: pa.Table, state: State, *, field: Field, embedder: Embedder) -> pa.Table:
    """The rows of a table that are of a collapsed cluster, and how near each is to its centre.

    A row is of the cluster of whose repeated n-grams it has most, at least half of its own. What most of the
    batch shares does not count. Nothing is read where no cluster is collapsed.
    """
    import polars as pl

    if not len(state["clusters"]):
        return MEMBERS.empty_table()
    texts = normalise(read_said(table, field).fill_null(""), punctuation=False)
    known = pl.DataFrame(state["grams"])
    grams = _drop(hash_grams(texts.to_list()), _pick(known, OF_ALL))
    numbers = state["clusters"]["cluster"].to_pylist()
    shares = np.stack([measure_familiar(grams, _pick(known, number)) for number in numbers])
    mine = np.flatnonzero((shares.max(axis=0) >= FAMILIAR) & ~find_canaries(table))
    cluster = shares[:, mine].argmax(axis=0)
    centres = embedder.embed(normalise(pl.DataFrame(state["centres"])["text"], punctuation=False).to_list())
    vectors = embedder.embed(texts.gather(mine).to_list())
    cosine = (vectors * centres[cluster]).sum(axis=1).astype(np.float64).round(_DECIMALS)
    columns = [hash_ids(table)[mine], cluster.astype(np.int32), cosine, np.zeros(len(mine), dtype=bool)]
    return pa.table([pa.array(column) for column in columns], schema=MEMBERS)


def choose_kept(sketches: Iterable[pa.Table], _: State, *, keep: int) -> State:
    """The state `members`, sorted by id: of each cluster the `keep` rows nearest to its centre are kept."""
    import polars as pl

    rows = pl.concat([pl.DataFrame(sketch) for sketch in sketches])
    ranked = rows.sort(["cluster", "cosine", "id"], descending=[False, True, False])
    kept = ranked.with_columns(kept=pl.int_range(pl.len()).over("cluster") < keep)
    return {"members": kept.sort("id").to_arrow().cast(MEMBERS)}


def _pick(known: "pl.DataFrame", number: int) -> Hashes:
    """The n-grams of one cluster, sorted."""
    import polars as pl

    return np.sort(known.filter(pl.col("cluster") == number)["gram"].to_numpy())


def _drop(grams: Ragged, shared: Hashes) -> Ragged:
    """The rows without the shared n-grams."""
    if not len(shared):
        return grams
    place = np.minimum(np.searchsorted(shared, grams.values), len(shared) - 1)
    own = shared[place] != grams.values
    lengths = np.bincount(owner_of(grams)[own], minlength=len(grams.lengths))
    return Ragged(grams.values[own], offsets_of(lengths))
