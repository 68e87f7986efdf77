"""A run decided again from its stored scores, under another gate file.

No text is read, no model loaded, nothing written. The new parameters of each gate are put to the scores that
it gave (redecide.py); then every row is decided as ever. What stored scores do not show is not guessed: a row
that an earlier gate turned away, and that now gets past it, was never shown to the later ones: undecided.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from synth_stack.decisions.decide import Rule, decide, hold_failed
from synth_stack.decisions.replay.gate_changes import GateChange, leave_out, plan_as_judged, plan_changes
from synth_stack.decisions.replay.outcomes import REJECTED, UNSEEN, Mask
from synth_stack.decisions.replay.redecide import (
    PlantedVerdicts,
    Redecided,
    list_away,
    place_verdicts,
    redecide,
    thin_verdicts,
)
from synth_stack.decisions.replay.result import Curve, Replay
from synth_stack.decisions.replay.summary import (
    DecidedRun,
    count_decisions,
    count_gates,
    draw_curves,
    list_caveats,
    list_changed,
)
from synth_stack.errors import StoreError
from synth_stack.inputs.extensions import load_extensions
from synth_stack.rows.schemas import CANARY_SCHEMA, CANDIDATE_SCHEMA, OUTCOMES, VERDICT_SCHEMA
from synth_stack.runs.judged import Judged, list_gates, open_judged, read_candidates, read_verdicts
from synth_stack.runs.self_tests import SelfTest, find_expected, read_planted


def replay(
    run: str | Path,
    gates: str | Path | None = None,
    *,
    without: Sequence[str] = (),
    load: Sequence[str] = (),
) -> Replay:
    """Decide the judged run or curate folder `run` again under the gate file `gates`; nothing is written.

    The gates of the file are those that judged, in their order; some may be missing, which leaves their
    verdicts out, and so does naming them in `without`. With no file, the run's own gates decide, as they
    judged. Eval sets that the run knew and the file does not name count all the same, and so does what
    a person said. `load` names modules or files with gates of other authors.

    Raises InputError for a folder that is not judged, ConfigError for a gate file that needs new verdicts,
    StoreError where the tables of the run do not belong together.
    """
    load_extensions(load)
    judged = open_judged(Path(run))
    if gates is None:
        changes = plan_as_judged(judged.gates)
    else:
        changes = plan_changes(judged.folder, gates, judged.gates)
    changes = leave_out(judged.folder, changes, judged.gates, without)
    decided = _decide_again(judged, changes)
    return Replay(
        folder=judged.folder,
        before=count_decisions(decided.before),
        after=count_decisions(decided.after),
        gates=count_gates(decided),
        changed=list_changed(decided),
        curves=draw_curves(decided.gates, decided.overriding, decided.failed),
        caveats=list_caveats(decided, judged.gate_names),
    )


def draw_standing(run: Judged) -> list[tuple[Curve, tuple[str, ...]]]:
    """The yield over each threshold of a run as it judged, each with the reason classes that it gives.

    Raises StoreError where its decisions are on other rows, ConfigError for a gate that is not there.
    """
    dials = {(lock.use, dial.parameter): tuple(dial.classes) for lock in run.gates for dial in lock.dials}
    rows = _read_rows(run, ["row_id", "slice", "failure"])
    _, gates = _redecide_gates(run, plan_as_judged(run.gates), rows)
    curves = draw_curves(gates, _mark_people(_read_overriding(run, rows), rows), _find_failed(rows))
    return [(curve, dials[curve.gate, curve.parameter]) for curve in curves]


def _redecide_gates(
    run: Judged, changes: Sequence[GateChange], rows: pl.DataFrame
) -> tuple[list[pl.DataFrame], list[Redecided]]:
    """Of each gate of the run what it turned away, and of each of `changes` what it says now."""
    by_name = {change.name: change for change in changes}
    dropped = np.zeros(len(rows), dtype=np.bool_)
    away: list[pl.DataFrame] = []
    gates: list[Redecided] = []
    for lock in run.gates:
        verdicts = thin_verdicts(read_verdicts(run.folder, lock.use), lock.dials)
        stored = place_verdicts(verdicts, rows, lock.dials, f"verdicts of {lock.use}")
        away.append(list_away(stored.own, stored.late))
        if (change := by_name.get(lock.use)) is not None:
            planted = _place_planted(run, change)
            gates.append(redecide(stored, planted, change, dropped))
            dropped |= gates[-1].said == REJECTED
    return away, gates


def _decide_again(run: Judged, changes: Sequence[GateChange]) -> DecidedRun:
    """The rows under the new parameters. Raises StoreError where the old ones give other decisions."""
    rows = _read_rows(run, ["row_id", "source_id", "slice", "kind", "failure"])
    away, gates = _redecide_gates(run, changes, rows)
    overriding = _read_overriding(run, rows)
    before = _decide(run, rows, [*away, overriding], [test for test in run.self_tests if test.failed])
    if not before.equals(pl.DataFrame(run.decisions)):
        raise StoreError(
            f"the decisions of {run.folder} are not what its verdicts give",
            mend="Judge its rows again with `synth-stack curate`.",
        )
    failing = [one.test for one in gates if one.fails]
    after = _decide(run, rows, [*(one.away for one in gates), overriding], failing)
    return DecidedRun(
        before=before,
        after=_mark_undecided(after, gates),
        gates=tuple(gates),
        overriding=_mark_people(overriding, rows),
        failed=_find_failed(rows),
    )


def _mark_people(overriding: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Mask]:
    """By outcome which of the n rows somebody who overrides the gates said it of, (n,)."""
    weighty = overriding.filter((pl.col("outcome") != "accept") | (pl.col("scope") == "row"))
    people = {outcome: weighty.filter(outcome=outcome)["row_id"].implode() for outcome in OUTCOMES}
    return {outcome: rows["row_id"].is_in(ids).to_numpy() for outcome, ids in people.items()}


def _find_failed(rows: pl.DataFrame) -> Mask:
    return rows["failure"].is_not_null().to_numpy()


def _place_planted(run: Judged, change: GateChange) -> PlantedVerdicts:
    """What a gate said of the rows that it planted; of none where the new gate file asks for none."""
    table = read_planted(run.folder, change.name)
    rows = _frame([table if change.counts_canaries else table.slice(0, 0)], CANARY_SCHEMA)
    ids = rows.unique("row_id", keep="first", maintain_order=True)
    is_expected = np.asarray(find_expected(ids.to_arrow()), dtype=np.bool_)
    wanted = ids["caught_as"].to_list()
    by_dial = [
        np.array([some is None or bool({*dial.classes} & {*some}) for some in wanted], dtype=np.bool_)
        for dial in change.lock.dials
    ]
    ids = ids.select("row_id", "canary_kind", "control", slice=pl.lit(None, pl.String))
    verdicts = thin_verdicts([rows.select(VERDICT_SCHEMA.names).to_arrow()], change.lock.dials)
    stored = place_verdicts(verdicts, ids, change.lock.dials, f"canaries of {change.name}")
    return PlantedVerdicts(stored, ids["canary_kind"], ids["control"].to_numpy(), is_expected, by_dial)


def _read_rows(run: Judged, columns: Sequence[str]) -> pl.DataFrame:
    """These columns of the rows of a run, in order. Raises StoreError for decisions on other rows."""
    schema = pa.schema([CANDIDATE_SCHEMA.field(name) for name in columns])
    rows = _frame(read_candidates(run.folder, columns), schema)
    if rows["row_id"].n_unique() != len(rows):
        raise StoreError(f"{run.folder} holds two rows with one row_id")
    if not rows["row_id"].equals(pl.Series(run.decisions["row_id"])):
        raise StoreError(f"the decisions of {run.folder} are not those of its candidates, in their order")
    return rows


def _read_overriding(run: Judged, rows: pl.DataFrame) -> pl.DataFrame:
    """What those say who override the gates."""
    names = [name for name in list_gates(run.folder, run.gate_names) if name in run.lock.rule.overriding]
    said = _frame((part for name in names for part in read_verdicts(run.folder, name)), VERDICT_SCHEMA)
    if len(said):
        place_verdicts(said, rows, (), f"verdicts of {', '.join(names)}")
    return said


def _decide(
    run: Judged, rows: pl.DataFrame, away: Sequence[pl.DataFrame], failed: Sequence[SelfTest]
) -> pl.DataFrame:
    """The decisions that verdicts give; rows that would be accepted are held where a gate is blind."""
    held_by = hold_failed(failed)
    rule = Rule(tuple(run.lock.rule.order), tuple(run.lock.rule.overriding))
    said = [verdicts.to_arrow().cast(VERDICT_SCHEMA) for verdicts in away]
    return pl.DataFrame(decide(rows.to_arrow(), said, rule, held_by))


def _mark_undecided(decisions: pl.DataFrame, gates: Sequence[Redecided]) -> pl.DataFrame:
    """The decisions, but for rows that a gate never saw and that are not rejected anyway."""
    unseen = np.stack([one.said == UNSEEN for one in gates])
    names = pl.Series([one.change.name for one in gates]).gather(unseen.argmax(axis=0))
    open_ = pl.Series(unseen.any(axis=0)) & (decisions["decision"] != "rejected")
    return decisions.with_columns(
        decision=pl.when(open_).then(pl.lit("undecided")).otherwise("decision"),
        gate=pl.when(open_).then(names).otherwise("gate"),
        reason=pl.when(open_).then(pl.format("not scored by {}", names)).otherwise("reason"),
        reason_class=pl.when(~open_).then("reason_class"),
    )


def _frame(parts: Iterable[pa.Table], schema: pa.Schema) -> pl.DataFrame:
    tables = [schema.empty_table(), *(part.select(schema.names) for part in parts)]
    return pl.DataFrame(pa.concat_tables(tables)).rechunk()  # polars 2.1 panics over many chunks
