"""A pack of hand-written rows of any shape, judged by the structure gate alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synth_stack.files import write_table
from synth_stack.packs.signers import local_signer
from synth_stack.packs.write import write_pack
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text
from synth_stack.runs.folder import LOCK
from synth_stack.workflows.curate import curate

GATES = "version: 1\ngates:\n  - use: structure\n"


def judge_rows(folder: Path, rows: Iterable[Mapping[str, Any]], gates: str = GATES) -> Path:
    """A folder at `folder`/judged in which the rows were judged, each with the text that its messages give."""
    made = folder / "made"
    rows = [
        {**row, "text": join_text(row["messages"], row.get("alternatives")) or row.get("text")}
        for row in rows
    ]
    write_table(made / "candidates" / "part-00000.parquet", build_candidates(rows))
    (made / LOCK).write_text("identity: none\n", encoding="utf-8")
    (folder / "gates.yaml").write_text(gates, encoding="utf-8")
    return curate(made, folder / "gates.yaml", folder / "judged").folder


def build_shaped_pack(folder: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """The pack of the rows at `folder`/pack, signed with `folder`/key.pem."""
    judged = judge_rows(folder, rows)
    return write_pack(judged, folder / "pack", signer=local_signer(folder / "key.pem")).path
