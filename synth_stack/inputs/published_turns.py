"""Conversations in forms of their own, as known data sets publish them, brought into lists of turns.

`chosen` and `rejected` as one text with "Human:" and "Assistant:" (Anthropic's hh-rlhf); a conversation of
{input, output} pairs (Capybara); one of plain texts in turn (LIMA).
"""

import re
from itertools import pairwise
from typing import Any

_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_PAIR = {"input", "output"}


def unfold_turns(record: dict[str, Any]) -> dict[str, Any]:
    """The record with such a conversation as turns under the same name; one of another shape as it is."""
    chosen, rejected = _read_speakers(record.get("chosen")), _read_speakers(record.get("rejected"))
    if chosen and rejected:
        record = {**record, "chosen": chosen, "rejected": rejected}
    for name in ("conversation", "conversations"):
        turns = _read_listed(record.get(name))
        if turns:
            record = {**record, name: turns}
    return record


def _read_speakers(text: Any) -> list[dict[str, str]] | None:
    """The turns of a text that begins with "Human:" and names who speaks, each in turn; None for another."""
    if not isinstance(text, str) or not text.startswith("\n\nHuman:"):
        return None
    parts = _SPEAKER.split(text)[1:]
    names, said = parts[::2], parts[1::2]
    if len(names) < 2 or any(one == other for one, other in pairwise(names)):
        return None
    return [{"role": _ROLES[name], "content": words.strip()} for name, words in zip(names, said, strict=True)]


def _read_listed(value: Any) -> list[dict[str, str]] | None:
    """The turns of a list of texts or of {input, output} pairs; None for another."""
    if not isinstance(value, list) or not value:
        return None
    if all(type(item) is dict and item.keys() == _PAIR for item in value):
        texts = [item[name] for item in value for name in ("input", "output")]
    else:
        texts = value if len(value) > 1 else []
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
