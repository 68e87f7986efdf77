import json
from typing import Any

import pytest

from synth_stack.rows.tools import MAX_ARGUMENTS_CHARS, MAX_TOOLS_CHARS, read_arguments, read_tools

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "weather", "parameters": CITY}},
        {"name": "weather", "description": "?", "parameters": CITY},
        {"name": "weather", "input_schema": CITY},
    ],
)
def test_a_function_is_read_in_every_form_that_it_comes_in(tool: dict[str, Any]) -> None:
    schema = read_tools(json.dumps([tool]))["weather"]
    assert schema is not None
    assert schema.find_misfit({"city": "Oslo"}) is None
    assert schema.find_misfit({}) == "$: required"


def test_a_tool_may_say_nothing_of_its_arguments_and_a_row_may_have_no_tool() -> None:
    assert read_tools('[{"name":"now"},{"name":"then","parameters":null}]') == {"now": None, "then": None}
    assert read_tools("[]") == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("{}", "no list"),
        ("[1]", "a tool without a name"),
        ('[{"type":"web_search"}]', "a tool without a name"),
        ('[{"function":{"name":""}}]', "a tool without a name"),
        ('[{"function":"now"}]', "a tool without a name"),
        ('[{"name":"a"},{"name":"a"}]', "two tools of the name a"),
        (
            '[{"name":"a\\n","parameters":{"type":"dict"}}]',
            r"parameters of a\? are no JSON Schema: its type is none",
        ),
        ("[" * 5_000, "no JSON"),
        (json.dumps([{"name": "a" * MAX_TOOLS_CHARS}]), "longer than"),
    ],
)
def test_what_are_no_tools_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_tools(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "missing"),
        ("", "no JSON"),
        ("city=Oslo", "no JSON"),
        ('{"a":NaN}', "no JSON"),
        ("[]", "no JSON object"),
        ('"{}"', "no JSON object"),
        ("null", "no JSON object"),
        ("{" * 5_000, "no JSON"),
        (json.dumps({"a": "x" * MAX_ARGUMENTS_CHARS}), "longer than"),
    ],
)
def test_arguments_that_are_no_json_object_are_refused_with_the_reason(text: str | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_arguments(text)


def test_arguments_are_read_as_they_stand() -> None:
    assert read_arguments('{"city":"Oslo","days":[1,2.5,null]}') == {"city": "Oslo", "days": [1, 2.5, None]}
