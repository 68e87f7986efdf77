"""Conversations in the forms of known data sets."""

from typing import Any

import pytest

from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.inputs.published_turns import unfold_turns


def read_row(record: dict[str, Any]) -> dict[str, Any]:
    (table,) = read_candidates(open_records([record], "published"))
    (row,) = table.to_pylist()
    return dict(row)


def say(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


def test_two_texts_with_their_speakers_are_a_preference_with_a_prompt() -> None:
    asked = "\n\nHuman: What is up?\n\nAssistant: Do you mean now?\n\nHuman: Yes.\n\nAssistant:"
    row = read_row({"chosen": f"{asked} The sky.", "rejected": f"{asked} Go\n\naway."})
    assert say(row["messages"]) == [
        ("user", "What is up?"),
        ("assistant", "Do you mean now?"),
        ("user", "Yes."),
    ]
    assert [(side["label"], say(side["messages"])) for side in row["alternatives"]] == [
        ("chosen", [("assistant", "The sky.")]),
        ("rejected", [("assistant", "Go\n\naway.")]),
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"conversation": [{"input": "How?", "output": "So."}, {"input": "Why?", "output": "Thus."}]},
        {"conversations": ["How?", "So.", "Why?", "Thus."]},
    ],
)
def test_pairs_and_plain_texts_are_turns(record: dict[str, Any]) -> None:
    said = [("user", "How?"), ("assistant", "So."), ("user", "Why?"), ("assistant", "Thus.")]
    assert say(read_row(record)["messages"]) == said


def test_a_column_of_inputs_with_one_of_targets_is_a_prompt_with_its_answer() -> None:
    assert say(read_row({"inputs": "Say cat in French", "targets": "chat"})["messages"]) == [
        ("user", "Say cat in French"),
        ("assistant", "chat"),
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"chosen": "\n\nHuman: a\n\nHuman: b", "rejected": "\n\nHuman: a\n\nAssistant: b"},
        {"chosen": "Human: a", "rejected": "Human: b"},
        {"chosen": None, "rejected": 3},
        {"conversations": ["only one"]},
        {"conversations": [{"input": "a", "output": "b", "weight": 1}]},
        {"conversations": [{"input": "a", "output": None}]},
        {"conversations": []},
        {"conversations": "text"},
    ],
)
def test_other_shapes_stay_as_they_are(record: dict[str, Any]) -> None:
    assert unfold_turns(record) == record
