"""Canaries of the structure gate: rows of the batch, broken in ways in which training data really is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.canaries import Defect, build_canary, plant_defects
from synth_stack.gates.structure.reading import Rules
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.rows.texts import join_text

SHAPE_SHARE = 3
"""One canary in so many is broken in its tool calls or alternatives, where the batch has rows with some."""

Row = Mapping[str, Any]


def plant_faults(sample: pa.Table, n: int, rules: Rules) -> pa.Table:
    """`n` rows of the sample, each with a fault that these rules forbid."""
    shaped = list(_break_shapes(sample))
    spoken = sample.filter(pc.invert(_mark_calling(sample)))  # a call may stand without a word
    wanted = 0 if not shaped else n // SHAPE_SHARE if len(spoken) else n
    rows = [_build(*shaped[draw % len(shaped)], draw=draw) for draw in range(n - wanted, n)]
    planted = [CANDIDATE_SCHEMA.empty_table(), build_candidates(rows)]
    if len(spoken):
        planted.insert(0, plant_defects(spoken, n - wanted, _list_defects(rules)))
    return pa.concat_tables(planted)


def _mark_calling(sample: pa.Table) -> pa.Array:
    """Which rows end with a message that calls a tool, (n,)."""
    rows = sample["messages"].to_pylist()
    return pa.array([bool(said and said[-1]["tool_calls"]) for said in rows], pa.bool_())


def _list_defects(rules: Rules) -> list[Defect]:
    too_long = 1 + max(rules.prompt.max_chars, rules.answer.max_chars)
    defects: list[Defect] = [
        ("the last message is blank", lambda _: " \n"),
        ("it holds NUL", lambda text: f"{text[:40]}\0{text[40:]}"),
        ("it holds the replacement character", lambda text: f"{text[:40]}\ufffd{text[40:]}"),
        ("it is too long", lambda text: (text or "x") * (too_long // max(len(text), 1) + 1)),
    ]
    if rules.max_repeated_ngrams < 0.9:
        defects.append(("it loops", lambda _: "and then it says the same again " * 40))
    return defects


def _break_shapes(sample: pa.Table) -> Iterator[tuple[str, str, Row]]:
    """The kind of fault, what is wrong, and the row: of the first row with calls and the first with sides."""
    columns = sample.select(["kind", "messages", "tools", "alternatives"])
    answered = (row for row in columns.filter(_mark_called(sample)).slice(0, 1).to_pylist())
    compared = pc.fill_null(pc.greater(pc.list_value_length(sample["alternatives"]), 1), False)
    for row in answered:
        yield from ((kind, wrong, break_row(row)) for kind, wrong, break_row in _CALL_FAULTS)
    for row in columns.filter(compared).slice(0, 1).to_pylist():
        yield from ((kind, wrong, break_row(row)) for kind, wrong, break_row in _SIDE_FAULTS)


def _mark_called(sample: pa.Table) -> pa.Array:
    """Which rows have a message in the role "tool" and are no preference rows, (n,)."""
    messages = sample["messages"].combine_chunks()
    roles = pc.struct_field(messages.flatten(), "role")
    rows = messages.value_parent_indices().filter(pc.fill_null(pc.equal(roles, "tool"), False))
    places = pc.is_in(pa.array(range(len(sample)), pa.int64()), value_set=rows.cast(pa.int64()))
    alone = pc.equal(pc.fill_null(pc.list_value_length(sample["alternatives"]), 0), 0)
    return pc.and_(places, alone.combine_chunks())


def _build(kind: str, wrong: str, row: Row, *, draw: int) -> dict[str, Any]:
    messages, alternatives = row["messages"], row["alternatives"]
    return {
        **build_canary(row["kind"], messages, wrong, draw),
        "tools": row["tools"],
        "alternatives": alternatives,
        "text": join_text(messages, alternatives),
        "extra": canonical_text({"canary": wrong, "kind": kind}),
    }


def _change_first(messages: Sequence[Row], role: str, change: Callable[[Row], Row]) -> list[Row]:
    """The messages with the first one of a role changed."""
    place = next((k for k, message in enumerate(messages) if message["role"] == role), None)
    return [change(message) if k == place else message for k, message in enumerate(messages)]


def _lose_call(row: Row) -> Row:
    messages = _change_first(row["messages"], "tool", lambda said: {**said, "tool_call_id": "no such call"})
    return {**row, "messages": messages}


def _lose_result(row: Row) -> Row:
    """Without the results of its tools; what the assistant said of them stays."""
    return {**row, "messages": [message for message in row["messages"] if message["role"] != "tool"]}


def _tear_arguments(row: Row) -> Row:
    messages = [
        {**said, "tool_calls": [{**call, "arguments": "{"} for call in said["tool_calls"] or ()] or None}
        for said in row["messages"]
    ]
    return {**row, "messages": messages}


def _repeat_side(row: Row) -> Row:
    side = row["alternatives"][0]
    return {**row, "alternatives": [{**side, "label": label} for label in ("chosen", "rejected")]}


def _drop_side(row: Row) -> Row:
    return {**row, "alternatives": [{**row["alternatives"][0], "label": "chosen"}]}


_CALL_FAULTS: Sequence[tuple[str, str, Callable[[Row], Row]]] = (
    ("lost_call", "a tool result answers no call", _lose_call),
    ("lost_result", "a tool call has no result", _lose_result),
    ("torn_arguments", "the arguments of its calls are no JSON", _tear_arguments),
)
_SIDE_FAULTS: Sequence[tuple[str, str, Callable[[Row], Row]]] = (
    ("equal_sides", "its two alternatives are the same", _repeat_side),
    ("missing_side", "nothing was rejected", _drop_side),
)
