"""From settled rows to what a replay says: counts, changed rows, curves, and what stays unknown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.decisions.replay.gate_changes import Step
from synth_stack.decisions.replay.outcomes import FATES, Fates, Mask, Said, count_caught, draw_curve
from synth_stack.decisions.replay.redecide import Restated
from synth_stack.decisions.replay.result import CHANGED_SCHEMA, Curve, GateReplay
from synth_stack.errors import StoreError
from synth_stack.rows.schemas import DECISIONS
from synth_stack.runs.canary_recall import CanaryRecall

Places = NDArray[np.int8]
"""Of each row the place of its decision in FATES, (n,)."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The k gates of the new file, what they say of n rows, (k, n), and what becomes of the rows.

    `before` (n,) is what became of them in the run; `failed` (n,) marks those that were broken before any
    gate; `recalls` is what the gates say of their canaries, and `failing` numbers those for which the batch
    is held.
    """

    steps: tuple[Step, ...]
    restated: tuple[Restated, ...]
    recalls: tuple[CanaryRecall, ...]
    failing: tuple[int, ...]
    said: Said
    failed: Mask
    before: Places
    fates: Fates


def place_decisions(rows: pl.DataFrame) -> Places:
    """The decisions of a run as places in FATES. Raises StoreError for one that is none."""
    known = {name: place for place, name in enumerate(DECISIONS)}
    places = rows["decision"].replace_strict(known, default=None, return_dtype=pl.Int8)
    if places.null_count():
        seen = rows["decision"].filter(places.is_null())[0]
        raise StoreError("a row has a decision that is none", seen=seen, allowed=", ".join(DECISIONS))
    return places.to_numpy()


def count_decisions(places: Places) -> dict[str, int]:
    """How many rows are decided how."""
    return dict(zip(FATES, np.bincount(places, minlength=len(FATES)).tolist(), strict=True))


def count_gates(settled: Settled, rows: pl.DataFrame) -> tuple[GateReplay, ...]:
    """Each gate before and after, in the order of work."""
    decided = rows.group_by("gate", "decision").len()
    before = {(gate, decision): n for gate, decision, n in decided.iter_rows()}
    figures = []
    for number, (step, one) in enumerate(zip(settled.steps, settled.restated, strict=True)):
        after = count_decisions(settled.fates.decision[settled.fates.gate == number])
        recall = settled.recalls[number]
        figures.append(
            GateReplay(
                gate=step.name,
                changes=step.changes,
                rejected_before=before.get((step.name, "rejected"), 0),
                rejected=after["rejected"],
                held_before=before.get((step.name, "held"), 0),
                held=after["held"],
                undecided=after["undecided"],
                planted=recall.planted,
                caught_before=count_caught(one.canaries_before),
                caught=recall.caught,
                min_recall=recall.min_recall,
                blind=recall.blind,
            )
        )
    return tuple(figures)


def list_changed(settled: Settled, rows: pl.DataFrame) -> pa.Table:
    """The rows whose decision changes, in the order of the run, with CHANGED_SCHEMA."""
    where = np.flatnonzero(settled.fates.decision != settled.before)
    names = pl.Series([*(step.name for step in settled.steps), None], dtype=pl.String)
    after, gate = settled.fates.decision[where], settled.fates.gate[where]
    changed = (
        rows[where]
        .rename({"decision": "before", "gate": "gate_before", "reason": "reason_before"})
        .with_columns(after=pl.Series(FATES).gather(after), gate=names.gather(gate % len(names)))
        .join(_list_reasons(settled), on=["position", "after", "gate"], how="left", maintain_order="left")
        .rechunk()
    )
    maker = pl.when(pl.col("kind") == "foreign").then(pl.lit("reader")).otherwise(pl.lit("generator"))
    broken = (pl.col("after") == "rejected") & pl.col("gate").is_null()
    blind = next((_explain(settled.recalls[number]) for number in settled.failing), None)
    reason = (
        pl.when(pl.col("after") == "undecided")
        .then(pl.format("not scored by {}", "gate"))
        .when(broken)
        .then("failure")
        .when(pl.col("after") == "held")
        .then(pl.coalesce("reason", pl.lit(blind, pl.String)))
        .otherwise("reason")
    )
    told = changed.with_columns(reason=reason, gate=pl.when(broken).then(maker).otherwise("gate"))
    return told.select(CHANGED_SCHEMA.names).to_arrow().cast(CHANGED_SCHEMA)


def draw_curves(settled: Settled) -> tuple[Curve, ...]:
    """The yield of every gate that decides again by one threshold, in the order of work."""
    curves = []
    for number, (step, one) in enumerate(zip(settled.steps, settled.restated, strict=True)):
        if one.dial is None:
            continue
        points = draw_curve(
            settled.said,
            settled.failed,
            number,
            one.graded,
            one.canaries,
            thresholds=one.dial.thresholds,
            strict=bool(step.strict),
        )
        rule = f"score {'>' if step.strict else '>='} threshold"
        curve = Curve(step.name, one.dial.parameter, one.dial.threshold, rule, len(one.canaries.said), points)
        curves.append(curve)
    return tuple(curves)


def list_caveats(settled: Settled, judged: Sequence[str]) -> tuple[str, ...]:
    """Sentences on what stored scores do not show; `judged` names the gates of the run."""
    left_out = [name for name in judged if name not in {step.name for step in settled.steps}]
    said = [f"the gate file leaves {name} out: its verdicts count no more" for name in left_out]
    said += [f"{_explain(settled.recalls[number])}; the batch is held" for number in settled.failing]
    for number, step in enumerate(settled.steps):
        said += _list_gate_caveats(settled, number, step)
    return tuple(said)


def _list_gate_caveats(settled: Settled, number: int, step: Step) -> Iterator[str]:
    fates, one = settled.fates, settled.restated[number]
    waiting = int(((fates.decision == FATES.index("undecided")) & (fates.gate == number)).sum())
    if waiting:
        yield f"{step.name} never scored {waiting:,} of the rows: a gate had turned them away before"
    if step.kept_sets:
        yield (
            f"{step.name} also compared with {', '.join(step.kept_sets)}, which the gate file does not name: "
            "those matches count"
        )
    if settled.recalls[number].blind and number not in settled.failing:
        yield (
            f"{settled.recalls[number].describe()}: it planted them for its old parameters, and plants "
            "others when it judges again"
        )
    if step.changes and one.compares:
        yield f"{step.name} compared rows with what stayed then: rows that now pass were not compared anew"
    orphans = _count_orphans(settled, number)
    if orphans:
        yield (
            f"{step.name} rejects {orphans:,} rows for a twin that is now rejected itself: judged again, "
            "one of each would stay"
        )


def _count_orphans(settled: Settled, number: int) -> int:
    """Rows that a gate rejects for a twin which it, or a gate before it, now rejects and did not before."""
    decision, gate = settled.fates.decision, settled.fates.gate
    away = settled.restated[number].away.filter(pl.col("outcome") == "reject").drop_nulls("twin")
    rows, twins = away["position"].to_numpy(), away["twin"].to_numpy()
    rejected = FATES.index("rejected")
    mine = (decision[rows] == rejected) & (gate[rows] == number)
    lost = (decision[twins] == rejected) & (settled.before[twins] != rejected) & (gate[twins] <= number)
    return int((mine & lost).sum())


def _list_reasons(settled: Settled) -> pl.DataFrame:
    """Why each gate turns a row away, once a row and gate: `position`, `after`, `gate`, `reason`."""
    outcomes = {"reject": "rejected", "hold": "held"}
    told = [
        one.away.select(
            "position",
            pl.col("outcome").replace_strict(outcomes, return_dtype=pl.String).alias("after"),
            pl.lit(step.name).alias("gate"),
            "reason",
        )
        for step, one in zip(settled.steps, settled.restated, strict=True)
    ]
    return pl.concat(told).unique(["position", "after", "gate"], keep="first", maintain_order=True)


def _explain(recall: CanaryRecall) -> str:
    return f"blind gate: {recall.describe()}"
