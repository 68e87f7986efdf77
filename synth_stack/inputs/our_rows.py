"""Rows of this package as input again: those of a pack, or of any file with the columns of a candidate."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from synth_stack.inputs.json_text import parse_text
from synth_stack.inputs.plain_values import is_empty, read_text
from synth_stack.inputs.record_shapes import Fields, Record, RecordReading
from synth_stack.rows.schemas import ATTACHMENT_ROLES, ATTACHMENTS
from synth_stack.rows.texts import join_text

_ATTACHED = {field.name: int if pa.types.is_integer(field.type) else str for field in ATTACHMENTS.value_type}
MAX_INTEGER = 2**53
"""Beyond which canonical JSON has no whole numbers (RFC 8785, section 3.2.2.3)."""


def read_our_row(record: Record, reading: RecordReading) -> Fields:
    """The fields of a row as it was packed, under its `row_id` as the id; where it came from goes to `extra`,
    and the models that worked on it are its `models` too.

    Raises ValueError for a row that does not hold what its columns promise.
    """
    reading.used |= {"row_id", *(key for key, value in record.items() if is_empty(value))}
    messages = [] if is_empty(record["messages"]) else reading.take_turns("messages")
    listed = record.get("alternatives") or []
    if not isinstance(listed, list):
        raise ValueError("column 'alternatives' is not a list of alternatives")
    alternatives = [_read_alternative(item, n, reading) for n, item in enumerate(listed)]
    fields: Fields = {
        "source_id": read_text(record["row_id"], "row_id"),
        "messages": messages,
        "alternatives": alternatives or None,
        "tools": reading.read_tools(),
        "documents": reading.read_documents(),
        "models": _list_models(record),
    }
    reading.used.add("alternatives")
    if record.get("kind") == "image":
        fields["kind"] = "image"
        reading.used.add("kind")
    if not is_empty(record.get("attachments")):
        fields["attachments"] = _read_attachments(record["attachments"])
        reading.used.add("attachments")
    text = record.get("text")
    if messages or alternatives:
        fields["text"] = join_text(messages, alternatives)
        reading.used |= {"text"} if text == fields["text"] else set()
    elif fields.get("attachments") and is_empty(text):
        reading.used.add("text")
    else:
        fields["text"] = reading.read_text()
    if isinstance(record.get("extra"), str):
        _open_extra(record["extra"], reading)
    return fields


def _list_models(record: Record) -> list[dict[str, str | None]] | None:
    """The models that worked on the row where it was made, its teacher first; None where it names none."""
    teacher = {"part": "teacher", "name": record.get("teacher"), "digest": record.get("teacher_digest")}
    others = record.get("models") or []
    if not isinstance(others, list) or not all(isinstance(other, Mapping) for other in others):
        raise ValueError("column 'models' is not a list of models")
    models = [
        {
            key: None if is_empty(model.get(key)) else read_text(model[key], "models")
            for key in ("part", "name", "digest")
        }
        for model in (teacher, *others)
        if not (is_empty(model.get("name")) and is_empty(model.get("digest")))
    ]
    return models or None


def _read_alternative(item: Any, position: int, reading: RecordReading) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise ValueError("column 'alternatives' is not a list of alternatives")
    turns = item.get("messages")
    messages = [] if is_empty(turns) else reading.read_turns(turns, "alternatives", str(position))
    named = {
        key: read_text(item[key], "alternatives")
        for key in ("label", "rating", "ratings", "model")
        if item.get(key) is not None
    }
    return {**named, "messages": messages}


def _read_attachments(value: Any) -> list[dict[str, Any]]:
    """Attachments with no more than their fields. Raises ValueError: what a gate compares has to be there."""
    known = isinstance(value, list) and all(
        isinstance(item, Mapping) and _ATTACHED.keys() >= item.keys() for item in value
    )
    if not known:
        raise ValueError("column 'attachments' is not a list of attachments")
    return [_read_attachment(item) for item in value]


def _read_attachment(item: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in item.items():
        if value is None or _ATTACHED[name] is str:
            read[name] = None if value is None else read_text(value, "attachments")
        elif type(value) is int and 0 <= value < MAX_INTEGER:
            read[name] = value
        else:
            raise ValueError(f"column 'attachments' has a {name} that is no whole number")
    if read.get("role") not in (None, *ATTACHMENT_ROLES):
        raise ValueError("column 'attachments' has a role that there is not")
    return read


def _open_extra(text: str, reading: RecordReading) -> None:
    """Keep the row's own `extra` as the object that it is, where it is one."""
    try:
        value = parse_text(text)
    except ValueError:
        return
    reading.kept["extra"] = value
    reading.used.add("extra")
