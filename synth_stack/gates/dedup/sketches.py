"""What each table of a batch adds to a pass, as Arrow: signatures of all rows, then shingles of some."""

import numpy as np
import pyarrow as pa

from synth_stack.gates.dedup.signatures import Reading, Signatures, shingle_rows, sign_rows
from synth_stack.gates.dedup.thread_pool import count_threads
from synth_stack.gates.gate import State
from synth_stack.text.fields import hash_ids
from synth_stack.text.ragged import HASH_LISTS, Hashes, Mask, Ragged, offsets_of, write_lists

WANTED = "wanted"
"""The table of state that names the rows of the second pass, by `id` (sorted); `met` ones are shingled."""

PICKS = pa.schema(
    [
        pa.field("id", pa.uint64(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("shingles", HASH_LISTS, nullable=False),
    ]
)
"""A sketch of the second pass: the wanted rows, with distinct shingles where they have to be compared."""


def sketch_signatures(table: pa.Table, _: State, *, reading: Reading) -> pa.Table:
    """The signatures of the rows of a table."""
    signed = sign_rows(table, reading, count_threads())
    columns = {
        "keys": pa.FixedSizeListArray.from_arrays(pa.array(signed.keys.ravel()), reading.bands),
        "content": signed.content,
        "readable": signed.readable,
        "id": signed.ids,
        "slice": signed.slices,
        "canary": signed.canary,
    }
    if reading.score_column is not None:
        columns |= {"score": signed.score, "tie": signed.tie}
    return pa.table({name: pa.array(column) for name, column in columns.items()})


def read_signatures(sketch: pa.Table, bands: int) -> Signatures:
    """What `sketch_signatures` wrote; the band keys are not copied."""
    n = len(sketch)
    ranked = "score" in sketch.schema.names
    keys = sketch["keys"]
    flat = (keys.chunk(0) if keys.num_chunks == 1 else keys.combine_chunks()).flatten()
    return Signatures(
        keys=flat.to_numpy().reshape(n, bands),
        content=sketch["content"].to_numpy(),
        readable=sketch["readable"].to_numpy(),
        ids=sketch["id"].to_numpy(),
        slices=sketch["slice"].to_numpy(),
        canary=sketch["canary"].to_numpy(),
        score=sketch["score"].to_numpy() if ranked else np.zeros(n),
        tie=sketch["tie"].to_numpy() if ranked else np.zeros(n, dtype=np.uint64),
    )


def sketch_shingles(table: pa.Table, state: State, *, reading: Reading) -> pa.Table:
    """The rows of a table that the first pass wants, and the shingles of those that have to be compared."""
    ids = hash_ids(table)
    wanted, met = _find_wanted(ids, state[WANTED])
    sets = shingle_rows(table.filter(pa.array(met)), reading, count_threads())
    lengths = np.zeros(len(table), dtype=np.int64)
    lengths[met] = sets.lengths
    shingles = write_lists(Ragged(sets.values, offsets_of(lengths[wanted])))
    columns = {
        "id": ids[wanted],
        "row_id": table["row_id"].filter(pa.array(wanted)).cast(pa.string()),
        "shingles": shingles,
    }
    return pa.table(columns, schema=PICKS)


def _find_wanted(ids: Hashes, wanted: pa.Table) -> tuple[Mask, Mask]:
    """Which of the rows with these ids are wanted, and which of them have to be shingled, (n,)."""
    if not len(wanted):
        nothing = np.zeros(len(ids), dtype=bool)
        return nothing, nothing
    known = wanted["id"].to_numpy()
    place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    found: Mask = known[place] == ids
    return found, found & wanted["met"].take(pa.array(place)).to_numpy()
