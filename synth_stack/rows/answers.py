"""The last answer of each row beside what its `extra` holds: what gates that judge answers read."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from synth_stack.text.fields import read_messages, read_texts


def read_answers(table: pa.Table) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """(row, kind, content of the last assistant message, `extra`) of every row, in order.

    "" for a row without an answer; {} for an `extra` that is no JSON object.
    """
    import polars as pl

    spoken = read_messages(table).filter(pl.col("role") == "assistant")
    answers: dict[int, str | None] = dict(spoken.select("row", "content").iter_rows())  # the last one stays
    extras = read_texts(table.column("extra"))
    for row, kind in enumerate(table.column("kind").to_pylist()):
        yield row, kind, answers.get(row) or "", _read_object(extras[row])


def _read_object(extra: str | None) -> dict[str, Any]:
    try:
        value = json.loads(extra or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
