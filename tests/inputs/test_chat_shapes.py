"""Conversations in the shapes that data sets use: each is read whole, or refused with what is not read."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.inputs.foreign import open_dataset, open_records
from tests.foreign_rows import list_lines, read, read_one, turns

HALL = {"name": "set_lamp", "arguments": '{"room":"hall"}'}


@pytest.mark.parametrize(
    "cell",
    [
        [{"role": "User", "content": "Hi"}, {"role": " ASSISTANT ", "content": "Hello"}],
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}],
        [{"from": "Human", "value": "Hi"}, {"from": "chatgpt", "value": "Hello"}],
        [{"role": "prompter", "text": "Hi"}, {"role": "ai", "text": "Hello"}],
        [{"Role": "user", "Content": "Hi"}, {"Role": "bot", "Content": "Hello"}],
        [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": ["Hello"]}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Hello"}],
        [{"role": "user", "content": {"content_type": "text", "parts": ["Hi"]}}, {"role": "assistant", "content": "Hello"}],
        [{"role": "user", "content": "Hi", "from": None, "value": None}, {"role": "", "content": None, "from": "gpt", "value": "Hello"}],
        [{"content": b"Hi", "role": "user"}, {"content": "Hello", "role": "assistant"}],
        ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}),
        np.array([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], dtype=object),
        [[("role", "user"), ("content", "Hi")], [("role", "assistant"), ("content", "Hello")]],
        {"role": ["user", "assistant"], "content": ["Hi", "Hello"]},
        {"from": np.array(["human", "gpt"]), "value": ["Hi", "Hello"], "weight": None},
        json.dumps(turns("Hi", "Hello")),
        str(turns("Hi", "Hello")),
    ],
)  # fmt: skip
def test_a_chat_of_any_shape_is_the_same_two_messages(cell: Any) -> None:
    row = read_one({"id": 1, "messages": cell})

    assert row["failure"] is None
    assert row["messages"] == turns("Hi", "Hello")
    assert row["text"] == "Hi\n\nHello"
    if not isinstance(cell, list) or "content_type" not in str(cell):
        assert row["extra"] is None


@pytest.mark.parametrize(
    ("role", "ours"),
    [
        ("system", "system"), ("developer", "system"), ("SYSTEM", "system"), ("tool", "tool"), ("function", "tool"),
        ("observation", "tool"), ("tool_response", "tool"), ("chatbot", "assistant"), ("narrator", "narrator"),
        ("Dr. Who", "Dr. Who"), ("a\ud800", "a?"),
    ],
)  # fmt: skip
def test_roles_are_read_by_the_names_that_data_sets_give_them(role: str, ours: str) -> None:
    assert read_one({"messages": [{"role": role, "content": "x"}]})["messages"] == [
        {"role": ours, "content": "x"}
    ]


def test_a_role_that_is_not_known_stays_and_is_told() -> None:
    record = {"messages": [{"role": "narrator", "content": "x"}, {"role": "narrator", "content": "y"}]}

    assert list_lines(open_records([record], "m")) == ["kept role 'narrator': as it stands: 2 turns"]


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": HALL}]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", **HALL}]},
        ),
        (
            {"role": "assistant", "content": "", "tool_calls": json.dumps([{"function": HALL}])},
            {"role": "assistant", "content": "", "tool_calls": [HALL]},
        ),
        (
            {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"b": 0.5, "a": [2**60, None]}}]},
            {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": '{"b":0.5,"a":["1152921504606846976",null]}'}]},
        ),
        (
            {"role": "assistant", "content": "Now.", "function_call": HALL},
            {"role": "assistant", "content": "Now.", "tool_calls": [HALL]},
        ),
        (
            {"role": "assistant", "content": "Now.", "function_call": json.dumps(HALL), "tool_calls": [{"id": "c", "function": HALL}]},
            {"role": "assistant", "content": "Now.", "tool_calls": [{"id": "c", **HALL}]},
        ),
        (
            {"from": "function_call", "value": json.dumps({"name": "f", "arguments": {"a": 1}})},
            {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": '{"a":1}'}]},
        ),
        (
            {"from": "function_call", "value": json.dumps([HALL, {"name": "g"}])},
            {"role": "assistant", "content": "", "tool_calls": [HALL, {"name": "g", "arguments": ""}]},
        ),
        ({"from": "function_call", "value": "set the lamp"}, {"role": "assistant", "content": "set the lamp"}),
        (
            {"role": "tool", "tool_call_id": "c1", "name": "set_lamp", "content": "on"},
            {"role": "tool", "content": "on", "tool_call_id": "c1", "name": "set_lamp"},
        ),
        ({"role": "function", "name": "f", "content": {"ok": 0.5}}, {"role": "tool", "content": '{"ok":0.5}', "name": "f"}),
        ({"role": "tool", "content": [1, 2]}, {"role": "tool", "content": "[1,2]"}),
        ({"role": "tool", "content": [{"type": "text", "text": "on"}]}, {"role": "tool", "content": "on"}),
        (
            {"role": "assistant", "content": "4", "reasoning_content": "2 and 2"},
            {"role": "assistant", "content": "4", "reasoning": "2 and 2"},
        ),
        (
            {"role": "assistant", "content": "4", "reasoning": "", "thinking": "2 and 2"},
            {"role": "assistant", "content": "4", "reasoning": "2 and 2"},
        ),
        (
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "4"}]},
            {"role": "assistant", "content": "4", "reasoning": "hm"},
        ),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, "b", {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]},
            {"role": "assistant", "content": "a\nb", "tool_calls": [{"id": "c", "name": "f", "arguments": '{"a":1}'}]},
        ),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "on"}]}]},
            {"role": "tool", "content": "on", "tool_call_id": "c"},
        ),
        (
            {"role": "assistant", "content": "cut", "finish_reason": "length", "name": "Ada"},
            {"role": "assistant", "content": "cut", "finish": "length", "name": "Ada"},
        ),
        ({"role": "assistant", "content": ""}, {"role": "assistant", "content": ""}),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, {"role": "assistant", "content": "No."}),
    ],
)  # fmt: skip
def test_what_a_turn_holds_is_in_its_message(turn: dict[str, Any], message: dict[str, Any]) -> None:
    row = read_one({"messages": [turn]})

    assert row["failure"] is None
    assert row["messages"] == [message]
    assert row["extra"] is None


def test_a_result_of_a_tool_stands_before_what_is_said_beside_it() -> None:
    parts = [
        {"type": "tool_result", "tool_use_id": "c", "content": "on"},
        {"type": "text", "text": "And now?"},
    ]

    assert read_one({"messages": [{"role": "user", "content": parts}]})["messages"] == [
        {"role": "tool", "content": "on", "tool_call_id": "c"},
        {"role": "user", "content": "And now?"},
    ]


@pytest.mark.parametrize(
    ("turn", "left"),
    [
        ({"role": "user", "content": "x", "weight": 0}, {"weight": 0}),
        ({"role": "user", "content": "x", "weight": None, "train": False}, {"train": False}),
        ({"role": "user", "content": "x", "value": "y", "from": "gpt"}, {"value": "y", "from": "gpt"}),
        ({"role": "user", "content": "x", "name": 5, "reasoning": {"a": 1}}, {"name": 5, "reasoning": {"a": 1}}),
        ({"role": "user", "content": "x", "Content": "y"}, {"Content": "y"}),
        (
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "short"}}]},
            {"parts": {"0": {"cache_control": {"type": "short"}}}},
        ),
        (
            {"role": "assistant", "content": "x", "tool_calls": [{"function": {**HALL, "strict": True}, "extra_id": 7}]},
            {"tool_calls": {"0": {"extra_id": 7, "strict": True}}},
        ),
    ],
)  # fmt: skip
def test_what_no_field_of_a_message_holds_is_in_extra_by_the_place_of_its_turn(
    turn: dict[str, Any], left: dict[str, Any]
) -> None:
    record = {"messages": [*turns("Hi", "Hello"), turn], "n": 1}
    row = read_one(record)

    assert [message["content"] for message in row["messages"]] == ["Hi", "Hello", "x"]
    assert json.loads(row["extra"]) == {"messages": {"2": left}, "n": 1}
    told = list_lines(open_records([record], "m"))
    assert told == [f"kept turn key {key!r}: in extra: 1 turn" for key in left] + [
        "kept column 'n': in extra: 1 row"
    ]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (["Hi", "Hello"], "is not a list of turns"),
        ([turns("Hi")], "is not a list of turns"),
        ('{"messages": []}', "is not a list of turns"),
        ("[1, 2]", "is not a list of turns"),
        ({"a": 1}, "is not a list of turns"),
        ({"role": ["user"], "content": []}, "has a turn without role or text"),
        ([{"role": "user", "content": None}], "has a turn without role or text"),
        ([{"role": "user", "content": []}], "has a turn without role or text"),
        ([{"role": "user", "content": float("nan")}], "has a turn without role or text"),
        ([{"role": "user", "content": 5}], "has a turn without role or text"),
        ([{"role": ["user"], "content": "x"}], "has a turn without role or text"),
        ([{"role": {}, "content": "x"}], "has a turn without role or text"),
        ([{}], "has a turn without role or text"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], "has a part that is not read: image_url"),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image"}]}], "has a part that is not read: image"),
        ([{"role": "user", "content": [{"type": ["text"]}]}], "has a part that is not read: ['text']"),
        ([{"role": "user", "content": [{"audio": "x"}]}], "has a part that is not read: audio"),
        ([{"role": "user", "content": [5]}], "has a part of a turn that is int"),
        ([{"role": "user", "content": [{"type": "text"}]}], "holds null, not text"),
        ([{"role": "assistant", "content": "x", "tool_calls": 5}], "has tool calls that are no list"),
        ([{"role": "assistant", "content": "x", "tool_calls": [5]}], "has a tool call that is no object"),
        ([{"role": "assistant", "content": "x", "tool_calls": [{"id": 1}]}], "has a tool call without a name"),
        ([{"role": "user", "content": "x", "name": "\ud800"}], "is not valid Unicode: a lone surrogate"),
    ],
)  # fmt: skip
def test_a_chat_that_cannot_be_read_is_a_row_with_the_reason(cell: Any, reason: str) -> None:
    row = read_one({"messages": cell})

    assert row["failure"] == f"broken record: row 1: column 'messages' {reason}"
    assert row["messages"] == []
    assert row["extra"] is not None


def test_the_arguments_of_a_call_have_a_depth() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    call = {"role": "assistant", "content": "x", "tool_calls": [{"name": "f", "arguments": {"a": deep}}]}

    assert read_one({"messages": [call]})["failure"] == "broken record: row 1: nested deeper than 100 levels"


@pytest.mark.parametrize(
    ("value", "tools"),
    [
        ([{"name": "f", "parameters": {"minimum": 0.5}}], '[{"name":"f","parameters":{"minimum":0.5}}]'),
        (json.dumps([{"type": "function", "function": {"name": "f"}}]), '[{"function":{"name":"f"},"type":"function"}]'),
        ([json.dumps({"name": "f"})], '[{"name":"f"}]'),
        ({"name": "f"}, '[{"name":"f"}]'),
        (json.dumps({"name": "f"}), '[{"name":"f"}]'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["tools", "functions", "Tools"])
def test_the_tools_of_a_row_are_canonical_json_of_a_list(value: Any, tools: str, column: str) -> None:
    row = read_one({"messages": turns("Hi"), column: value})

    assert (row["tools"], row["extra"]) == (tools, None)


@pytest.mark.parametrize("value", [["lamp", "door"], "the lamp", 5, [1], [[]], '["lamp"]'])
def test_tools_that_are_no_schemas_are_kept_in_extra(value: Any) -> None:
    row = read_one({"messages": turns("Hi"), "tools": value})

    assert row["tools"] is None
    assert json.loads(row["extra"]) == {"tools": value}


@pytest.mark.parametrize("column", ["system", "system_prompt", "System"])
def test_a_system_column_stands_before_the_conversation(column: str) -> None:
    said = {"role": "system", "content": "Be brief."}
    for record in ({"messages": turns("Hi", "Hello")}, {"instruction": "Hi", "input": "", "output": "Hello"}):
        row = read_one({column: "Be brief.", **record})
        assert (row["messages"], row["extra"]) == ([said, *turns("Hi", "Hello")], None)
    same = read_one({column: "Be brief.", "messages": [said, *turns("Hi")]})
    assert (same["messages"], same["extra"]) == ([said, *turns("Hi")], None)
    other = read_one({column: "Be long.", "messages": [said, *turns("Hi")]})
    assert json.loads(other["extra"]) == {column: "Be long."}
    assert json.loads(read_one({column: "x", "text": "prose"})["extra"]) == {column: "x"}
    assert json.loads(read_one({column: 5, "messages": turns("Hi")})["extra"]) == {column: 5}


def test_turns_that_a_parquet_file_stores_as_maps_bytes_or_a_dictionary_are_read(tmp_path: Any) -> None:
    maps = pa.array([[[("role", "user"), ("content", "Hi")]]], pa.list_(pa.map_(pa.string(), pa.string())))
    raw = pa.array(
        [[{"role": "user", "content": b"Hi"}]],
        pa.list_(pa.struct([("role", pa.string()), ("content", pa.binary())])),
    )
    coded = pa.array(["a"]).dictionary_encode()
    for number, column in enumerate((maps, raw)):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"messages": column, "id": coded}), path)
        [row] = read(open_dataset(path))
        assert (row["messages"], row["source_id"]) == (turns("Hi"), "a")
