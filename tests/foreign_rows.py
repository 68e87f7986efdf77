"""Foreign records for the tests, and the rows that are read from them."""

import json
from pathlib import Path
from typing import Any

from synth_stack.inputs.foreign import Dataset, open_records, read_candidates


def turns(*contents: str) -> list[dict[str, str]]:
    """Messages of user and assistant in turn."""
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]


def read(dataset: Dataset) -> list[dict[str, Any]]:
    """The rows of a dataset, without the fields of a message, alternative or document that are null."""
    return [
        {name: _drop_nulls(value) for name, value in row.items()}
        for table in read_candidates(dataset)
        for row in table.to_pylist()
    ]


def read_one(record: Any, **named: str) -> dict[str, Any]:
    """The row of one record in memory."""
    [row] = read(open_records([record], "memory", named=named))
    return row


def list_lines(dataset: Dataset) -> list[str]:
    """What is told of a dataset that was read."""
    read(dataset)
    return [notice.line() for notice in dataset.list_notices()]


def write_lines(path: Path, rows: list[Any]) -> Path:
    """A file of JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _drop_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_drop_nulls(item) for item in value]
    if isinstance(value, dict):
        return {k: _drop_nulls(v) for k, v in value.items() if v is not None}
    return value
