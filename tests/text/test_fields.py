import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.registry import PARTS
from synth_stack.rows.schemas import ALTERNATIVES, CANDIDATE_SCHEMA, DOCUMENTS, MESSAGES
from synth_stack.text.fields import (
    find_canaries,
    hash_ids,
    open_lists,
    read_chosen,
    read_field,
    read_messages,
    read_pieces,
    read_sides,
    read_texts,
)
from tests.examples import examples

Row = dict[str, Any]

READ = ("messages", "text", "tools", "alternatives", "documents", "extra")


def build_table(*rows: Row) -> pa.Table:
    """Rows with those columns that hold texts; what a row does not say is null."""
    columns = {name: [row.get(name) for row in rows] for name in READ}
    return pa.table(
        {name: pa.array(values, CANDIDATE_SCHEMA.field(name).type) for name, values in columns.items()}
    )


def say(role: str | None, content: str | None, **more: Any) -> Row:
    return {"role": role, "content": content, **more}


def side(label: str | None, *messages: Row, rating: str | None = None) -> Row:
    return {"label": label, "messages": list(messages), "rating": rating}


def test_bytes_that_are_no_utf8_read_as_null() -> None:
    surrogate = b"\xed\xa0\x80"
    offsets = np.array([0, 2, 5, 5], dtype=np.int32).tobytes()
    torn = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(offsets), pa.py_buffer(b"ok" + surrogate)]
    )
    both = pa.chunked_array([torn, pa.array([None], pa.string())])
    assert read_texts(torn).to_list() == ["ok", None, ""]
    assert read_texts(both).to_list() == ["ok", None, "", None]


def test_messages_are_read_in_order_and_a_bare_text_stands_in() -> None:
    spoken = [say("user", "q"), say("assistant", None)]
    table = build_table(
        {"messages": [], "text": "bare"},
        {"messages": spoken, "text": "q"},
        {"messages": []},
        {"messages": None, "text": "also"},
    )
    assert read_messages(table).rows() == [
        (0, 0, "text", "bare"),
        (1, 0, "user", "q"),
        (1, 1, "assistant", None),
        (3, 0, "text", "also"),
    ]
    assert read_messages(table.slice(1, 1)).rows() == [(0, 0, "user", "q"), (0, 1, "assistant", None)]
    assert read_messages(table.slice(0, 0)).rows() == []


def test_the_members_of_a_null_list_are_none_even_where_something_lies_under_it() -> None:
    structs = pa.StructArray.from_arrays([pa.array(["a", "b", "c"])], ["role"])
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3], pa.int32()), structs, mask=pa.array([True, False]))
    opened = open_lists(lists)
    assert (opened.read("role").to_list(), opened.owner.tolist(), opened.position.tolist()) == (
        ["c"],
        [1],
        [0],
    )


def test_a_null_message_has_no_text() -> None:
    table = build_table({"messages": [None, say("user", "q")], "text": "q"})
    assert read_messages(table).rows() == [(0, 0, None, None), (0, 1, "user", "q")]


def test_a_field_is_the_text_or_the_messages_of_one_role() -> None:
    spoken = [say("user", "one"), say("assistant", "two"), say("tool", "no"), say("user", "three")]
    table = build_table({"messages": spoken, "text": "whole"}, {"messages": [], "text": "bare"})
    assert read_field(table, "text").to_list() == ["whole", "bare"]
    assert read_field(table, "prompt").to_list() == ["one\nthree", None]
    assert read_field(table, "answer").to_list() == ["two", None]


def test_a_message_without_content_adds_nothing_to_a_field() -> None:
    call = say("assistant", None, tool_calls=[{"name": "find", "arguments": "{}"}])
    table = build_table(
        {"messages": [say("user", "q"), call, say("tool", "r"), say("assistant", "a")]}, {"messages": [call]}
    )
    assert read_field(table, "answer").to_list() == ["a", None]


def test_the_answer_of_a_preference_row_goes_on_in_its_chosen_alternative() -> None:
    sides = [
        side("rejected", say("assistant", "bad")),
        side("chosen", say("assistant", "good"), say("user", "and?")),
    ]
    prompt = [say("user", "q"), say("assistant", "first"), say("user", "again")]
    table = build_table({"messages": prompt, "alternatives": sides}, {"messages": prompt})
    assert read_field(table, "answer").to_list() == ["first\ngood", "first"]
    assert read_field(table, "prompt").to_list() == ["q\nagain", "q\nagain"]
    assert read_chosen(table).rows() == [(0, 0, "assistant", "good"), (0, 1, "user", "and?")]


def test_a_table_without_alternatives_has_fields_too() -> None:
    table = build_table({"messages": [say("user", "q"), say("assistant", "a")]}).select(["messages", "text"])
    assert read_field(table, "answer").to_list() == ["a"]
    assert read_sides(table).height == 0


@pytest.mark.parametrize(
    ("sides", "picked"),
    [
        ([("rejected", None), ("chosen", None)], (1, 0)),
        ([("chosen", None), ("chosen", None), ("rejected", None), ("rejected", None)], (0, 2)),
        ([("chosen", None), (None, None)], (0, None)),
        ([("rejected", "9"), (None, "1")], (None, 0)),
        ([(None, "3"), (None, "4.5"), (None, "-1")], (1, 2)),
        ([(None, "3"), (None, "3"), (None, "1"), (None, "1.0")], (0, 2)),
        ([(None, "3"), (None, "3.0")], (None, None)),
        ([(None, "3"), (None, None)], (None, None)),
        ([(None, "nan"), (None, "inf"), (None, "2"), (None, "x"), (None, "1")], (2, 4)),
        ([("a", None), ("b", None)], (None, None)),
        ([], (None, None)),
    ],
)
def test_labels_say_which_side_was_chosen_and_else_ratings_do(
    sides: list[tuple[str | None, str | None]], picked: tuple[int | None, int | None]
) -> None:
    table = build_table({"alternatives": [side(label, rating=rating) for label, rating in sides]})
    found = read_sides(table)
    places = [found.filter(pl.col(name))["side"].to_list() for name in ("chosen", "rejected")]
    assert places == [[] if place is None else [place] for place in picked]


def test_the_sides_of_one_row_say_nothing_of_another() -> None:
    table = build_table(
        {"alternatives": [side(None, rating="1"), side(None, rating="2")]},
        {"alternatives": None},
        {"alternatives": [side("chosen", rating="0"), side("rejected", rating="9")]},
    )
    assert read_sides(table).select("row", "side", "chosen", "rejected").rows() == [
        (0, 0, False, True),
        (0, 1, True, False),
        (2, 0, True, False),
        (2, 1, False, True),
    ]


FULL: Row = {
    "messages": [
        say("user", "q", name="Ann"),
        say(
            "assistant",
            "I look.",
            reasoning="hm",
            tool_calls=[{"id": "1", "name": "find", "arguments": "{1}"}, {"name": "get", "arguments": "{2}"}],
        ),
        say("tool", "r", tool_call_id="1"),
    ],
    "text": "whole",
    "tools": "[]",
    "alternatives": [
        side("chosen", say("assistant", "good", reasoning="so")),
        side("rejected", say("assistant", None, tool_calls=[{"arguments": "{3}"}])),
    ],
    "documents": [{"id": "d", "title": "T", "text": "body"}, {"text": "more"}],
    "extra": '{"a":1}',
}


def test_every_text_of_a_row_is_read_by_part_and_path_in_order() -> None:
    assert read_pieces(build_table(FULL), PARTS).rows() == [
        (0, "content", "messages.0.content", "user", "q"),
        (0, "reasoning", "messages.1.reasoning", "assistant", "hm"),
        (0, "content", "messages.1.content", "assistant", "I look."),
        (0, "tool_calls", "messages.1.tool_calls.0.arguments", "assistant", "{1}"),
        (0, "tool_calls", "messages.1.tool_calls.1.arguments", "assistant", "{2}"),
        (0, "content", "messages.2.content", "tool", "r"),
        (0, "alternatives", "alternatives.0.messages.0.reasoning", "assistant", "so"),
        (0, "alternatives", "alternatives.0.messages.0.content", "assistant", "good"),
        (0, "alternatives", "alternatives.1.messages.0.tool_calls.0.arguments", "assistant", "{3}"),
        (0, "tools", "tools", None, "[]"),
        (0, "documents", "documents.0.title", None, "T"),
        (0, "documents", "documents.0.text", None, "body"),
        (0, "documents", "documents.1.text", None, "more"),
        (0, "extra", "extra", None, '{"a":1}'),
    ]


def test_only_the_named_parts_are_read() -> None:
    table = build_table(FULL, {"messages": [], "text": "bare"})
    assert read_pieces(table, ["content"])["path"].to_list() == [
        *(f"messages.{k}.content" for k in range(3)),
        "text",
    ]
    assert read_pieces(table, ["tools", "reasoning"])["path"].to_list() == ["messages.1.reasoning", "tools"]
    assert read_pieces(table, []).schema == read_pieces(table, PARTS).schema


NAMES = st.none() | st.sampled_from(["a", "b"])
TEXTS = st.none() | st.text("ab\u00e9", max_size=2)


def draw_values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_list(kind):
        return st.none() | st.lists(draw_values(kind.value_type), max_size=2)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: draw_values(field.type) for field in kind})
    return TEXTS


ROWS = st.fixed_dictionaries(
    {
        "messages": draw_values(MESSAGES),
        "alternatives": draw_values(ALTERNATIVES),
        "documents": draw_values(DOCUMENTS),
        **dict.fromkeys(("text", "tools", "extra"), TEXTS),
    }
)


def list_spoken(messages: list[Row] | None, where: str, part: str | None = None) -> Iterator[tuple[Any, ...]]:
    for k, said in enumerate(messages or []):
        at, role = f"{where}.{k}", said["role"]
        yield part or "reasoning", f"{at}.reasoning", role, said["reasoning"]
        yield part or "content", f"{at}.content", role, said["content"]
        for c, call in enumerate(said["tool_calls"] or []):
            yield part or "tool_calls", f"{at}.tool_calls.{c}.arguments", role, call["arguments"]


def list_pieces(row: Row) -> Iterator[tuple[Any, ...]]:
    """What `read_pieces` has to give of a row, one text after another."""
    yield from list_spoken(row["messages"], "messages")
    if not row["messages"]:
        yield "content", "text", "text", row["text"]
    for k, other in enumerate(row["alternatives"] or []):
        yield from list_spoken(other["messages"], f"alternatives.{k}.messages", "alternatives")
    yield "tools", "tools", None, row["tools"]
    for k, document in enumerate(row["documents"] or []):
        yield "documents", f"documents.{k}.title", None, document["title"]
        yield "documents", f"documents.{k}.text", None, document["text"]
    yield "extra", "extra", None, row["extra"]


@settings(max_examples=examples(60))
@given(st.lists(ROWS, max_size=4), st.sets(st.sampled_from(PARTS)), st.integers(0, 2))
def test_the_pieces_of_many_rows_are_those_of_each(rows: list[Row], parts: set[str], start: int) -> None:
    table = pa.concat_tables([build_table(row) for row in rows] or [build_table()]).slice(start)
    expected = [
        (k, *piece)
        for k, row in enumerate(rows[start:])
        for piece in list_pieces(row)
        if piece[0] in parts and piece[3] is not None
    ]
    assert read_pieces(table, parts).rows() == expected


def test_rows_are_hashed_by_their_ids_and_canaries_found_by_their_generator() -> None:
    table = pa.table({"row_id": ["a", "b", "a"], "generator": ["x", "canary", None]})
    assert [a == b for a, b in itertools.combinations(hash_ids(table).tolist(), 2)] == [False, True, False]
    assert find_canaries(table).tolist() == [False, True, False]
    assert find_canaries(table.select(["row_id"])).tolist() == [False] * 3
