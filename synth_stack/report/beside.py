"""Two judged batches side by side: what each gate turned away, and how sure the difference is."""

from pathlib import Path
from typing import Any

from synth_stack.decisions.figures import Figures, compute_figures
from synth_stack.runs.judged import list_gates, open_judged, read_candidates, read_verdicts
from synth_stack.stats.intervals import newcombe


def read_figures(folder: Path) -> tuple[str, Figures]:
    """The name and the figures of a judged folder. Raises InputError for one that is not judged."""
    run = open_judged(folder)
    verdicts = {gate: read_verdicts(folder, gate) for gate in list_gates(folder, run.gate_names)}
    figures = compute_figures(read_candidates(folder), verdicts, run.decisions, run.self_tests)
    return run.recipe.name, figures


def compare_figures(mine: Figures, name: str, other: Figures) -> dict[str, Any]:
    """A batch beside another: a line for what is accepted and for each gate of either.

    A gate's share is of the rows that reached it. `low` and `high` are the 95% interval of this batch's share
    less the other's (Newcombe 1998, method 10), each by itself; None where one of the two has no such gate.
    """
    ours = {stage.gate: stage for stage in mine.funnel}
    theirs = {stage.gate: stage for stage in other.funnel}
    lines = [_compare("accepted", (mine.accepted, mine.rows), (other.accepted, other.rows))]
    for gate in dict.fromkeys((*ours, *theirs)):
        counts = [
            None if stage is None else (stage.rejected + stage.held, stage.entered)
            for stage in (ours.get(gate), theirs.get(gate))
        ]
        lines.append(_compare(gate, *counts))
    return {"name": name, "rows": other.rows, "lines": lines}


def _compare(what: str, mine: tuple[int, int] | None, other: tuple[int, int] | None) -> dict[str, Any]:
    ends = newcombe(*mine, *other) if mine and other and mine[1] and other[1] else None
    return {
        "what": what,
        "batch": mine,
        "other": other,
        "low": None if ends is None else round(ends[0], 6),
        "high": None if ends is None else round(ends[1], 6),
    }
