"""How a reject says that a redacted copy of the row stands for it.

A gate that redacts rejects the row with a reason that ends in the id of the copy, and the copy names the row
as its parent. A row is a redacted copy where both say so: neither a reason nor a column of somebody's
dataset can pass for one alone.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

REDACTED_IN = "redacted in "
_COPY = rf"\b{REDACTED_IN}(?P<copy>[0-9a-f]{{32}})"
_AT_END = re.compile(rf"{_COPY}\Z")


def find_copy(reason: str | None) -> str | None:
    """The row_id of the redacted copy that a reason names, else None."""
    found = None if reason is None else _AT_END.search(reason)
    return None if found is None else found["copy"]


def find_copies(reasons: pa.ChunkedArray) -> pa.ChunkedArray:
    """`find_copy` of each reason, (n,)."""
    return pc.struct_field(pc.extract_regex(reasons, rf"{_COPY}\z"), "copy")


def mark_copies(rows: pa.Table, decisions: pa.Table) -> pa.ChunkedArray:
    """Which of the n rows are redacted copies, (n,).

    `rows` has `row_id` and `parent_id`; `decisions` has `row_id` and `reason` of the whole batch, in any
    order.
    """
    named = pa.table({"original": decisions["row_id"], "copy": find_copies(decisions["reason"])})
    named = named.filter(pc.is_valid(named["copy"])).combine_chunks()
    places = pc.index_in(rows["row_id"], value_set=named["copy"].combine_chunks())
    return pc.fill_null(pc.equal(rows["parent_id"], named["original"].take(places)), False)
