"""Known bad rows, planted after a batch to see whether a gate still sees them.

A gate makes its own (`Judge.plant`) from a sample of the batch. What it said of them is in
canaries/<gate>.parquet and nowhere else: they are in no shard, no decision and no pack.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import GateError
from synth_stack.files import write_table
from synth_stack.gates.gate import Judge
from synth_stack.rows.canonical import derive_seed
from synth_stack.rows.schemas import CANARY_SCHEMA, CANDIDATE_SCHEMA
from synth_stack.runs.canary_recall import FOLDER, MAX_KIND_CHARS

SAMPLE_ROWS = 1_000
"""Rows of the batch that a gate may make its canaries from: enough for the topics and lengths of a batch."""


def plant(name: str, judge: Judge, wanted: int, tables: Iterable[pa.Table]) -> pa.Table:
    """Up to `wanted` canaries of a gate, made from the first tables of the batch; always the same ones.

    Raises GateError when the gate makes rows that are no canaries.
    """
    if judge.plant is None or wanted == 0:
        return CANDIDATE_SCHEMA.empty_table()
    sample = _draw_sample(tables)
    if not len(sample):
        return CANDIDATE_SCHEMA.empty_table()
    rows = judge.plant(sample, wanted, derive_seed(0, "canary", name, sample["row_id"][0].as_py()))
    if not rows.schema.equals(CANDIDATE_SCHEMA) or set(rows["generator"].to_pylist()) - {"canary"}:
        raise GateError(f"gate {name} planted rows that are no canaries", seen=str(rows.schema.names))
    return rows.slice(0, wanted).combine_chunks()


def write_canaries(folder: Path, name: str, rows: pa.Table, verdicts: pa.Table) -> None:
    """Keep what gate `name` said of its canaries, with what is wrong with each of them, and its kind.

    Raises GateError for a canary whose `extra` does not say it.
    """
    try:
        said = [orjson.loads(extra) for extra in rows["extra"].to_pylist()]
        wrong = [str(one["canary"]) for one in said]
        kinds = [str(one.get("kind", one["canary"]))[:MAX_KIND_CHARS] for one in said]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise GateError(f"gate {name} planted a row whose extra does not say what is wrong with it") from exc
    for column, values in (("canary", wrong), ("canary_kind", kinds)):
        verdicts = verdicts.append_column(CANARY_SCHEMA.field(column), pa.array(values, pa.string()))
    write_table(folder / FOLDER / f"{name}.parquet", verdicts)


def _draw_sample(tables: Iterable[pa.Table]) -> pa.Table:
    """Whole rows evenly spaced over the first table that has any."""
    for table in tables:
        whole = table.filter(pc.and_(pc.is_null(table["failure"]), pc.is_valid(table["text"])))
        if len(whole):
            places = np.unique(np.linspace(0, len(whole) - 1, SAMPLE_ROWS).astype(np.int64))
            return whole.take(places).combine_chunks()
    return CANDIDATE_SCHEMA.empty_table()
