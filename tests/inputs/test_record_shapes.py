"""Presence is not value: what holds nothing hides nothing, and what no field holds is in `extra`."""

import json
from typing import Any

import pytest

from synth_stack.inputs.foreign import open_records
from synth_stack.inputs.foreign_rows import read_messages
from tests.foreign_rows import list_lines, read, read_one, turns

NAN = float("nan")
NOTHING: list[Any] = [None, "", " \n", [], {}, NAN]


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "q", "output": None, "response": "a"},
        {"instruction": None, "output": None, "prompt": "q", "completion": "a"},
        {"messages": None, "instruction": "q", "output": "a"},
        {"messages": None, "conversations": turns("q", "a"), "text": None},
        {"instruction": None, "prompt": "q", "output": "a", "input": None},
        {"prompt": "q", "response": "a", "chosen": None, "rejected": None, "messages": None},
        {"prompt": "q", "chosen": "a", "rejected": None},
        {"input": "q", "output": "a", "instruction": None},
        {"prompt": "q", "answer": "a", "system": None, "tools": None, "documents": None, "history": None, "id": None},
        {"messages": [{"role": None, "content": None, "from": "human", "value": "q"}, {"from": "gpt", "value": "a", "content": None}]},
    ],
)  # fmt: skip
def test_what_holds_nothing_hides_no_filled_column(record: dict[str, Any], nothing: object) -> None:
    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: fill(v) for k, v in value.items()}
        return [fill(v) for v in value] if isinstance(value, list) else nothing if value is None else value

    row = read_one(fill(record))
    assert row["failure"] is None
    assert (row["messages"], row["text"]) == (turns("q", "a"), "q\n\na")
    assert (row["source_id"], row["extra"]) == (None, None)


@pytest.mark.parametrize("nothing", NOTHING)
def test_what_holds_nothing_is_no_id_no_slice_and_no_locale(nothing: object) -> None:
    rows = read(
        open_records([{"text": "x", "id": nothing, "slice": nothing, "locale": nothing}] * 3, "memory")
    )

    assert [(row["source_id"], row["slice"], row["locale"], row["failure"]) for row in rows] == [
        (None,) * 4
    ] * 3
    assert read_one({"text": "x", "id": nothing, "ID": 5})["source_id"] == "5"


@pytest.mark.parametrize(
    ("value", "own"),
    [
        (210987654321098765432109876543210987651, "210987654321098765432109876543210987651"),
        (2**53 + 1, "9007199254740993"), (0, "0"), (1.5, "1.5"), (True, "True"), ("é", "é"), (b"ab", "ab"),
        (b"\xff\x00", "b'\\xff\\x00'"), (float("inf"), "Infinity"), ("a\ud800", "a?"),
    ],
)  # fmt: skip
def test_an_id_keeps_every_digit(value: Any, own: str) -> None:
    assert read_one({"text": "x", "id": value})["source_id"] == own


def test_an_answer_that_is_there_and_empty_is_an_empty_message() -> None:
    assert read_one({"prompt": "q", "response": ""})["messages"] == turns("q", "")
    assert read_one({"prompt": "q", "response": None, "output": ""})["messages"] == turns("q", "")
    assert read_one({"prompt": "q", "response": None})["messages"] == turns("q")
    assert read_one({"prompt": "", "response": "a"})["messages"] == turns("", "a")
    assert read_one({"instruction": "", "input": "", "output": ""})["messages"] == turns("", "")


@pytest.mark.parametrize(
    ("record", "messages"),
    [
        ({"prompt": turns("q"), "completion": [{"role": "assistant", "content": "a"}]}, turns("q", "a")),
        ({"prompt": turns("q"), "completion": "a"}, turns("q", "a")),
        ({"prompt": "q", "completion": [{"role": "assistant", "content": "a"}]}, turns("q", "a")),
        ({"prompt": turns("q"), "completion": turns("q", "a")}, turns("q", "a")),
        ({"prompt": json.dumps(turns("q")), "completion": json.dumps(turns("", "a")[1:])}, turns("q", "a")),
        ({"prompt": turns("q")}, turns("q")),
        ({"prompt": turns("q"), "label": True, "completion": turns("", "a")[1:]}, turns("q", "a")),
        ({"instruction": "c", "input": "d", "output": "e", "history": [["a", "b"]]}, turns("a", "b", "c\n\nd", "e")),
        ({"instruction": "", "input": "q", "output": "a"}, turns("q", "a")),
        ({"input": "q", "output": "a"}, turns("q", "a")),
        ({"prompt": b"q", "completion": b"a"}, turns("q", "a")),
    ],
)  # fmt: skip
def test_a_prompt_and_its_answer_are_texts_or_turns(record: dict[str, Any], messages: list[Any]) -> None:
    row = read_one(record)

    assert row["messages"] == messages == read_messages(record)
    assert json.loads(row["extra"] or "{}") == ({"label": True} if "label" in record else {})


def test_a_prompt_or_an_answer_that_is_json_itself_stays_a_text() -> None:
    chat = json.dumps(turns("q"))

    assert read_one({"prompt": chat, "completion": "It is a chat."})["messages"] == turns(
        chat, "It is a chat."
    )
    assert read_one({"prompt": "Write a chat.", "completion": chat})["messages"] == turns(
        "Write a chat.", chat
    )


def test_a_history_of_another_shape_is_kept() -> None:
    row = read_one({"instruction": "c", "output": "e", "history": ["a", "b"]})

    assert (row["messages"], row["extra"]) == (turns("c", "e"), '{"history":["a","b"]}')


def test_metadata_of_any_kind_is_in_extra_as_canonical_json_can_say_it() -> None:
    meta = {
        "nan": NAN,
        "inf": [float("inf"), -float("inf")],
        "big": 2**53,
        "small": 2**53 - 1,
        "half": 0.5,
        "t": True,
    }
    row = read_one({"prompt": "q", "response": "a", "meta": meta, "none": None})

    assert json.loads(row["extra"]) == {
        "meta": {
            "nan": "NaN", "inf": ["Infinity", "-Infinity"], "big": "9007199254740992", "small": 9007199254740991,
            "half": "0.5", "t": True,
        },
        "none": None,
    }  # fmt: skip


def test_what_was_kept_or_renamed_is_told_once_with_its_count() -> None:
    rows = [
        {"Prompt": "q", "response": "a", "weight": 1, "none": None},
        {"Prompt": "q", "response": "a", "weight": 2, "none": 1},
        {"Prompt": "q", "response": "a", "weight": None, "answer": "b"},
    ]

    assert list_lines(open_records(rows, "memory")) == [
        "kept column 'weight': in extra: 2 rows",
        "renamed column 'Prompt': read as prompt: 3 rows",
        "kept column 'none': in extra: 1 row",
        "kept column 'answer': in extra: 1 row",
    ]


def test_reading_again_counts_anew() -> None:
    dataset = open_records([{"text": "x", "n": 1}], "memory")

    assert list_lines(dataset) == list_lines(dataset) == ["kept column 'n': in extra: 1 row"]


def test_rows_of_many_shapes_in_one_input_are_each_read_by_their_own() -> None:
    rows = [
        {"text": "t"}, {"prompt": "q", "response": "a"}, {"messages": turns("q", "a")}, {"chosen": "a", "rejected": "b"},
        {"instruction": "q", "output": "a", "text": "t"}, {"text": "t", "Messages": []},
    ]  # fmt: skip

    assert [row["text"] for row in read(open_records(rows, "memory"))] == [
        "t",
        "q\n\na",
        "q\n\na",
        "a\n\nb",
        "q\n\na",
        "t",
    ]
