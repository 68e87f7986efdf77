"""Rows of preferences as a reader of answers sees them: the chosen alternative at the end of the messages."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.text.ragged import offsets_of, spread


def append_chosen(table: pa.Table) -> pa.Table:
    """The table, where the messages of a row go on with those of its (first) chosen alternative.

    Rows without one stay as they are.
    """
    sides = table.column("alternatives").combine_chunks()
    compared = sides.flatten()
    labels = pc.fill_null(pc.equal(compared.field("label"), "chosen"), False)
    places = np.flatnonzero(labels.to_numpy(zero_copy_only=False))
    if not len(places):
        return table
    rows, first = np.unique(sides.value_parent_indices().to_numpy()[places], return_index=True)
    chosen = compared.field("messages").take(pa.array(places[first]))
    messages = table.column("messages").combine_chunks()
    before = pc.list_value_length(messages).to_numpy()
    after = np.zeros(len(table), dtype=np.int64)
    after[rows] = pc.fill_null(pc.list_value_length(chosen), 0).to_numpy()
    flat = pa.concat_arrays([messages.flatten(), chosen.flatten()])
    starts = [offsets_of(before)[:-1], offsets_of(after)[:-1] + before.sum()]
    order = spread(np.stack(starts, axis=1).ravel(), np.stack([before, after], axis=1).ravel())
    joined = pa.ListArray.from_arrays(
        offsets_of(before + after).astype(np.int32), flat.take(pa.array(order)), type=messages.type
    )
    name = CANDIDATE_SCHEMA.field("messages")
    return table.set_column(table.schema.get_field_index("messages"), name, joined)
