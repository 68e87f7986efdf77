"""Small shards of rows with their verdicts and decisions, as a run leaves them."""

from typing import Any

import pyarrow as pa

from synth_stack.lineage.record import build_records
from synth_stack.rows.schemas import DECISION_SCHEMA, build_candidates, build_verdicts
from tests.some_rows import make_row

CONTEXT = {"recipe_sha256": "a" * 64, "gates_sha256": "b" * 64}


def make_candidates(n: int, *, first: int = 0, **fields: Any) -> pa.Table:
    """`n` whole rows, told apart by their draw; `fields` overrides what every row holds."""
    rows = [
        make_row(("user", f"Why was I charged twice, case {draw}?"), draw=draw, rng_seed=7 + draw)
        | {
            "slice": "billing/duplicate_charge",
            "locale": "en",
            "extra": "{}",
            "generator": "instruction",
            "teacher": "scripted",
            "params": '{"temperature":"0.7"}',
            **fields,
        }
        for draw in range(first, first + n)
    ]
    return build_candidates(rows)


def make_decisions(candidates: pa.Table, decisions: list[str] | None = None) -> pa.Table:
    """One decision a row: "accepted" unless given."""
    words = decisions or ["accepted"] * len(candidates)
    rows = [
        {
            "row_id": row_id,
            "source_id": None,
            "decision": word,
            "gate": None if word == "accepted" else "dedup",
            "reason": None if word == "accepted" else "near duplicate",
            "reason_class": None if word == "accepted" else "dedup.near_duplicate",
        }
        for row_id, word in zip(candidates["row_id"].to_pylist(), words, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=DECISION_SCHEMA)


def make_records(candidates: pa.Table) -> pa.Table:
    """The records of accepted rows that one gate judged."""
    n = len(candidates)
    verdicts = build_verdicts(
        candidates["row_id"], "dedup", ["accept"] * n, scores=[0.25] * n, threshold=0.85
    )
    return build_records(candidates, verdicts, make_decisions(candidates), context=CONTEXT)
