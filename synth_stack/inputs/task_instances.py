"""Tasks with their instances in one record, as Self-Instruct publishes them: each instance is a row."""

from collections.abc import Iterator
from typing import Any

MAX_INSTANCES = 1_000
"""Of one task; the published ones have one. Each repeats its instruction, so that a file could unfold to the
square of its size."""
_PARTS = frozenset({"input", "output"})


def unfold_instances(record: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The record once for each of its instances, with their place; one of another shape as it is.

    Alpaca's shape comes out: `instruction`, `input`, `output`, and what the task has beside them. Where there
    are several instances, the id is numbered, so that each row has one of its own.
    """
    instances = _find_instances(record.get("instances"))
    if not instances or not isinstance(record.get("instruction"), str) or _PARTS & record.keys():
        yield place, record
        return
    rest = {name: value for name, value in record.items() if name != "instances"}
    for number, instance in enumerate(instances, start=1):
        row = {**rest, **instance}
        if len(instances) == 1:
            yield place, row
            continue
        if isinstance(rest.get("id"), str | int):
            row["id"] = f"{rest['id']}-{number}"
        yield f"{place}, instance {number}", row


def _find_instances(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > MAX_INSTANCES:
        return []
    whole = all(type(item) is dict and "output" in item and item.keys() <= _PARTS for item in value)
    return value if whole else []
