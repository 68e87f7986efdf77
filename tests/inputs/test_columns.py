"""Which column means what: usual names in any case, or a map."""

from typing import Any

import pytest

from synth_stack.errors import ConfigError
from synth_stack.inputs.columns import MAX_PLANS, Columns, check_map, parse_map, suggest_map
from synth_stack.inputs.foreign_rows import RowReader
from synth_stack.inputs.notices import NoticeTally
from tests.foreign_rows import read_one, turns


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"Instruction": "Add.", "INPUT": "1", "Output": "2"}, turns("Add.\n\n1", "2")),
        ({"PROMPT": "Hi", " Completion ": "Hello"}, turns("Hi", "Hello")),
        ({"Messages": turns("Hi", "Hello")}, turns("Hi", "Hello")),
        ({"Prompt": "", "prompt": "Hi", "response": "a"}, turns("Hi", "a")),
        ({"Prompt": "Hi", "prompt": None, "response": "a"}, turns("Hi", "a")),
        (
            {"System-Prompt": "Be brief.", "prompt": "Hi"},
            [{"role": "system", "content": "Be brief."}, *turns("Hi")],
        ),
    ],
)
def test_the_case_of_a_header_does_not_matter(record: dict[str, Any], expected: list[dict[str, str]]) -> None:
    row = read_one(record)

    assert row["messages"] == expected
    assert row["extra"] is None


def test_a_column_of_the_same_name_in_another_case_is_kept() -> None:
    row = read_one({"Prompt": "second", "prompt": "first", "ID": 2, "id": 1, "Slice": "b", "slice": "a"})

    assert (row["messages"], row["source_id"], row["slice"]) == (turns("first"), "1", "a")
    assert row["extra"] == '{"ID":2,"Prompt":"second","Slice":"b"}'


def test_a_map_names_the_columns_and_puts_the_usual_names_out_of_use() -> None:
    record = {
        "customer_message": "Hi", "agent_reply": "Hello", "key": 7, "id": 1, "messages": turns("old"), "text": "t",
        "prompt": "p", "output": "o", "Topic": "a",
    }  # fmt: skip
    row = read_one(record, prompt="customer_message", answer="agent_reply", id="key", slice="topic")

    assert row["messages"] == turns("Hi", "Hello")
    assert (row["source_id"], row["slice"]) == ("7", "a")
    assert row["extra"] == (
        '{"id":1,"messages":[{"content":"old","role":"user"}],"output":"o","prompt":"p","text":"t"}'
    )


@pytest.mark.parametrize(
    ("record", "named", "field", "expected"),
    [
        ({"body": "x", "prompt": "p"}, {"text": "body"}, "text", "x"),
        ({"dialog": turns("Hi"), "prompt": "p"}, {"messages": "dialog"}, "messages", turns("Hi")),
        ({"prompt": "p", "say": "a"}, {"answer": "say"}, "messages", turns("p", "a")),
        ({"messages": turns("m"), "prompt": "p", "say": "a"}, {"answer": "say"}, "messages", turns("p", "a")),
        ({"q": "p", "c": "x", "a": "y"}, {"prompt": "q", "input": "c", "answer": "a"}, "messages", turns("p\n\nx", "y")),
        ({"prompt": "p", "text": "t"}, {"text": "text"}, "text", "t"),
        ({"q": "p", "good": "a", "bad": "b"}, {"prompt": "q", "chosen": "good", "rejected": "bad"}, "messages", turns("p")),
        ({"prompt": "p", "facts": ["f"]}, {"documents": "facts"}, "documents", [{"text": "f"}]),
    ],
)  # fmt: skip
def test_any_field_may_be_mapped(
    record: dict[str, Any], named: dict[str, str], field: str, expected: object
) -> None:
    row = read_one(record, **named)

    assert row["failure"] is None
    assert row[field] == expected


def test_a_row_without_the_mapped_column_says_so() -> None:
    assert (
        read_one({"prompt": "p"}, text="body")["failure"] == "broken record: row 1: column 'body' is missing"
    )
    assert read_one({"text": "p"}, prompt="q")["failure"] == "broken record: row 1: column 'q' is missing"


def test_a_map_is_read_from_one_text_or_several() -> None:
    assert parse_map(["prompt=a b,answer=c,d", "id=e=f"]) == {"prompt": "a b", "answer": "c,d", "id": "e=f"}
    assert parse_map([]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt", "a map is FIELD=COLUMN,FIELD=COLUMN, each field once; seen: prompt"),
        ("prompt=a,prompt=b", "a map is FIELD=COLUMN,FIELD=COLUMN, each field once; seen: prompt=a,prompt=b"),
        (
            "body=a",
            "map: there is no such field; seen: body; allowed: messages, prompt, input, answer, text, id",
        ),
        ("prompt=a,answer=a", "map: one column cannot be two fields; seen: a"),
        ("prompt=", "map: prompt must be the name of a column; seen: "),
    ],
)
def test_a_map_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_map([text])

    assert str(caught.value).startswith(message)


def test_a_map_of_python_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="map: prompt must be the name of a column; seen: 5"):
        check_map({"prompt": 5})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"customer_message": "a", "agent_reply": "b"}, "--map prompt=customer_message,answer=agent_reply"),
        (
            {"agent_reply": "b", "n": 3, "customer_message": "a"},
            "--map prompt=customer_message,answer=agent_reply",
        ),
        ({"id": "x", "lang": "en", "body": "a"}, "--map text=body"),
        ({"one": "a", "two": "b", "three": "c"}, "--map prompt=one,answer=two"),
        ({"User says": "a", "we say": "b"}, "--map 'prompt=User says,answer=we say'"),
        ({"dialog": turns("a")}, "--map messages=dialog"),
        ({"\x1b[31m": "a", "": "b", "c" * 200: "d"}, "--map prompt=COLUMN,answer=COLUMN"),
        ({"n": 3}, "--map prompt=COLUMN,answer=COLUMN"),
        ({}, "--map prompt=COLUMN,answer=COLUMN"),
    ],
)
def test_a_map_is_suggested_from_the_columns_that_there_are(record: dict[str, Any], line: str) -> None:
    assert suggest_map([record]) == line


def test_as_many_sets_of_columns_as_rows_are_read_and_not_all_remembered() -> None:
    columns = Columns()
    for number in range(MAX_PLANS * 2):
        assert columns.plan({f"c{number}": 1, "text": "x"}).fields["text"] == ("text",)
    assert columns.plan({"c" * 100_000: 1, "text": "x"}).fields["text"] == ("text",)
    assert len(columns._plans) <= MAX_PLANS


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (
            {"Instruction": "Add.", "output": "2", "id": 1, "note": "x"},
            {("Instruction", "prompt"), ("output", "answer"), ("id", "id")},
        ),
        (
            {"prompt": "p", "chosen": "a", "rejected": "b"},
            {("prompt", "prompt"), ("chosen", "chosen"), ("rejected", "rejected")},
        ),
        ({"prompt": "p", "chosen": "a"}, {("prompt", "prompt"), ("chosen", "answer")}),
        ({"messages": turns("Hi", "Hello"), "text": "t"}, {("messages", "messages")}),
        ({"text": "t", "": 3}, {("text", "text")}),
    ],
)
def test_what_a_column_was_read_as_is_counted(record: dict[str, Any], fields: set[tuple[str, str]]) -> None:
    reader = RowReader(Columns(), NoticeTally())
    for _ in range(3):
        reader.read(record)
    [(shape, count)] = reader.shapes.items()
    assert (set(shape), count) == (fields, 3)
