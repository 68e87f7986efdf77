"""Rows that a gate plants after a batch to test itself: known bad ones, and innocent ones.

A gate makes its own (`Judge.plant`, `Judge.control`) from a sample of the batch. What it said of them is in
canaries/<gate>.parquet and nowhere else: they are in no shard, no decision and no pack.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import GateError
from synth_stack.files import write_table
from synth_stack.gates.gate import Judge
from synth_stack.rows.canonical import derive_seed
from synth_stack.rows.schemas import CANARY_SCHEMA, CANDIDATE_SCHEMA
from synth_stack.runs.self_tests import FOLDER, MAX_KIND_CHARS

SAMPLE_ROWS = 1_000
"""Rows of the batch that a gate may make its canaries from: enough for the topics and lengths of a batch."""
MAX_KINDS = 200
"""Of canaries and controls of one gate; a card has a line for each."""


def plant(
    name: str, judge: Judge, wanted: int, tables: Iterable[pa.Table], *, reads_text: bool = True
) -> pa.Table:
    """Up to `wanted` canaries of each kind of a gate, and then as many controls of each kind, made from the
    first tables of the batch; always the same ones.

    Of a batch without a text they are made from rows with attachments, for a gate that reads no text.

    Raises GateError when the gate makes rows of another sort.
    """
    if wanted == 0 or (judge.plant is None and judge.control is None):
        return CANDIDATE_SCHEMA.empty_table()
    sample = _draw_sample(tables, reads_text)
    if not len(sample):
        return CANDIDATE_SCHEMA.empty_table()
    makers = (("canary", judge.plant), ("control", judge.control))
    planted = [_make(name, sort, make, wanted, sample) for sort, make in makers if make is not None]
    return pa.concat_tables(planted).combine_chunks()


def _make(
    name: str, sort: str, make: Callable[[pa.Table, int, int], pa.Table], wanted: int, sample: pa.Table
) -> pa.Table:
    rows = make(sample, wanted, derive_seed(0, sort, name, sample["row_id"][0].as_py()))
    if not rows.schema.equals(CANDIDATE_SCHEMA) or set(rows["generator"].to_pylist()) - {sort}:
        what = "canaries" if sort == "canary" else "controls"
        raise GateError(f"gate {name} planted rows that are no {what}", seen=str(rows.schema.names))
    counts: Counter[str] = Counter()
    keep = []
    for said in _read_said(name, rows):
        counts[said["kind"]] += 1
        keep.append(counts[said["kind"]] <= wanted)
    if len(counts) > MAX_KINDS:
        allowed = f"at most {MAX_KINDS} kinds"
        raise GateError(f"gate {name} plants rows of too many kinds", seen=len(counts), allowed=allowed)
    return rows.filter(pa.array(keep, pa.bool_()))


def write_planted(folder: Path, name: str, rows: pa.Table, verdicts: pa.Table, judge: Judge) -> None:
    """Keep what gate `name` said of the rows that it planted, with what is special about each, its kind, and
    the reason classes that catch it.

    Raises GateError for a row whose `extra` does not say it.
    """
    said = _read_said(name, rows)
    columns: dict[str, list[Any]] = {
        "canary": [one["words"] for one in said],
        "canary_kind": [one["kind"] for one in said],
        "control": [sort == "control" for sort in rows["generator"].to_pylist()],
    }
    bad = zip(columns["canary_kind"], columns["control"], strict=True)
    columns["caught_as"] = [None if control else judge.caught_as.get(kind) for kind, control in bad]
    for column, values in columns.items():
        field = CANARY_SCHEMA.field(column)
        verdicts = verdicts.append_column(field, pa.array(values, field.type))
    write_table(folder / FOLDER / f"{name}.parquet", verdicts)


def _read_said(name: str, rows: pa.Table) -> list[dict[str, str]]:
    """What the rows say of themselves: `words` and `kind`."""
    try:
        pairs = zip(rows["generator"].to_pylist(), rows["extra"].to_pylist(), strict=True)
        return [_read_one(sort, orjson.loads(extra)) for sort, extra in pairs]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise GateError(f"gate {name} planted a row whose extra does not say what is wrong with it") from exc


def _read_one(sort: str, said: Mapping[str, Any]) -> dict[str, str]:
    words = str(said[sort])
    return {"words": words, "kind": str(said.get("kind", words))[:MAX_KIND_CHARS]}


def _draw_sample(tables: Iterable[pa.Table], reads_text: bool) -> pa.Table:
    """Whole rows evenly spaced over the first table that has any."""
    attached = CANDIDATE_SCHEMA.empty_table()
    for table in tables:
        whole = table.filter(pc.is_null(table["failure"]))
        worded = whole.filter(pc.is_valid(whole["text"]))
        if len(worded):
            return _spread(worded)
        if not reads_text and not len(attached):
            files = pc.fill_null(pc.list_value_length(whole["attachments"]), 0)
            attached = whole.filter(pc.greater(files, 0))
    return _spread(attached)


def _spread(rows: pa.Table) -> pa.Table:
    """Up to SAMPLE_ROWS of the rows, evenly spaced."""
    if not len(rows):
        return rows
    places = np.unique(np.linspace(0, len(rows) - 1, SAMPLE_ROWS).astype(np.int64))
    return rows.take(places).combine_chunks()
