"""Which texts the rows of a table have: most tables hold nothing but `content`."""

from collections.abc import Collection

import pyarrow as pa


def list_parts(table: pa.Table, wanted: Collection[str]) -> list[str]:
    """Those of the `wanted` parts (registry.PARTS) that some row of a candidate table has, in their order.

    Only null counts and the lengths of lists are looked at. `content` is always there.
    """
    return [part for part in wanted if part == "content" or _has(table, part)]


def _has(table: pa.Table, part: str) -> bool:
    if part in {"reasoning", "tool_calls"}:
        column = table.column("messages").combine_chunks().flatten().field(part)
    else:
        column = table.column(part).combine_chunks()
    if column.null_count == len(column):
        return False
    return not pa.types.is_list(column.type) or len(column.flatten()) > 0
