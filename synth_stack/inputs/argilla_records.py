"""Records as Argilla exports them (`to_disk`, `records.to_json`): texts in `fields`, the rest beside it."""

from typing import Any

_BESIDE = ("metadata", "suggestions", "responses", "vectors", "status")
_ENOUGH = 3
"""Of _BESIDE that stand beside `fields`: an export has all five; a column of that name proves nothing."""


def unfold_record(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its fields and metadata as columns; one of another shape as it is.

    Metadata that is named like a field, or like a part of the record, stays in `metadata`.
    """
    fields = record.get("fields")
    if type(fields) is not dict or sum(name in record for name in _BESIDE) < _ENOUGH:
        return record
    rest = {name: value for name, value in record.items() if name not in {"fields", "metadata"}}
    unfolded = {**{name: value for name, value in rest.items() if name not in fields}, **fields}
    metadata = record.get("metadata")
    if type(metadata) is not dict:
        return unfolded if metadata is None else {**unfolded, "metadata": metadata}
    kept = {name: value for name, value in metadata.items() if name in unfolded}
    unfolded |= {name: value for name, value in metadata.items() if name not in unfolded}
    return {**unfolded, "metadata": kept} if kept else unfolded
