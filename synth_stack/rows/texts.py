"""What a row says as one text: the form that most gates read, and that `text` holds."""

from collections.abc import Mapping, Sequence
from typing import Any

JOINT = "\n\n"
"""Between the messages of a row in its `text`."""


def join_text(
    messages: Sequence[Mapping[str, Any]], alternatives: Sequence[Mapping[str, Any]] | None = None
) -> str:
    """The `text` of a row: what is said and called in its messages, then in each of its alternatives.

    A tool call is told as `name(arguments)`. What a model reasoned, the schemas of tools and documents are
    not in it: gates that read these ask for them (text/fields.py).
    """
    spoken = [_tell(message) for message in messages]
    for alternative in alternatives or ():
        spoken += [_tell(message) for message in alternative.get("messages") or ()]
    return JOINT.join(spoken)


def _tell(message: Mapping[str, Any]) -> str:
    calls = [
        f"{call.get('name') or ''}({call.get('arguments') or ''})" for call in message.get("tool_calls") or ()
    ]
    said = message.get("content") or ""
    return "\n".join([said, *calls] if said or not calls else calls)
