"""Rows that a gate plants to test itself, as `Judge.plant` and `Judge.control` give them: canaries, which are
rows of a batch with something wrong in them, and controls, which look like it and are innocent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

Defect = tuple[str, Callable[[str], str]]
"""What is wrong, in a few words that are its kind too, and how a text becomes so."""

_SHAPE = ["kind", "slice", "locale", "messages", "tools", "alternatives", "documents", "text"]


def plant_defects(sample: pa.Table, n: int, defects: Sequence[Defect]) -> pa.Table:
    """`n` rows of the sample in turn for each defect, the last thing said in each (or its text) spoilt by it.

    A row keeps all else, its tool calls too. Of a row with alternatives each of these is spoilt.
    """
    sources = sample.select(_SHAPE)
    rows = []
    for draw in range(n * len(defects)):
        wrong, spoil = defects[draw % len(defects)]
        source = sources.slice(draw // len(defects) % len(sources), 1).to_pylist()[0]
        rows.append(_plant_defect(source, wrong, spoil, draw))
    return build_candidates(rows)


def _plant_defect(
    source: Mapping[str, Any], wrong: str, spoil: Callable[[str], str], draw: int
) -> dict[str, Any]:
    messages = read_turns(source)
    sides = [side for side in source["alternatives"] or () if side["messages"]]
    if not sides:
        messages = _spoil(messages, spoil)
    sides = [side | {"messages": _spoil(side["messages"], spoil)} for side in sides]
    canary = build_canary(source["kind"], messages, wrong, draw)
    kept = {name: source[name] for name in ("slice", "locale", "tools", "documents")}
    return canary | kept | {"alternatives": sides or None, "text": join_text(messages, sides)}


def _spoil(messages: Sequence[dict[str, Any]], spoil: Callable[[str], str]) -> list[dict[str, Any]]:
    """The messages with the last content spoilt; where there is none at all, the last gets it."""
    last = max((k for k, message in enumerate(messages) if message["content"]), default=len(messages) - 1)
    spoilt = {**messages[last], "content": spoil(messages[last]["content"] or "")}
    return [*messages[:last], spoilt, *messages[last + 1 :]]


MIXED = "mixed_from_two"
"""The kind of the controls of `mix_halves`."""


def mix_halves(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` controls whose messages are the first half of a row's words and the second of another's."""
    sources = sample.select(_SHAPE)
    order = np.random.default_rng(seed).permutation(len(sources))
    rows = []
    for draw, (here, there) in enumerate(zip(order[:n], np.roll(order, 1)[:n], strict=True)):
        first, second = (sources.slice(int(k), 1).to_pylist()[0] for k in (here, there))
        turns, others = read_turns(first), read_turns(second)
        if len(turns) == len(others) and here != there:
            mixed = [
                {**turn, "content": _mix(turn["content"] or "", other["content"] or "")}
                for turn, other in zip(turns, others, strict=True)
            ]
            rows.append(build_control(first["kind"], mixed, "halves of two rows", draw, kind=MIXED))
    return build_candidates(rows)


def read_turns(source: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a row; of one that is a text alone, that text in the role "text"."""
    return source["messages"] or [{"role": "text", "content": source["text"]}]


def _mix(first: str, second: str) -> str:
    one, other = first.split(), second.split()
    return " ".join([*one[: (len(one) + 1) // 2], *other[len(other) // 2 :]])


def build_canary(
    row_kind: str, messages: list[dict[str, Any]], wrong: str, draw: int, *, kind: str | None = None
) -> dict[str, Any]:
    """A canary row of these messages; one message in the role "text" makes a row that is a text alone.

    `wrong` says what is wrong with it, and `kind` (snake case) which check has to see it; without one, that
    is `wrong` in snake case.
    """
    return _build(("canary", wrong, kind), row_kind, messages, draw)


def build_control(
    row_kind: str, messages: list[dict[str, Any]], innocent: str, draw: int, *, kind: str | None = None
) -> dict[str, Any]:
    """A control row of these messages, made as a canary is; `innocent` says what could be mistaken in it."""
    return _build(("control", innocent, kind), row_kind, messages, draw)


def _build(
    what: tuple[str, str, str | None], row_kind: str, messages: list[dict[str, Any]], draw: int
) -> dict[str, Any]:
    generator, said, kind = what
    kind = kind or re.sub("[^a-z0-9]+", "_", said.lower()).strip("_")
    return {
        "kind": row_kind,
        "messages": [] if messages[0]["role"] == "text" else messages,
        "text": "\n\n".join(message["content"] or "" for message in messages),
        "attachments": [],
        "extra": canonical_text({generator: said, "kind": kind}),
        "generator": generator,
        "generator_version": "1",
        "draw": draw,
        "replayable": False,
    }
