"""The verdicts of a judged run: read, set beside their rows, and decided again by the gate that gave them."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from synth_stack.decisions.replay.gate_changes import Step
from synth_stack.decisions.replay.outcomes import HELD, PASSED, REJECTED, UNSEEN, Mask, Said
from synth_stack.errors import ConfigError, GateError, StoreError
from synth_stack.files import read_table
from synth_stack.registry import bind
from synth_stack.rows.schemas import CANARY_SCHEMA, CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.canary_recall import FOLDER as CANARIES
from synth_stack.runs.folder import list_parts
from synth_stack.runs.judged import Judged

_STATED = [name for name in VERDICT_SCHEMA.names if name != "gate"]

_STRENGTH = {"accept": PASSED, "abstain": PASSED, "hold": HELD, "reject": REJECTED}
_GIVEN = ["row_id", "slice", *_STATED[1:]]


def read_rows(run: Judged) -> pl.DataFrame:
    """The rows of a run, in order: `position`, `row_id`, `slice`, `kind`, `failure`, and their decisions.

    Raises StoreError where candidates and decisions do not belong together.
    """
    columns = ["row_id", "slice", "kind", "failure"]
    parts = [part for shard in run.shards for part in shard.parts]
    tables = [read_table(part, CANDIDATE_SCHEMA, columns) for part in parts]
    rows = _frame(pa.concat_tables([CANDIDATE_SCHEMA.empty_table().select(columns), *tables]))
    decisions = _frame(run.decisions)
    if not rows["row_id"].equals(decisions["row_id"]):
        raise StoreError(f"the decisions of {run.folder} are not those of its candidates, in their order")
    if rows["row_id"].n_unique() != len(rows):
        raise StoreError(f"{run.folder} holds two rows with one row_id")
    return rows.hstack(decisions.drop("row_id")).with_row_index("position")


def read_verdicts(run: Judged, gate: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Everything that a gate said: the columns of VERDICT_SCHEMA but `gate`, and `position` and `slice`.

    Raises StoreError for a verdict on a row that is not among `rows`.
    """
    folder = run.folder / "verdicts" / gate
    names = [shard.name for shard in run.shards]
    late = [path.name for path in list_parts(folder) if path.name not in names]
    tables = [read_table(folder / name, VERDICT_SCHEMA).select(_STATED) for name in [*names, *late]]
    verdicts = _frame(pa.concat_tables([VERDICT_SCHEMA.empty_table().select(_STATED), *tables]))
    return _place(verdicts, rows, f"verdicts of {gate}")


def read_canaries(run: Judged, gate: str) -> pl.DataFrame:
    """What a gate said of its canaries, as `read_verdicts` gives it; they are in no slice."""
    path = run.folder / CANARIES / f"{gate}.parquet"
    table = read_table(path, CANARY_SCHEMA) if path.exists() else CANARY_SCHEMA.empty_table()
    verdicts = _frame(table.select(_STATED))
    return _place(verdicts, list_judged(verdicts), f"canaries of {gate}")


def list_judged(verdicts: pl.DataFrame) -> pl.DataFrame:
    """The rows that verdicts are on, in their order, as a frame that verdicts can be set beside."""
    ids = verdicts["row_id"].unique(maintain_order=True)
    return (
        pl.DataFrame({"row_id": ids}).with_row_index("position").with_columns(slice=pl.lit(None, pl.String))
    )


def weigh(verdicts: pl.DataFrame, n: int) -> Said:
    """The strongest verdict on each of n rows, (n,); UNSEEN where there is none. Raises StoreError."""
    codes = verdicts["outcome"].replace_strict(_STRENGTH, default=None, return_dtype=pl.Int8)
    if codes.null_count():
        raise StoreError(
            "a verdict has an outcome that is none",
            seen=verdicts["outcome"].filter(codes.is_null())[0],
            allowed=", ".join(_STRENGTH),
        )
    said = np.full(n, UNSEEN, dtype=np.int8)
    np.maximum.at(said, verdicts["position"].to_numpy(), codes.to_numpy())
    return said


def redecide(step: Step, verdicts: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The verdicts that a gate gives under its new parameters; as they are, if it cannot decide again.

    Raises ConfigError for a parameter that only new verdicts could follow, GateError for a gate that loses
    or invents rows.
    """
    if step.redecide is None:
        return verdicts
    try:
        got = _ask(step, verdicts.select(_GIVEN))
    except ConfigError as exc:
        raise ConfigError(exc.what, seen=exc.seen, allowed=exc.allowed, mend=step.mend) from exc
    if not isinstance(got, pl.DataFrame) or set(_STATED) - set(got.columns):
        raise GateError(f"gate {step.name} did not decide again on verdicts with their columns")
    got = got.select(_STATED).rechunk()
    beside = verdicts if got["row_id"].equals(verdicts["row_id"]) else rows
    placed = _place(got, beside, f"new verdicts of {step.name}")
    if not np.array_equal(_is_seen(placed, len(rows)), _is_seen(verdicts, len(rows))):
        raise GateError(f"gate {step.name} did not decide again on each row that it had judged")
    return placed


def follows(step: Step, threshold: float, verdict: pl.DataFrame) -> bool:
    """Whether a gate with its new parameters decides a verdict again by this threshold.

    It may refuse the parameters, lack scores so low, or go by another threshold all the same.
    """
    try:
        bind("gate", step.name, step.params, where=step.name)
        got = _ask(step, verdict.select(_GIVEN))
    except ConfigError:
        return False
    return bool(got["threshold"][0] == threshold)


def pick_own(verdicts: pl.DataFrame) -> pl.DataFrame:
    """What a gate said of each row itself: not what it said later of its whole slice or batch."""
    of_row = (verdicts["scope"] == "row").to_numpy()
    if of_row.all():
        return verdicts
    position = verdicts["position"].to_numpy()
    has_own = np.zeros(position.max() + 1, dtype=np.bool_)
    has_own[position[of_row]] = True
    return verdicts.filter(pl.Series(of_row | ~has_own[position]))


def _is_seen(verdicts: pl.DataFrame, n: int) -> Mask:
    seen = np.zeros(n, dtype=np.bool_)
    seen[verdicts["position"].to_numpy()] = True
    return seen


def _ask(step: Step, verdicts: pl.DataFrame) -> Any:
    return step.redecide and step.redecide(step.lock.params, step.params, step.lock.facts, verdicts)


def _frame(table: pa.Table) -> pl.DataFrame:
    # polars 2.1 panics in some expressions over many chunks
    return pl.DataFrame(table).rechunk()


def _place(verdicts: pl.DataFrame, rows: pl.DataFrame, what: str) -> pl.DataFrame:
    """The verdicts with the `position` and `slice` of `rows`: rows, or verdicts that are placed already."""
    if verdicts["row_id"].equals(rows["row_id"]):
        return verdicts.with_columns(rows["position"], rows["slice"])
    sides = rows.select("row_id", "position", "slice")
    placed = verdicts.join(sides, on="row_id", how="left", maintain_order="left").rechunk()
    if placed["position"].null_count():
        raise StoreError(f"the {what} are on rows that the run does not have")
    return placed
