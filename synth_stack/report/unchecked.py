"""What nobody checked of a batch, derived from what ran: it stands on the first screen of the report."""

from collections.abc import Collection
from dataclasses import dataclass

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.decisions.figures import Figures
from synth_stack.registry import registered
from synth_stack.runs.locks import GateLock
from synth_stack.text.printable import count_noun, name_all

SHOWN_NAMES = 40


@dataclass(frozen=True, slots=True)
class Unchecked:
    """One thing that was not checked, and why."""

    what: str
    why: str


def list_unchecked(figures: Figures, gates: Collection[GateLock], *, reviewed: bool) -> list[Unchecked]:
    """What was not checked, the widest gaps first; `reviewed` says whether people judged a sample."""
    return [
        *_tell_error(reviewed=reviewed),
        *_tell_silent(figures),
        *_tell_self_tests(figures, gates),
        *_tell_unseen(figures),
        *_tell_absent(gates),
    ]


def _tell_error(*, reviewed: bool) -> list[Unchecked]:
    if reviewed:
        return []
    why = "No person has judged a sample, so every figure here is what the gates say."
    return [Unchecked("The error of the gates themselves", why)]


def _tell_silent(figures: Figures) -> list[Unchecked]:
    """Gates that had nothing to say of any row, or of some."""
    told = []
    for stage in figures.funnel:
        if not stage.looked_at:
            told.append(Unchecked(f"Whatever {stage.gate} looks for", "It saw no row."))
        elif stage.abstain == stage.looked_at:
            why = f"It abstained on {name_all(stage.looked_at, 'row')} that it saw."
            told.append(Unchecked(f"Whatever {stage.gate} looks for", why))
        elif stage.abstain:
            why = f"It abstained on {stage.abstain:,} of {stage.looked_at:,} rows."
            told.append(Unchecked(f"{stage.gate}, in part", why))
    return told


def _tell_self_tests(figures: Figures, gates: Collection[GateLock]) -> list[Unchecked]:
    tests = {test.gate: test for test in figures.self_tests}
    told = []
    for gate in gates:
        test = tests.get(gate.use)
        if test is None or not test.planted:
            why = "It planted no rows to test itself with on this batch."
            told.append(Unchecked(f"Whether {gate.use} works here", why))
        if gate.off:
            why = f"Switched off in the gate file: {_name(gate.off)}."
            told.append(Unchecked(f"{gate.use}, some kinds", why))
    return told


def _tell_unseen(figures: Figures) -> list[Unchecked]:
    late = [
        f"{stage.gate} ({count_noun(figures.rows - stage.looked_at, 'row')})"
        for stage in figures.funnel
        if 0 < stage.looked_at < figures.rows
    ]
    if not late:
        return []
    why = f"A gate does not look at rows that an earlier one rejected: {_name(late)}."
    return [Unchecked("Second defects of rejected rows", why)]


def _tell_absent(gates: Collection[GateLock]) -> list[Unchecked]:
    entries, used = registered("gate"), {gate.use for gate in gates}
    told = []
    if not any(entries[name].eval_sets for name in used if name in entries):
        why = "No gate of the file compares rows with evaluation sets."
        told.append(Unchecked("Overlap with exams", why))
    if not any(entries[name].baseline for name in used if name in entries):
        why = "No gate of the file compares the batch with real rows."
        told.append(Unchecked("Drift", why))
    # of this package alone: what else is loaded differs between the processes that write the page
    ours = {name for name, entry in entries.items() if entry.module.startswith("synth_stack.")}
    absent = sorted(ours - used)
    if absent:
        why = f"The gate file does not name {_name(absent)}."
        told.append(Unchecked("What other gates look for", why))
    return told


def _name(names: Collection[str]) -> str:
    shown = list(names)[:SHOWN_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
