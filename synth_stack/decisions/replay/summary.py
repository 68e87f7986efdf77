"""What a replay says of a run that was decided again: its gates, the changed rows, curves and caveats."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from synth_stack.decisions.replay.outcomes import HELD, REJECTED, UNSEEN, Mask, Others, draw_curve
from synth_stack.decisions.replay.redecide import Redecided
from synth_stack.decisions.replay.result import CHANGED_SCHEMA, Curve, GateReplay
from synth_stack.rows.schemas import DECISIONS
from synth_stack.runs.self_tests import describe_failed


@dataclass(frozen=True, slots=True)
class DecidedRun:
    """The n rows of a run, decided by the gates of the new file.

    `before` and `after` are the decisions on them, in order; those after may be "undecided". `overriding`
    marks by outcome, (n,), what a person said of the rows; `failed` (n,) those that were broken before any
    gate.
    """

    before: pl.DataFrame
    after: pl.DataFrame
    gates: tuple[Redecided, ...]
    overriding: Mapping[str, Mask]
    failed: Mask


def count_decisions(decisions: pl.DataFrame) -> dict[str, int]:
    """How many rows are decided how."""
    counted = dict(decisions.group_by("decision").len().iter_rows())
    return {name: counted.get(name, 0) for name in (*DECISIONS, "undecided")}


def count_gates(run: DecidedRun) -> tuple[GateReplay, ...]:
    """Each gate before and after, in the order of work."""
    figures = []
    for one in run.gates:
        before, after = (
            count_decisions(rows.filter(gate=one.change.name)) for rows in (run.before, run.after)
        )
        figures.append(
            GateReplay(one.change.name, one.change.changes, before, after, one.test_before, one.test)
        )
    return tuple(figures)


def list_changed(run: DecidedRun) -> pa.Table:
    """The rows whose decision changes, in the order of the run, with CHANGED_SCHEMA."""
    before = run.before.rename({"decision": "before"}).with_columns(
        pl.col("gate", "reason", "reason_class").name.suffix("_before")
    )
    after = run.after.select("gate", "reason", "reason_class", pl.col("decision").alias("after"))
    both = before.drop(after.columns, strict=False).hstack(after).filter(pl.col("before") != pl.col("after"))
    return both.select(CHANGED_SCHEMA.names).to_arrow().cast(CHANGED_SCHEMA)


def draw_curves(
    gates: Sequence[Redecided], overriding: Mapping[str, Mask], failed: Mask
) -> tuple[Curve, ...]:
    """The yield over every dial that can be turned and reads the score of its gate, in the order of work.

    `overriding` and `failed` are those of DecidedRun.
    """
    curves = []
    for place, one in enumerate(gates):
        said = np.stack([*(other.said for i, other in enumerate(gates) if i != place), one.said * 0 + 1])
        others = Others(
            rejected=(said == REJECTED).any(axis=0) | failed | overriding["reject"],
            unseen=(said == UNSEEN).any(axis=0),
            released=overriding["accept"],
            held=(said == HELD).any(axis=0) | overriding["hold"],
        )
        for turned in one.yields:
            dial, standing = turned.setting.dial, turned.setting.threshold
            points = draw_curve(turned.rows, others, turned.canaries, turned.thresholds, dial.rejects)
            name, parameter, planted = one.change.name, str(dial.parameter), one.test.planted
            curves.append(Curve(name, parameter, standing, dial.rejects, planted, points))
    return tuple(curves)


def list_caveats(run: DecidedRun, judged: Sequence[str]) -> tuple[str, ...]:
    """Sentences on what stored scores do not show; `judged` names the gates of the run."""
    left_out = [name for name in judged if name not in {one.change.name for one in run.gates}]
    said = [f"the gate file leaves {name} out: its verdicts count no more" for name in left_out]
    said += [f"{describe_failed([one.test])}; the batch is held" for one in run.gates if one.fails]
    for number in range(len(run.gates)):
        said += _list_gate_caveats(run, number)
    return tuple(said)


def _list_gate_caveats(run: DecidedRun, number: int) -> Iterator[str]:
    one = run.gates[number]
    name, kept_sets = one.change.name, one.change.kept_sets
    waiting = run.after.filter(decision="undecided", gate=name).height
    if waiting:
        yield f"{name} never scored {waiting:,} of the rows: a gate had turned them away before"
    if kept_sets:
        named = ", ".join(kept_sets)
        yield f"{name} also compared with {named}, which the gate file does not name: those matches count"
    if one.test.failed and not one.fails:
        told = f"{one.test.describe()}: it planted them for its old parameters"
        yield f"{told}, and plants others when it judges again"
    if one.change.changes and one.compares:
        yield f"{name} compared rows with what stayed then: rows that now pass were not compared anew"
    orphans = _count_orphans(run, number)
    if orphans:
        yield (
            f"{name} rejects {orphans:,} rows for a twin that is now rejected itself: judged again, one of "
            "each would stay"
        )


def _count_orphans(run: DecidedRun, number: int) -> int:
    """Rows that a gate rejects for a twin which it, or a gate before it, now rejects and did not before."""
    until = [one.change.name for one in run.gates[: number + 1]]
    newly = run.after.filter(
        (pl.col("decision") == "rejected")
        & pl.col("gate").is_in(until)
        & pl.Series(run.before["decision"] != "rejected")
    )
    mine = run.after.filter(decision="rejected", gate=until[-1])
    twin = pl.col("evidence").str.json_path_match("$.twin")
    away = run.gates[number].away.filter(pl.col("outcome") == "reject").select("row_id", twin=twin)
    named = away.filter(pl.col("twin").is_in(newly["row_id"].implode()))
    return named.join(mine, on="row_id", how="semi").height
