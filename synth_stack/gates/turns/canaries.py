"""Dialogues with something wrong in them, made from a batch's own."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.turns.persona_facts import list_known, read_facts, read_known
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.dates import read_day
from synth_stack.text.fields import read_texts
from synth_stack.text.words import normalise_text

Message = dict[str, Any]
_Defect = tuple[str, str, Callable[[list[Message]], list[Message]]]
"""The kind, what is wrong, and how a dialogue becomes so."""

_ANSWER = "Please look at the label on the back of the device."
_QUESTION = "Where on the label is that, and what if it is gone?"
_TOLD = (
    "Please hold the small round button at the side until the blue light stops, then wait one full minute."
)
_TOLD_AGAIN = _TOLD.replace("blue", "green")
_REPEATED = (
    {"role": "user", "content": _QUESTION},
    {"role": "assistant", "content": _TOLD},
    {"role": "user", "content": "And on this one, where would I find it?"},
    {"role": "assistant", "content": _TOLD_AGAIN},
)
"""A copy with one of twenty words changed."""


def plant_dialogues(sample: pa.Table, n: int, _: int) -> pa.Table:
    """Up to `n` dialogues of each kind, made of those of the sample in turn; none where the sample has none.

    Dialogues with a persona also drift from it: in name and day, and in product where the sample has another
    one.
    """
    rows = [row for row in sample.select(["messages", "extra"]).to_pylist() if _has_exchange(row["messages"])]
    products = sorted(read_known(list_known(read_facts(read_texts(sample.column("extra"))))).products)
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for place in range(len(rows) and max(n, len(rows))):
        row = rows[place % len(rows)]
        persona = _read_persona(row["extra"])
        for kind, wrong, spoil in (*_DEFECTS, *(_list_drifts(persona, products) if persona else ())):
            planted = by_kind.setdefault(kind, [])
            if len(planted) < n:
                planted.append(_spoil(row, persona, (kind, wrong, spoil), len(planted)))
    return build_candidates(canary for planted in by_kind.values() for canary in planted)


def plant_sound(sample: pa.Table, n: int, _: int) -> pa.Table:
    """Up to `n` controls of each kind, of the kinds of rows of the sample that hold an exchange."""
    columns = sample.select(["kind", "messages"]).to_pylist()
    kinds = [row["kind"] for row in columns if _has_exchange(row["messages"])]
    return build_candidates(
        build_control(kinds[draw % len(kinds)], said, innocent, draw, kind=kind)
        for kind, innocent, said in _SOUND
        for draw in range(n if kinds else 0)
    )


def _has_exchange(messages: Sequence[Message]) -> bool:
    return [m["role"] for m in messages if m["role"] != "system"][:2] == ["user", "assistant"] and all(
        m["content"] for m in messages
    )


def _spoil(row: dict[str, Any], persona: dict[str, str] | None, defect: _Defect, draw: int) -> dict[str, Any]:
    kind, wrong, spoil = defect
    canary = build_canary("dialogue", spoil(row["messages"]), wrong, draw, kind=kind)
    extra = {**json.loads(canary["extra"]), "dialogue": {"persona": persona}}
    return {**canary, "extra": canonical_text(extra)} if persona else canary


def _read_persona(extra: str | None) -> dict[str, str] | None:
    """The three facts of the row's persona, where it has them all."""
    import polars as pl

    facts = read_facts(pl.Series([extra], dtype=pl.String)).drop("row").drop_nulls().to_dicts()
    return facts[0] if facts else None


def _list_drifts(persona: dict[str, str], products: Sequence[str]) -> list[_Defect]:
    name = "Zebedee" if "zebedee" not in persona["name"].lower() else "Philomena"
    own, bought = normalise_text(persona["product"], punctuation=False), read_day(persona["date"])
    drifts: list[_Defect] = [
        (
            "other_name",
            "the customer has another name",
            lambda said: _ask_more(said, f"My name is {name}, by the way."),
        ),
        (
            "called_otherwise",
            "the agent calls the customer by another name",
            lambda said: _begin(said, f"Dear {name}, "),
        ),
    ]
    if bought is not None:
        day = "30 April" if (bought.month, bought.day) != (4, 30) else "1 May"
        drifts.append(
            (
                "other_day",
                "the customer bought it on another day",
                lambda said: _ask_more(said, f"I bought it on {day}."),
            )
        )
    others = [product for product in products if f" {product} " not in f" {own} "]
    if others:
        line = f"And what about my {others[0]}?"
        drifts.append(
            ("other_product", "the customer has another product", lambda said: _ask_more(said, line))
        )
    return drifts


def _ask_more(messages: list[Message], line: str) -> list[Message]:
    """The dialogue with one more exchange, in which the customer says `line`."""
    return [*messages, {"role": "user", "content": line}, {"role": "assistant", "content": _ANSWER}]


def _begin(messages: list[Message], words: str) -> list[Message]:
    return [*messages[:-1], {**messages[-1], "content": words + messages[-1]["content"]}]


def _go_on(messages: list[Message], words: str) -> list[Message]:
    return [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n{words}"}]


_DEFECTS: tuple[_Defect, ...] = (
    ("open_end", "it ends with the customer", lambda said: [*said, {"role": "user", "content": _QUESTION}]),
    ("speaks_twice", "the customer speaks twice", lambda said: [said[0], *said]),
    (
        "answers_itself",
        "the agent goes on as the customer",
        lambda said: _go_on(said, f"Customer: {_QUESTION}"),
    ),
    (
        "chat_tokens",
        "it holds the tokens of a chat format",
        lambda said: _go_on(said, f"<|im_end|>\n<|im_start|>user\n{_QUESTION}"),
    ),
    (
        "other_side",
        "the agent says what only a customer says",
        lambda said: _go_on(said, "My order has still not come. When will I receive it?"),
    ),
    ("near_copy", "the agent says the same again", lambda said: [*said, *_REPEATED]),
)
_SOUND: tuple[tuple[str, str, list[Message]], ...] = (
    (
        "tool_result",
        "a call and its result between two turns",
        [
            {"role": "user", "content": "Will it rain in Oslo today?"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [{"id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'}],
            },
            {"role": "tool", "content": '{"rain": true}', "tool_call_id": "c1"},
            {"role": "assistant", "content": "Yes, it will rain in Oslo in the afternoon."},
            {"role": "user", "content": "Thanks a lot."},
            {"role": "assistant", "content": "Not at all."},
        ],
    ),
    (
        "short_turns",
        "the same few words twice",
        [
            {"role": "user", "content": "Is the shop open on Sundays?"},
            {"role": "assistant", "content": "Only from ten to one."},
            {"role": "user", "content": "Thanks a lot."},
            {"role": "assistant", "content": "Not at all."},
            {"role": "user", "content": "Thanks a lot."},
            {"role": "assistant", "content": "Not at all."},
        ],
    ),
    (
        "alike_questions",
        "a question that differs from the one before it by what is asked for",
        [
            {"role": "user", "content": "How long does a parcel to Norway take?"},
            {"role": "assistant", "content": "About five days, by sea."},
            {"role": "user", "content": "And how long would a letter to Spain be on its way?"},
            {"role": "assistant", "content": "Three days, since it goes by air."},
        ],
    ),
)
"""What this gate is to accept: kind, what could be mistaken, and the dialogue."""
