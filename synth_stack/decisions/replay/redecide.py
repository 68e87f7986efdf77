"""What a gate said of a run's rows, what it says now, and what it would say at other thresholds."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from synth_stack.decisions.replay.gate_changes import Step
from synth_stack.decisions.replay.outcomes import (
    HELD,
    PASSED,
    Graded,
    Mask,
    Said,
    Scores,
    choose_thresholds,
    is_turned_away,
)
from synth_stack.decisions.replay.verdicts import (
    follows,
    list_judged,
    pick_own,
    read_canaries,
    read_verdicts,
    redecide,
    weigh,
)
from synth_stack.runs.judged import Judged

_TWIN = r'"twin":"([0-9a-f]{32})"'  # canonical JSON: a quotation mark inside a text is written \"


@dataclass(frozen=True, slots=True)
class Dial:
    """The dotted parameter of a gate that is its threshold, where it stands, and where else it could stand.

    `thresholds` are sorted, and the gate would decide again by each of them.
    """

    parameter: str
    threshold: float
    thresholds: Scores


@dataclass(frozen=True, slots=True)
class Restated:
    """What a gate said of n rows, (n,), and what it says now.

    `away` holds its present verdicts of outcome hold or reject: `position`, `outcome`, `reason`, and the
    position of the `twin` that the evidence names (null for none, and for one that is not in the run);
    `compares` says that evidence named one. A gate that does not decide again by one threshold has no `dial`.
    """

    before: Said
    away: pl.DataFrame
    compares: bool
    graded: Graded
    canaries_before: Said
    canaries: Graded
    dial: Dial | None

    @property
    def after(self) -> Said:
        """What the gate says now."""
        return self.graded.said


def restate(run: Judged, step: Step, rows: pl.DataFrame, dropped: Mask) -> Restated:
    """What a gate says of every row under its new parameters.

    The rows `dropped` (n,) no longer reach it: they keep their verdicts, which count nowhere, but they are
    in no slice any more. Raises ConfigError for a parameter that only new verdicts could follow.
    """
    stored = read_verdicts(run, step.name, rows)
    gone = pl.Series(dropped).gather(stored["position"])
    moved = bool(gone.any()) and not step.lock.all
    given = stored.with_columns(slice=pl.when(gone).then(None).otherwise("slice")) if moved else stored
    present = redecide(step, given, rows) if step.changes or moved else stored
    planted = read_canaries(run, step.name)[: None if step.counts_canaries else 0]
    canaries = list_judged(planted)
    caught = redecide(step, planted, canaries) if step.changes else planted
    dial = _find_dial(step, present)
    return Restated(
        before=weigh(stored, len(rows)),
        away=_list_away(step, present, rows),
        compares=bool(stored["evidence"].str.contains(_TWIN).any()),
        graded=_grade(step, dial, given, present, rows),
        canaries_before=weigh(planted, len(canaries)),
        canaries=_grade(step, dial, planted, caught, canaries),
        dial=dial,
    )


def _list_away(step: Step, verdicts: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    away = verdicts.filter(pl.col("outcome").is_in(["hold", "reject"])).rechunk()
    rule = f"score {{}} {'>' if step.strict else '>='} threshold {{}}"
    stated = pl.when(pl.col("score").is_not_null()).then(
        pl.format(rule, pl.col("score").round(6), "threshold")
    )
    told = away.select(
        "position",
        "outcome",
        reason=pl.coalesce("reason", stated),
        twin_id=pl.col("evidence").str.extract(_TWIN),
    )
    named = told["twin_id"].drop_nulls().unique()
    twins = rows.filter(pl.col("row_id").is_in(named.implode())).select(twin_id="row_id", twin="position")
    return told.join(twins, on="twin_id", how="left", maintain_order="left").drop("twin_id")


def _find_dial(step: Step, verdicts: pl.DataFrame) -> Dial | None:
    """A gate says which threshold it went by, but not which of its parameters that is: so try them."""
    own = pick_own(verdicts).filter(pl.col("score").is_not_null())
    standing = own["threshold"].drop_nulls().unique().to_list()
    if step.redecide is None or step.strict is None or len(standing) != 1:
        return None
    grid = choose_thresholds(own["score"].to_numpy(), standing).tolist()
    dials = [_try_dial(step, name, standing[0], grid, own[:1]) for name in step.find_parameters(standing[0])]
    turning = [dial for dial in dials if dial.threshold in dial.thresholds]
    return max(turning, key=lambda dial: len(dial.thresholds), default=None)


def _try_dial(step: Step, parameter: str, threshold: float, grid: list[float], verdict: pl.DataFrame) -> Dial:
    possible = [each for each in grid if follows(step.move(parameter, each), each, verdict)]
    return Dial(parameter, threshold, np.array(possible))


def _grade(
    step: Step, dial: Dial | None, given: pl.DataFrame, present: pl.DataFrame, rows: pl.DataFrame
) -> Graded:
    """The verdicts `present` with their scores, and what the gate would say of each row whose score passes.

    That is what it says of `given` at its highest threshold, where nothing but other faults are left.
    """
    own, n = pick_own(present), len(rows)
    said = weigh(present, n)
    spoken = said if own is present else weigh(own, n)
    scores = np.full(n, np.nan)
    scores[own["position"].to_numpy()] = own["score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if dial is None:
        return Graded(said, said, scores, np.zeros(n, dtype=np.bool_))
    away = is_turned_away(scores, dial.threshold, strict=bool(step.strict))
    moves = np.isfinite(scores) & ~(away & (spoken == PASSED))
    widest = step.move(dial.parameter, float(dial.thresholds[-1]))
    let = weigh(pick_own(redecide(widest, given, rows)), n)
    held_later = (said == HELD) & (spoken == PASSED)
    let = np.where(held_later, np.int8(HELD), let)
    return Graded(said, np.where(moves, let, said), scores, moves)
