import json
from typing import Any

import pytest

from synth_stack.packs.trainer_formats import (
    FORMS,
    Unsayable,
    to_alpaca,
    to_columns,
    to_messages,
    to_preference,
    to_sharegpt,
)
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import (
    WEATHER,
    make_call,
    make_foreign,
    make_preference_row,
    make_reasoning_row,
    make_row,
    make_tool_row,
)

PLAIN = make_row(("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."))
TURNS = make_row(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
TEXT = make_foreign("Only a text.")


def read(made: dict[str, Any]) -> dict[str, Any]:
    """The row as it comes out of a table."""
    row: dict[str, Any] = build_candidates([made]).to_pylist()[0]
    return row


def test_a_conversation_is_said_in_messages_without_what_it_does_not_have() -> None:
    row = read(PLAIN)
    assert to_messages(row, None) == {
        "row_id": row["row_id"],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
        ],
    }


def test_calls_results_tools_and_reasoning_stand_in_messages_as_the_chat_api_has_them() -> None:
    said = to_messages(read(make_tool_row()), None)
    assert said["messages"][1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
            {
                "id": "c2",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Bergen","day":"tomorrow"}'},
            },
        ],
    }
    assert said["messages"][2] == {
        "role": "tool",
        "content": '{"rain": false}',
        "tool_call_id": "c1",
        "name": "weather",
    }
    assert said["tools"] == WEATHER
    thought = to_messages(read(make_reasoning_row()), None)["messages"][1]
    assert thought["reasoning_content"] == "An hour has 60 minutes. 3.5 times 60 is 210."


@pytest.mark.parametrize("key", ["parameters", "input_schema"])
def test_tools_of_every_form_come_out_in_one(key: str) -> None:
    tools = canonical_text([{"name": "now", key: {"type": "object"}}])
    (tool,) = to_messages(read(make_tool_row(tools=tools)), None)["tools"]
    assert tool == {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}


def test_alpaca_has_the_last_pair_and_those_before_as_history() -> None:
    row = read(TURNS)
    assert to_alpaca(row, None) == {
        "row_id": row["row_id"],
        "instruction": "c",
        "input": "",
        "output": "d",
        "system": "",
        "history": [["a", "b"]],
    }
    assert to_alpaca(read(PLAIN), None)["system"] == "Be brief."
    assert to_alpaca(read(PLAIN), None)["history"] == []


def test_sharegpt_names_its_roles_and_has_tools_as_a_text() -> None:
    said = to_sharegpt(read(PLAIN), None)
    assert [turn["from"] for turn in said["conversations"]] == ["system", "human", "gpt"]
    assert said["tools"] == ""
    called = to_sharegpt(read(make_tool_row()), None)
    roles = [turn["from"] for turn in called["conversations"]]
    assert roles == ["human", "function_call", "observation", "gpt"]
    asked, given = (json.loads(called["conversations"][k]["value"]) for k in (1, 2))
    assert [call["arguments"] for call in asked] == [{"city": "Oslo"}, {"city": "Bergen", "day": "tomorrow"}]
    assert given == ['{"rain": false}', '{"rain": true}']
    assert json.loads(called["tools"]) == [WEATHER[0]["function"]]


def test_one_call_and_one_result_are_no_lists_and_results_stand_in_the_order_of_the_calls() -> None:
    ask, one, two, answer = (
        {"role": "user", "content": "?"},
        {"role": "tool", "content": "1", "tool_call_id": "c1"},
        {"role": "tool", "content": "2", "tool_call_id": "c2"},
        {"role": "assistant", "content": "!"},
    )
    first = {"role": "assistant", "content": "", "tool_calls": [make_call(city="a")]}
    both = {**first, "tool_calls": [make_call(city="a"), make_call(call_id="c2", city="b")]}
    said = to_sharegpt(read(make_tool_row(messages=[ask, first, one, answer])), None)["conversations"]
    assert json.loads(said[1]["value"]) == {"name": "weather", "arguments": {"city": "a"}}
    assert said[2] == {"from": "observation", "value": "1"}
    swapped = to_sharegpt(read(make_tool_row(messages=[ask, both, two, one, answer])), None)["conversations"]
    assert json.loads(swapped[2]["value"]) == ["1", "2"]


def require_conversational_preference(record: dict[str, Any]) -> None:
    """What TRL's documentation asks of a conversational preference dataset (dataset_formats, "Preference"):
    `prompt`, `chosen` and `rejected` are lists of messages with a role and a content, the prompt does not end
    with the assistant, and both sides go on with it.
    """
    for name in ("prompt", "chosen", "rejected"):
        assert isinstance(record[name], list)
        for message in record[name]:
            assert message["role"] in {"system", "user", "assistant", "tool"}
            assert isinstance(message["content"], str) or message["tool_calls"]
    assert record["prompt"][-1]["role"] in {"user", "tool"}
    assert {record["chosen"][0]["role"], record["rejected"][0]["role"]} == {"assistant"}
    assert record["chosen"] != record["rejected"]


def test_a_preference_row_is_said_as_trl_reads_it() -> None:
    row = read(make_preference_row())
    record = to_preference(row, (1, 0))
    require_conversational_preference(record)
    assert record == {
        "row_id": row["row_id"],
        "prompt": [{"role": "user", "content": "How do I take back an order that was sent already?"}],
        "chosen": [{"role": "assistant", "content": "Refuse the parcel at your door."}],
        "rejected": [{"role": "assistant", "content": "You can not do that."}],
    }


def test_a_row_as_it_is_has_every_column() -> None:
    row = read(make_tool_row())
    assert to_columns(row, None) == row


@pytest.mark.parametrize(
    ("form", "made", "why"),
    [
        ("messages", make_preference_row(), "alternatives"),
        ("messages", TEXT, "no messages"),
        ("messages", make_tool_row(tools="{}"), "tools that are no list of functions"),
        ("messages", make_tool_row(tools="["), "tools that are no list of functions"),
        ("alpaca", make_preference_row(), "alternatives"),
        ("alpaca", make_tool_row(), "tools"),
        ("alpaca", make_tool_row(tools=None), "tools"),
        ("alpaca", {**PLAIN, "tools": "[]"}, "tools"),
        ("alpaca", make_reasoning_row(), "reasoning"),
        ("alpaca", TEXT, "not in turns of user and assistant"),
        ("alpaca", make_row(("user", "a")), "not in turns of user and assistant"),
        ("alpaca", make_row(("system", "a")), "not in turns of user and assistant"),
        ("sharegpt", make_preference_row(), "alternatives"),
        ("sharegpt", make_reasoning_row(), "reasoning"),
        ("sharegpt", TEXT, "no messages"),
        ("sharegpt", make_row(("critic", "a")), "a role that there is no name for"),
        (
            "sharegpt",
            make_row(messages=[{"role": "assistant", "content": "I look.", "tool_calls": [make_call()]}]),
            "text beside a tool call",
        ),
        ("trl-dpo", PLAIN, "no alternatives"),
        ("trl-dpo", make_preference_row(), "no chosen and rejected alternative"),
    ],
)
def test_what_a_form_cannot_say_is_named_by_a_reason(form: str, made: dict[str, Any], why: str) -> None:
    with pytest.raises(Unsayable) as caught:
        FORMS[form](read(made), None)
    assert str(caught.value) == why
