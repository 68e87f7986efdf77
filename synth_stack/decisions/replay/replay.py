"""A run decided again from its stored scores, under another gate file.

No text is read, no model loaded, nothing written. Each gate of the new file puts its new parameters to the
scores that it gave (`redecide` in registry.py); then every row is settled as ever. What stored scores do not
show is not guessed: a row that an earlier gate turned away, and that now gets past it, was never shown to the
later ones and counts as undecided.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from synth_stack.decisions.replay.gate_changes import Step, plan_steps
from synth_stack.decisions.replay.outcomes import (
    REJECTED,
    Fates,
    Mask,
    Said,
    count_caught,
    hold_accepted,
    settle,
)
from synth_stack.decisions.replay.redecide import Restated, restate
from synth_stack.decisions.replay.result import Replay
from synth_stack.decisions.replay.summary import (
    Settled,
    count_decisions,
    count_gates,
    draw_curves,
    list_caveats,
    list_changed,
    place_decisions,
)
from synth_stack.decisions.replay.verdicts import read_rows, read_verdicts, weigh
from synth_stack.errors import StoreError
from synth_stack.runs.canary_recall import CanaryRecall, KindCount, measure_recall
from synth_stack.runs.judged import Judged, open_judged


def replay(run: str | Path, gates: str | Path) -> Replay:
    """Decide the judged run or curate folder `run` again under the gate file `gates`; nothing is written.

    The gates of the file are those that judged, in their order; some may be missing, which leaves their
    verdicts out. Eval sets that the run knew and the file does not name count all the same. Raises
    InputError for a folder that is not judged, ConfigError for a gate file that needs new verdicts,
    StoreError where the tables of the run do not belong together.
    """
    judged = open_judged(Path(run))
    steps = plan_steps(judged.folder, gates, judged.gates)
    rows = read_rows(judged)
    settled = _settle(steps, _restate_gates(judged, steps, rows), rows)
    return Replay(
        folder=judged.folder,
        before=count_decisions(settled.before),
        after=count_decisions(settled.fates.decision),
        gates=count_gates(settled, rows),
        changed=list_changed(settled, rows),
        curves=draw_curves(settled),
        caveats=list_caveats(settled, judged.gate_names),
    )


def _restate_gates(run: Judged, steps: Sequence[Step], rows: pl.DataFrame) -> list[Restated]:
    """What each gate says now. Raises StoreError unless what they said gives the decisions of the run."""
    by_name = {step.name: step for step in steps}
    dropped = np.zeros(len(rows), dtype=np.bool_)
    said, restated = [], []
    for lock in run.gates:
        if lock.use not in by_name:
            said.append(weigh(read_verdicts(run, lock.use, rows), len(rows)))
            continue
        one = restate(run, by_name[lock.use], rows, dropped)
        said.append(one.before)
        restated.append(one)
        dropped |= one.after == REJECTED
    blind = [run.gate_names.index(recall.gate) for recall in run.recalls if recall.blind]
    fates = _settle_batch(said, rows, blind[:1])
    by = pl.Series([*run.gate_names, None], dtype=pl.String).gather(fates.gate % (len(said) + 1))
    if not np.array_equal(fates.decision, place_decisions(rows)) or (by != rows["gate"]).any():
        raise StoreError(
            f"the decisions of {run.folder} are not what its verdicts give",
            mend="Judge its rows again with `synth-stack curate`.",
        )
    return restated


def _settle(steps: Sequence[Step], restated: Sequence[Restated], rows: pl.DataFrame) -> Settled:
    """The rows under the new parameters.

    A blind gate fails the batch, but not one that was not blind and has new parameters: a gate may plant
    its canaries for its threshold, and those of another say little about it.
    """
    recalls, failing = [], []
    for number, (step, one) in enumerate(zip(steps, restated, strict=True)):
        recalls.append(_measure(step.name, one.canaries.said, step.min_recall))
        was_blind = _measure(step.name, one.canaries_before, step.lock.min_recall).blind
        if recalls[-1].blind and (was_blind or not step.changes):
            failing.append(number)
    said = [one.after for one in restated]
    return Settled(
        steps=tuple(steps),
        restated=tuple(restated),
        recalls=tuple(recalls),
        failing=tuple(failing),
        said=np.stack(said),
        failed=_find_failed(rows),
        before=place_decisions(rows),
        fates=_settle_batch(said, rows, failing[:1]),
    )


def _settle_batch(said: Sequence[Said], rows: pl.DataFrame, failing: Sequence[int]) -> Fates:
    """The fates of the rows; those that would be accepted are held where a gate fails the batch."""
    fates = settle(np.stack(said), _find_failed(rows))
    for gate in failing:
        fates = hold_accepted(fates, gate)
    return fates


def _find_failed(rows: pl.DataFrame) -> Mask:
    return rows["failure"].is_not_null().to_numpy()


def _measure(gate: str, canaries: Said, min_recall: float) -> CanaryRecall:
    return measure_recall(
        gate, [KindCount(gate, len(canaries), count_caught(canaries))], min_recall=min_recall
    )
