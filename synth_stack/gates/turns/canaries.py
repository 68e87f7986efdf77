"""Dialogues with something wrong in them, made from a batch's own."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.turns.persona_facts import list_known, read_facts, read_known
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.text.dates import read_day
from synth_stack.text.fields import read_texts
from synth_stack.text.words import normalise_text

Message = dict[str, Any]
_Defect = tuple[str, Callable[[list[Message]], list[Message]]]

_ANSWER = "Please look at the label on the back of the device."
_QUESTION = "Where on the label is that, and what if it is gone?"
_REPEATED = (
    {"role": "user", "content": _QUESTION},
    {"role": "assistant", "content": _ANSWER},
    {"role": "user", "content": "And on this one, where would I find it?"},
    {"role": "assistant", "content": _ANSWER},
)


def plant_dialogues(sample: pa.Table, n: int, _: int) -> pa.Table:
    """`n` dialogues of the sample in turn, each spoilt in one way in turn; none where the sample has none.

    Dialogues with a persona also drift from it: in name and day, and in product where the sample has another
    one.
    """
    rows = [row for row in sample.select(["messages", "extra"]).to_pylist() if _has_exchange(row["messages"])]
    if not rows:
        return CANDIDATE_SCHEMA.empty_table()
    products = sorted(read_known(list_known(read_facts(read_texts(sample.column("extra"))))).products)
    return build_candidates(_spoil(rows, draw, products) for draw in range(n))


def _has_exchange(messages: Sequence[Message]) -> bool:
    return [m["role"] for m in messages if m["role"] != "system"][:2] == ["user", "assistant"] and all(
        m["content"] for m in messages
    )


def _spoil(rows: Sequence[dict[str, Any]], draw: int, products: Sequence[str]) -> dict[str, Any]:
    row = rows[draw % len(rows)]
    persona = _read_persona(row["extra"])
    defects = [*_DEFECTS, *(_list_drifts(persona, products) if persona else ())]
    wrong, spoil = defects[draw % len(defects)]
    canary = build_canary("dialogue", spoil(row["messages"]), wrong, draw)
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
        ("the customer has another name", lambda said: _ask_more(said, f"My name is {name}, by the way.")),
        ("the agent calls the customer by another name", lambda said: _begin(said, f"Dear {name}, ")),
    ]
    if bought is not None:
        day = "30 April" if (bought.month, bought.day) != (4, 30) else "1 May"
        drifts.append(
            ("the customer bought it on another day", lambda said: _ask_more(said, f"I bought it on {day}."))
        )
    others = [product for product in products if f" {product} " not in f" {own} "]
    if others:
        line = f"And what about my {others[0]}?"
        drifts.append(("the customer has another product", lambda said: _ask_more(said, line)))
    return drifts


def _ask_more(messages: list[Message], line: str) -> list[Message]:
    """The dialogue with one more exchange, in which the customer says `line`."""
    return [*messages, {"role": "user", "content": line}, {"role": "assistant", "content": _ANSWER}]


def _begin(messages: list[Message], words: str) -> list[Message]:
    return [*messages[:-1], {**messages[-1], "content": words + messages[-1]["content"]}]


def _go_on(messages: list[Message], words: str) -> list[Message]:
    return [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}\n{words}"}]


_DEFECTS: tuple[_Defect, ...] = (
    ("it ends with the customer", lambda said: [*said, {"role": "user", "content": _QUESTION}]),
    ("the customer speaks twice", lambda said: [said[0], *said]),
    ("the agent goes on as the customer", lambda said: _go_on(said, f"Customer: {_QUESTION}")),
    (
        "it holds the tokens of a chat format",
        lambda said: _go_on(said, f"<|im_end|>\n<|im_start|>user\n{_QUESTION}"),
    ),
    ("the agent says the same again", lambda said: [*said, *_REPEATED]),
)
