"""Which rows of a batch are replacements: redacted, corrected or rewritten copies of other rows in it."""

import pyarrow as pa
import pyarrow.compute as pc


def mark_replacements(rows: pa.Table, decisions: pa.Table) -> pa.ChunkedArray:
    """Which of the n rows are replacements, (n,): the decision on a row names it, and it names that row.

    `rows` has `row_id` and `parent_id`; `decisions` has `row_id` and `replaced_by` of the whole batch, in any
    order. Both sides have to say so: neither a verdict nor a column of somebody's dataset is enough alone.
    """
    named = decisions.select(["row_id", "replaced_by"]).filter(pc.is_valid(decisions["replaced_by"]))
    named = named.combine_chunks()
    places = pc.index_in(rows["row_id"], value_set=named["replaced_by"].combine_chunks())
    return pc.fill_null(pc.equal(rows["parent_id"], named["row_id"].take(places)), False)
