"""What people found of the gates' verdicts, and the rates of defects that follow where gates err."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import InputError
from synth_stack.inputs.records import read_strictly, require_text
from synth_stack.stats.intervals import clopper_pearson

MAX_LINE_BYTES = 1024 * 1024
ACCEPTED = "accept"
OUTCOMES = {"reject": "away", "hold": "away", "redact": "away", "accepted": ACCEPTED, ACCEPTED: ACCEPTED}
EVERY = "*"
"""Stands for all gates together: labels of rows that every gate let pass name no one of them."""
SHARED_LEVEL = 1 - 0.05 / 3
"""Three shares go into a corrected rate; at this level each, all three hold in 95 cases of 100 (Bonferroni).
"""


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A rate of defects corrected for the measured error of the gates, with a 95% interval."""

    share: float
    low: float
    high: float
    right: int
    judged: int
    missed: int
    passed: int


def read_labels(path: str | Path) -> dict[str, Any]:
    """How many verdicts people found right, by gate: {gate: {"away": [right, n], "accept": [right, n]}}.

    A file of JSON Lines, CSV or the like, one judged verdict a line: `gate`, `outcome` (reject, hold, redact
    or accept) and `verdict` (right or wrong). A row that all gates let pass has the gate `none` or none. A
    label of a second reader (`labeller: second`) of the same verdict counts once, with that of the first.
    Raises InputError.
    """
    file = Path(path)
    counts: dict[str, dict[str, Counter[str]]] = {}
    seen: set[tuple[Any, ...]] = set()
    for place, record in read_strictly(file, max_bytes=MAX_LINE_BYTES):
        where = f"{file}: {place}"
        outcome = OUTCOMES.get(require_text(record, "outcome", where=where).strip().lower())
        verdict = require_text(record, "verdict", where=where).strip().lower()
        if outcome is None or verdict not in {"right", "wrong"}:
            raise InputError(
                f"{where} is no label of a verdict",
                seen=f"outcome {record['outcome']}, verdict {record['verdict']}",
                allowed=f"outcome {', '.join(OUTCOMES)}; verdict right or wrong",
            )
        row = next((record[key] for key in ("row_id", "source_id", "digest") if record.get(key)), None)
        gate = str(record.get("gate") or "none")
        if row is not None and (row, gate, outcome, record.get("reason_class")) in seen:
            continue
        seen.add((row, gate, outcome, record.get("reason_class")))
        name = EVERY if outcome == ACCEPTED and gate == "none" else gate
        counts.setdefault(name, {}).setdefault(outcome, Counter())[verdict] += 1
    if not counts:
        raise InputError(f"{file} holds no label")
    return {
        gate: {what: [found["right"], found.total()] for what, found in sorted(by.items())}
        for gate, by in sorted(counts.items())
    }


def add_up(labels: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Over all gates: right and all verdicts that turned a row away, right and all that let it pass."""
    away = [by["away"] for by in labels.values() if "away" in by]
    passed = labels.get(EVERY, {}).get(ACCEPTED, [0, 0])
    return sum(n[0] for n in away), sum(n[1] for n in away), passed[0], passed[1]


def correct_rate(
    count: int, rows: int, counts: tuple[int, int, int, int], *, whole: bool
) -> CorrectedRate | None:
    """The rate of defects where `count` of `rows` were turned away and gates err as the labels say.

    share = turned away * right of these + passed * wrong of these: the total probability over what the gates
    said. The ends take the exact intervals of each share (Clopper and Pearson 1934) at SHARED_LEVEL; of a
    data set that was judged `whole` the share that was turned away is known, and of a sample not. None where
    labels say nothing of the one or the other.
    """
    right, judged, good, passed = counts
    if not (rows and judged and passed):
        return None
    seen = count / rows
    seen_ends = (seen, seen) if whole else clopper_pearson(count, rows, SHARED_LEVEL)
    precision = clopper_pearson(right, judged, SHARED_LEVEL)
    missed = clopper_pearson(passed - good, passed, SHARED_LEVEL)
    corners = [
        (s * p + (1 - s) * m, end)
        for end, (p, m) in enumerate(zip(precision, missed, strict=True))
        for s in seen_ends
    ]
    low = min(value for value, end in corners if end == 0)
    high = max(value for value, end in corners if end == 1)
    share = seen * right / judged + (1 - seen) * (passed - good) / passed
    return CorrectedRate(share, low, high, right, judged, passed - good, passed)
