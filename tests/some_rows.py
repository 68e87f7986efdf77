"""Candidate rows as tests need them: what a test says of a row, and defaults for the rest."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

Turn = tuple[str | None, str | None]
MakeRow = Callable[..., dict[str, Any]]
TextsTable = Callable[[Sequence[str | None]], pa.Table]


def make_row(*turns: Turn, draw: int = 0, **fields: Any) -> dict[str, Any]:
    """A candidate from its turns: make_row(("user", "Hi"), ("assistant", "Hello."), kind="dialogue").

    Its text is the contents with a blank line between them, as generators write it.
    """
    return {
        "kind": "instruction",
        "messages": [{"role": role, "content": content} for role, content in turns],
        "text": "\n\n".join(content or "" for _, content in turns) or None,
        "attachments": [],
        "generator": "test",
        "generator_version": "1",
        "draw": draw,
        "replayable": True,
        **fields,
    }


WEATHER = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a day in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "day": {"enum": ["today", "tomorrow"]}},
                "required": ["city"],
            },
        },
    }
]
"""A tool, in OpenAI's form."""


def make_call(name: str = "weather", call_id: str | None = "c1", **arguments: Any) -> dict[str, Any]:
    """A tool call."""
    return {"id": call_id, "name": name, "arguments": canonical_text(arguments)}


def make_tool_row(**fields: Any) -> dict[str, Any]:
    """A tool dialogue: two calls at once, their results, and the answer."""
    calls = [make_call(city="Oslo"), make_call(call_id="c2", city="Bergen", day="tomorrow")]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Do I need an umbrella in Oslo today, and in Bergen tomorrow?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": '{"rain": false}', "tool_call_id": "c1", "name": "weather"},
        {"role": "tool", "content": '{"rain": true}', "tool_call_id": "c2", "name": "weather"},
        {
            "role": "assistant",
            "content": "Not in Oslo today. In Bergen it rains tomorrow, so take one there.",
        },
    ]
    row = {
        "messages": messages,
        "text": join_text(messages),
        "tools": canonical_text(WEATHER),
        "kind": "tool",
    }
    return make_row(**{**row, **fields})


def make_reasoning_row(**fields: Any) -> dict[str, Any]:
    """A row whose answer was thought over."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "How many minutes are there in three and a half hours?"},
        {
            "role": "assistant",
            "content": "There are 210 minutes in three and a half hours.",
            "reasoning": "An hour has 60 minutes. 3.5 times 60 is 210.",
        },
    ]
    return make_row(**{"messages": messages, "text": join_text(messages), **fields})


def make_preference_row(**fields: Any) -> dict[str, Any]:
    """A row of two answers of which one was chosen."""
    messages = [{"role": "user", "content": "How do I take back an order that was sent already?"}]
    sides = [("rejected", "You can not do that.", "1.5"), ("chosen", "Refuse the parcel at your door.", "4")]
    alternatives = [
        {"label": label, "messages": [{"role": "assistant", "content": content}], "rating": rating}
        for label, content, rating in sides
    ]
    text = join_text(messages, alternatives)
    row = {"messages": messages, "alternatives": alternatives, "text": text, "kind": "preference"}
    return make_row(**{**row, **fields})


def make_foreign(text: str | None, **fields: Any) -> dict[str, Any]:
    """Somebody else's row that is a single text."""
    return make_row(
        **{"kind": "foreign", "text": text, "generator": "foreign", "replayable": False, **fields}
    )


def make_texts(texts: Sequence[str | None], *, first: int = 0, **fields: Any) -> pa.Table:
    """Foreign candidates, one per text, told apart by their draws from `first` on."""
    return build_candidates(make_foreign(text, draw=first + k, **fields) for k, text in enumerate(texts))
