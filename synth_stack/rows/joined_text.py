"""The `text` that the messages and alternatives of each row make (rows/texts.py), column by column."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.rows.texts import JOINT
from synth_stack.text.ragged import Counts, offsets_of


def join_texts(table: pa.Table) -> pa.Array:
    """`join_text` of each row of a candidate table, (n,); null for one in which nothing is said."""
    said = _join_messages(table.column("messages").combine_chunks())
    sides = table.column("alternatives").combine_chunks()
    compared = sides.flatten()
    if not len(compared):
        return said
    continued = _join_messages(compared.field("messages"))
    spoken = pc.is_valid(continued)
    owners = sides.value_parent_indices().filter(spoken)
    counts = np.bincount(owners.to_numpy(), minlength=len(table))
    return _join_two(said, _join_lists(continued.filter(spoken), counts), JOINT)


def _join_messages(lists: pa.ListArray) -> pa.Array:
    """The messages of each list as one text; null where there are none."""
    messages = lists.flatten()
    told = pc.fill_null(messages.field("content"), "")
    calls = messages.field("tool_calls")
    asked = calls.flatten()
    if len(asked):
        name, arguments = (pc.fill_null(asked.field(part), "") for part in ("name", "arguments"))
        called = pc.binary_join_element_wise(name, "(", arguments, ")", "")
        lines = _join_lists(called, _count(calls), "\n")
        silent = pc.and_(pc.equal(told, ""), pc.is_valid(lines))
        told = pc.if_else(silent, lines, _join_two(told, lines, "\n"))
    return _join_lists(told, _count(lists))


def _join_lists(texts: pa.Array, counts: Counts, joint: str = JOINT) -> pa.Array:
    """The first counts[0] texts as one, then the next counts[1], and so on; null for none."""
    lists = pa.ListArray.from_arrays(offsets_of(counts).astype(np.int32), texts)
    joined = pc.binary_join(lists, joint)
    return pc.if_else(pa.array(counts > 0), joined, None)


def _join_two(left: pa.Array, right: pa.Array, joint: str) -> pa.Array:
    """Both where both are there, else the one that is, (n,)."""
    return pc.coalesce(pc.binary_join_element_wise(left, right, joint), left, right)


def _count(lists: pa.ListArray) -> Counts:
    counts: Counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return counts
