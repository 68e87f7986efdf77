"""Canary rows: copies of a batch's own rows with something wrong in them, as `Judge.plant` gives them."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates

Defect = tuple[str, Callable[[str], str]]
"""What is wrong, in a few words that are its kind too, and how a text becomes so."""


def plant_defects(sample: pa.Table, n: int, defects: Sequence[Defect]) -> pa.Table:
    """`n` rows of the sample in turn, the last message (or the text) of each spoilt by one defect in turn."""
    sources = sample.select(["kind", "messages", "text"])
    rows = []
    for draw in range(n):
        wrong, spoil = defects[draw % len(defects)]
        source = sources.slice(draw % len(sources), 1).to_pylist()[0]
        messages = source["messages"] or [{"role": "text", "content": source["text"]}]
        spoilt = [*messages[:-1], {**messages[-1], "content": spoil(messages[-1]["content"] or "")}]
        kind = re.sub("[^a-z0-9]+", "_", wrong.lower()).strip("_")
        rows.append(build_canary(source["kind"], spoilt, wrong, draw, kind=kind))
    return build_candidates(rows)


def build_canary(
    row_kind: str, messages: list[dict[str, Any]], wrong: str, draw: int, *, kind: str | None = None
) -> dict[str, Any]:
    """A canary row of these messages; one message in the role "text" makes a row that is a text alone.

    `wrong` says what is wrong with it, and `kind` (snake case) with which canaries it is counted; without
    one, with those of the same words.
    """
    said = {"canary": wrong, **({} if kind is None else {"kind": kind})}
    return {
        "kind": row_kind,
        "messages": [] if messages[0]["role"] == "text" else messages,
        "text": "\n\n".join(message["content"] or "" for message in messages),
        "attachments": [],
        "extra": canonical_text(said),
        "generator": "canary",
        "generator_version": "1",
        "draw": draw,
        "replayable": False,
    }
