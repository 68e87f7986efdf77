"""One row before the structure gate."""

import json
from typing import Any

import pyarrow as pa

from synth_stack.gates.structure.gate import structure
from synth_stack.rows.schemas import build_candidates
from tests.gates.playing import play


def judge_table(table: pa.Table, **params: Any) -> pa.Table:
    """The verdicts of the gate on a table."""
    ((verdicts,), _) = play(structure(**params), [table], name="structure")
    return verdicts


def judge_row(made: dict[str, Any], **params: Any) -> dict[str, Any]:
    """The verdict of the gate on a row."""
    (verdict,) = judge_table(build_candidates([made]), **params).to_pylist()
    return dict(verdict)


def find_fault(made: dict[str, Any], **params: Any) -> tuple[str | None, dict[str, Any]]:
    """The class of the verdict on a row, without the name of the gate, and its evidence."""
    verdict = judge_row(made, **params)
    kind = verdict["reason_class"]
    assert (kind is None) == (verdict["reason"] is None) == (verdict["outcome"] == "accept")
    return kind and kind.removeprefix("structure."), json.loads(verdict["evidence"] or "{}")
