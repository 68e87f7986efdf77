"""One gate over a small run folder by the local engine: verdicts as files, from this process or from workers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.engines.gate_loop import GateRun, run_gates
from synth_stack.engines.local import open_local
from synth_stack.files import read_table, write_table
from synth_stack.progress import Silent
from synth_stack.registry import bind
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.runs.folder import list_parts


def run_gate(
    folder: Path, name: str, params: Mapping[str, Any], tables: Sequence[pa.Table], canaries: int = 0
) -> dict[str, bytes]:
    """The bytes of the verdict files of one gate, by file name; each table is a shard of the run folder."""
    for number, table in enumerate(tables):
        # as if each were made in a round of its own: parts of one round are judged together
        write_table(folder / "candidates" / f"part-{number:03d}-00-00000.parquet", table)
    bound = bind("gate", name, params, where=f"gate {name}")
    with open_local() as engine:
        run_gates(
            folder, [GateRun(bound, bound.make(), scores_all=False, canaries=canaries)], engine, Silent()
        )
    written = {part.name: part.read_bytes() for part in list_parts(folder / "verdicts" / name)}
    assert len(written) == len(tables)
    return written


def read_verdicts(folder: Path, name: str) -> pa.Table:
    """The verdicts of a gate on every row, in order."""
    parts = [read_table(part, VERDICT_SCHEMA) for part in list_parts(folder / "verdicts" / name)]
    return pa.concat_tables(parts).combine_chunks()
