"""Rows of the batch from which what could be personal data was taken, and sentences put into them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

Clean = Callable[[str, str | None], str | None]
"""A text of a row of some locale without what could be personal data in it; null where that cannot be had."""

_MAX_BASES = 200
"""More rows than that to make canaries of say nothing more."""

_READ_CHARS = 4000
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+(?=\S)|(?<=[。！？])(?=\S)")


@dataclass(frozen=True, slots=True)
class Base:
    """A row to plant something in: its kind, its locale and its messages, one in the role "text" for a text
    alone.
    """

    kind: str
    locale: str | None
    messages: tuple[tuple[str, str], ...]


def take_bases(sample: pa.Table, clean: Clean) -> list[Base]:
    """Up to 200 rows of the sample, each message with what is said in it alone, and without personal data.

    A row with a message that cannot be cleaned is left out; calls, schemas, documents and `extra` are.
    """
    bases: list[Base] = []
    for row in sample.select(["kind", "locale", "messages", "text"]).to_pylist()[: 2 * _MAX_BASES]:
        said = [(m["role"], m["content"]) for m in row["messages"] or () if m["content"]]
        cleaned = [(role, clean(text, row["locale"])) for role, text in said or [("text", row["text"] or "")]]
        kept = tuple((role, text) for role, text in cleaned if text is not None)
        if len(kept) == len(cleaned) and len(bases) < _MAX_BASES:
            bases.append(Base(row["kind"], row["locale"], kept))
    return bases


def put(base: Base, said: str, k: int) -> list[dict[str, Any]]:
    """The messages of a row with `said` in one of them: after a sentence, before all, or at the end, in turn.

    A table, code, JSON and what is put into a message without prose stand in paragraphs of their own.
    """
    chosen = (0, len(base.messages) - 1, k % len(base.messages))[k % 3]
    return [
        {"role": role, "content": _insert(text, said, k) if place == chosen else text}
        for place, (role, text) in enumerate(base.messages)
    ]


def _insert(text: str, said: str, k: int) -> str:
    ends = list(_SENTENCE_END.finditer(text[:_READ_CHARS]))
    plain = "\n" not in said and not said.startswith("{") and "```" not in text and "\n" not in text
    if plain and ends and k % 2:
        end = ends[k % len(ends)]
        return f"{text[: end.start()]} {said} {text[end.end() :]}"
    open_fence = text.count("```") % 2 == 1
    if k % 4 == 0 or open_fence:
        return f"{said}\n\n{text}".strip()
    return f"{text}\n\n{said}".strip()
