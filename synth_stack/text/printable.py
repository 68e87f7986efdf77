"""Rows and verdicts in words, for a terminal: what a row says never reaches it as a control sequence."""

from collections.abc import Mapping
from typing import Any

from synth_stack.errors import replace_unprintable


def count_noun(n: int, noun: str) -> str:
    """A number with its noun: "1 row", "1,204 rows"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def name_all(n: int, noun: str) -> str:
    """All of so many: "all 1,204 rows", "the one row"."""
    return f"the one {noun}" if n == 1 else f"all {count_noun(n, noun)}"


def describe_verdict(verdict: Mapping[str, Any]) -> str:
    """A verdict on one line; scores may be numbers or a record's decimal strings."""
    score = "" if verdict["score"] is None else f", score {verdict['score']}"
    threshold = "" if verdict["threshold"] is None else f" (threshold {verdict['threshold']})"
    reason = "" if verdict["reason"] is None else f": {verdict['reason']}"
    return f"{verdict['gate']} {verdict['outcome']}{score}{threshold}{reason}"


def describe_content(row: Mapping[str, Any]) -> list[str]:
    """What a row says, one line for each message, call, alternative and document; long texts stay whole.

    A row that is a text alone is told as if one role had said it; a row without content in none.
    """
    if row.get("text") is not None and not row.get("messages"):
        told = [f"text      {row['text']!r}"]
    else:
        told = [line for said in row.get("messages") or () for line in _describe_message(said)]
    for side in row.get("alternatives") or ():
        notes = (("rating", side["rating"]), ("ratings", side["ratings"]), ("model", side["model"]))
        more = ", ".join(f"{name} {value}" for name, value in notes if value is not None)
        told.append(f"{side['label'] or 'compared':<9} {more or 'not rated'}")
        told += [f"  {line}" for said in side["messages"] or () for line in _describe_message(said)]
    if row.get("tools") is not None:
        told.append(f"tools     {row['tools']}")
    for document in row.get("documents") or ():
        name = document["title"] or document["id"] or document["source"] or "without a title"
        told.append(f"document  {name}: {document['text']!r}")
    return told


def _describe_message(said: Mapping[str, Any]) -> list[str]:
    """A message: what was reasoned, said and called, in that order."""
    role = f"{said['role'] or 'no role':<9}"
    name = f" ({said['name']})" if said.get("name") else ""
    answers = f" to {said['tool_call_id']}" if said.get("tool_call_id") else ""
    calls = said.get("tool_calls") or ()
    reasoning, content = said.get("reasoning"), said["content"]
    spoken = content is not None or not (calls or reasoning)
    return [
        *([f"reasoning {reasoning!r}"] if reasoning is not None else []),
        *([f"{role} {content!r}{answers}{name}"] if spoken else []),
        *(f"call      {call['name']} {call['arguments']}{_name_call(call)}" for call in calls),
    ]


def _name_call(call: Mapping[str, Any]) -> str:
    return "" if call["id"] is None else f", id {call['id']}"


def show(*lines: str) -> list[str]:
    """The lines with every character that does not print replaced."""
    return [replace_unprintable(line) for line in lines]
