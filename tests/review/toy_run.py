"""A judged run of short rows for reviews: some of every decision, in slices and by two methods."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.gate import Judge, State
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates, build_verdicts
from synth_stack.runs.judged import read_candidates
from tests.packs.shaped_pack import judge_rows
from tests.some_rows import make_row

GATES = "version: 1\ngates:\n  - use: toy_marks\n"


@gate("toy_marks", version="1")
def toy_marks() -> Judge:
    """Rejects rows that say REJECT and holds those that say HOLD."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        texts = table["text"].to_pylist()
        outcomes = ["reject" if "REJECT" in t else "hold" if "HOLD" in t else "accept" for t in texts]
        reasons = [None if o == "accept" else f"it says {o.upper()}" for o in outcomes]
        classes = [None if o == "accept" else f"toy_marks.{o}" for o in outcomes]
        return build_verdicts(table["row_id"], "toy_marks", outcomes, reasons=reasons, reason_classes=classes)

    return Judge(judge)


@gate("toy_planter", version="1")
def toy_planter() -> Judge:
    """Rejects rows that say BAD, and plants some."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        outcomes = ["reject" if "BAD" in t else "accept" for t in table["text"].to_pylist()]
        return build_verdicts(table["row_id"], "toy_planter", outcomes)

    def plant(sample: pa.Table, n: int, _: int) -> pa.Table:
        said = canonical_text({"canary": "a bad answer", "kind": "bad"})
        turns = (("user", "Question?"), ("assistant", "A BAD answer, planted."))
        return build_candidates(make_row(*turns, draw=k, generator="canary", extra=said) for k in range(n))

    return Judge(judge, plant=plant)


def make_toy_run(folder: Path, slices: Mapping[str, int], *, held: int = 3, rejected: int = 2) -> Path:
    """A judged folder with so many accepted rows by slice, every fifth with a BAD answer, by two
    generators."""
    rows: list[dict[str, Any]] = []
    for name, count in slices.items():
        for _ in range(count):
            n = len(rows)
            mark = "BAD" if n % 5 == 0 else "good"
            turns = (("user", f"Question {n}?"), ("assistant", f"A {mark} answer to {n}."))
            rows.append(make_row(*turns, slice=name, draw=n, generator=("left", "right")[n % 2]))
    for mark, count in (("HOLD", held), ("REJECT", rejected)):
        for _ in range(count):
            n = len(rows)
            turns = (("user", f"Question {n}?"), ("assistant", f"{mark} me, says {n}."))
            rows.append(make_row(*turns, slice=next(iter(slices)), draw=n))
    return judge_rows(folder, rows, GATES)


def find_ids(run: Path, word: str) -> list[str]:
    """The ids of the rows of a run whose text has the word, in order."""
    table = pa.concat_tables(read_candidates(run, ["row_id", "text"]))
    found: list[str] = table.filter(pc.match_substring(table["text"], word))["row_id"].to_pylist()
    return found
