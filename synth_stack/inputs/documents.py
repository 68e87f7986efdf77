"""What a foreign row is grounded in: texts, objects with a text, or columns of them, as documents."""

from collections.abc import Mapping
from typing import Any

from synth_stack.inputs.columns import fold_name
from synth_stack.inputs.json_text import parse_list
from synth_stack.inputs.plain_values import check_unicode, clean_text, is_empty, read_text, to_python

Document = dict[str, str]

_NAMES = {
    "text": ("text", "content", "passage", "passage_text", "page_content", "body", "contents", "sentences"),
    "id": ("id", "doc_id", "docid", "document_id", "_id"),
    "title": ("title",),
    "source": ("source", "url", "uri"),
}


def read_documents(value: Any, column: str) -> tuple[list[Document], dict[str, Any]] | None:
    """The documents in a cell, and what they hold beyond id, title, text and source, by their position.

    A cell is a text, a list of texts or objects, its JSON text, or columns ({"title": [...], "text": [...]}).
    None for a cell of any other shape, which is no document. Raises ValueError for a lone surrogate.
    """
    value = to_python(value)
    if isinstance(value, str):
        value = parse_list(value) or [value]
    elif isinstance(value, Mapping):
        value = _zip_columns(value) or [dict(value)]
    if not isinstance(value, list | tuple):
        return None
    documents: list[Document] = []
    left: dict[str, Any] = {}
    for position, item in enumerate(value):
        read = _read_document(item, column)
        if read is None:
            return None
        documents.append(read[0])
        if read[1]:
            left[str(position)] = read[1]
    return documents, left


def _read_document(item: Any, column: str) -> tuple[Document, dict[str, Any]] | None:
    if isinstance(item, str):
        return {"text": check_unicode(item, column)}, {}
    if not isinstance(item, Mapping):
        return None
    keys = {fold_name(key): key for key in reversed(list(item))}
    document: Document = {}
    used: set[Any] = set()
    for field, names in _NAMES.items():
        for name in names:
            value = to_python(item[keys[name]]) if name in keys else None
            text = _as_field(value, field, column)
            if text is not None:
                document[field] = text
                used.add(keys[name])
                break
    if "text" not in document:
        return None
    return document, {str(k): v for k, v in item.items() if k not in used and v is not None}


def _as_field(value: Any, field: str, column: str) -> str | None:
    """The value as a field of a document: a text, sentences joined, an id; None for any other value."""
    if is_empty(value):
        return None
    if field == "text" and isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return check_unicode(" ".join(part.strip() for part in value), column)
    if isinstance(value, str | bytes):
        return read_text(value, column)
    if field == "id" and isinstance(value, int) and not isinstance(value, bool):
        return clean_text(str(value))
    return None


def _zip_columns(value: Mapping[Any, Any]) -> list[dict[str, Any]] | None:
    """The documents of columns of one length; None where the object is one document itself."""
    lists = {str(k): to_python(v) for k, v in value.items() if v is not None}
    if not lists or not all(isinstance(v, list | tuple) for v in lists.values()):
        return None
    if len({len(v) for v in lists.values()}) != 1:
        return None
    return [dict(zip(lists, item, strict=True)) for item in zip(*lists.values(), strict=True)]
