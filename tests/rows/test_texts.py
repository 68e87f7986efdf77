from typing import Any

import pytest

from synth_stack.rows.texts import join_text


def call(name: str | None, arguments: str | None) -> dict[str, Any]:
    return {"id": "1", "name": name, "arguments": arguments}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], ""),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}], "Hi\n\nHello."),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None}], "Hi\n\n"),
        ([{"content": None, "tool_calls": [call("find", '{"q":1}')]}], 'find({"q":1})'),
        ([{"content": "I look.", "tool_calls": [call("a", "{}"), call("b", "{}")]}], "I look.\na({})\nb({})"),
        ([{"content": "Hi", "tool_calls": []}], "Hi"),
        ([{"content": None, "tool_calls": [call(None, None)]}], "()"),
        ([{"role": "assistant", "content": "Hi", "reasoning": "Greet back."}], "Hi"),
    ],
)
def test_what_is_said_and_called_is_one_text(messages: list[dict[str, Any]], text: str) -> None:
    assert join_text(messages) == text


def test_alternatives_follow_the_messages_in_their_order() -> None:
    sides: list[dict[str, Any]] = [
        {"label": "chosen", "messages": [{"content": "good"}, {"content": "more"}]},
        {"label": "rejected", "messages": [{"content": None, "tool_calls": [call("find", "{}")]}]},
        {"label": None, "messages": None},
    ]
    assert join_text([{"content": "q"}], sides) == "q\n\ngood\n\nmore\n\nfind({})"
    assert join_text([{"content": "q"}], None) == join_text([{"content": "q"}], []) == "q"
