"""The last answer of each row beside what its `extra` holds: what gates that judge answers read."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from synth_stack.text.fields import read_chosen, read_messages, read_sides, read_texts


def read_answers(table: pa.Table) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """(row, kind, answer, `extra`) of every row, in order.

    The answer is what the assistant said last; of a row with alternatives, what it said last in the chosen
    one. A message that only calls tools says nothing. "" for a row without an answer; {} for an `extra` that
    is no JSON object.
    """
    import polars as pl

    compared = read_sides(table)["row"].unique().to_list()
    own = read_messages(table).filter(~pl.col("row").is_in(compared))
    spoken = pl.concat([own, read_chosen(table)], rechunk=True).filter(
        (pl.col("role") == "assistant") & pl.col("content").is_not_null()
    )
    answers: dict[int, str] = dict(spoken.select("row", "content").iter_rows())  # the last one stays
    extras = read_texts(table.column("extra"))
    for row, kind in enumerate(table.column("kind").to_pylist()):
        yield row, kind, answers.get(row, ""), _read_object(extras[row])


def _read_object(extra: str | None) -> dict[str, Any]:
    try:
        value = json.loads(extra or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
