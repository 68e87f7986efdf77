"""Rows of a judged batch replaced by others: redacted, corrected or rewritten, and judged like the rest."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.decisions.decide import PERSON
from synth_stack.engines.catalog import LOCAL, EngineUse, OpenEngine, choose_engine
from synth_stack.errors import ConfigError, InputError
from synth_stack.files import read_table, store_errors
from synth_stack.progress import Progress, Silent
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, build_candidates, recompute_row_ids
from synth_stack.runs.folder import (
    GATES_LOCK,
    LOCK,
    identity_line,
    list_replaced,
    open_run,
    write_manifest,
)
from synth_stack.runs.judged import DECISIONS, read_candidates
from synth_stack.runs.replaced import begin_replacing, find_replaced, is_replacing
from synth_stack.workflows.curate import write_piles
from synth_stack.workflows.judge import Batch, Gates, bind_gates, judge

PACK = "pack"
"""Where `run` puts the pack of a folder."""
_JUDGE_FIRST = "Judge it first with `synth-stack run` or `synth-stack curate`."

Rows: TypeAlias = "Iterable[Mapping[str, Any]] | pa.Table"


def replace_rows(
    folder: str | Path,
    gates: str | Path | Gates,
    rows: Rows,
    *,
    by: str = PERSON,
    reason: str = "replaced by another row",
    rejected: bool = False,
    engine: EngineUse = LOCAL,
    progress: Progress | None = None,
) -> Batch:
    """Judge a batch again with `rows` in it, each in the place of the row that its `parent_id` names.

    `gates` are those that judged the folder. Each row goes through all of them like any other, and its
    original is rejected by `by` with that `reason`, the class `<by>.replaced` and the row that stands for it.
    An original may be accepted, held or rejected by a gate, but by no person (unless `rejected` is true: who
    rejected it gave what replaces it), and must not be replaced already. A row has the kind of its original,
    which decides its split. `rows` are mappings of candidate fields (`row_id` is computed) or a candidate
    table.

    A gate that the batch tells something judges all of it again; the others judge the new rows alone. The
    same call after a kill finishes what was begun. Raises InputError for rows that cannot replace what they
    name, for a folder that is not judged and for one that is packed, ConfigError for other gates, and what
    `judge` raises; UntrustedGate when a gate failed its self-test.
    """
    run = Path(folder)
    chosen = choose_engine(engine)
    bound = gates if isinstance(gates, Gates) else bind_gates(gates, source=folder)
    if by not in bound.rule.overriding:
        raise ConfigError(
            "rows are replaced on the word of somebody whose verdicts override those of gates",
            seen=by,
            allowed=", ".join(bound.rule.overriding),
        )
    table = _build_rows(rows)
    if not (run / LOCK).is_file() or not (run / GATES_LOCK).is_file():
        raise InputError(f"{run} holds no judged rows", mend=_JUDGE_FIRST)
    with store_errors(run / LOCK):
        lock = (run / LOCK).read_bytes()
    with open_run(run, lock), chosen.open() as opened:
        _require_ready(run, bound)
        _begin(run, bound, table, opened, by=by, reason=reason, rejected=rejected)
        batch = judge(run, bound, progress or Silent(), opened)
        write_piles(run, bound.names)
        write_manifest(run, batch.facts())
    batch.require_trust()
    return batch


def _begin(
    run: Path, gates: Gates, table: pa.Table, on: OpenEngine, *, by: str, reason: str, rejected: bool
) -> None:
    """Write down what is to be replaced, unless a call that was killed has done so."""
    if is_replacing(run, table) or find_replaced(run, table) is not None:
        return
    if is_replacing(run) or not (run / DECISIONS).is_file():
        judge(run, gates, on=on)  # what another call began
    _require_originals(run, gates, table, rejected=rejected)
    begin_replacing(run, table, by=by, reason=reason)


def _build_rows(rows: Rows) -> pa.Table:
    if isinstance(rows, pa.Table):
        try:
            table = rows.select(CANDIDATE_SCHEMA.names).cast(CANDIDATE_SCHEMA).combine_chunks()
            named = recompute_row_ids(table)
        except (KeyError, ValueError, pa.ArrowException) as exc:
            raise InputError(f"the rows are no table of candidates: {exc}") from exc
        if named != table["row_id"].to_pylist():
            raise InputError("a row does not have the id that it gives itself")
    else:
        drafts: Sequence[Mapping[str, Any]] = list(rows)
        try:
            table = build_candidates(drafts)
        except (KeyError, ValueError, TypeError, pa.ArrowException) as exc:
            raise InputError(f"the rows are no candidates: {exc}") from exc
    if not len(table):
        raise InputError("there is no row to replace another by")
    return table.replace_schema_metadata(None)


def _require_ready(run: Path, gates: Gates) -> None:
    """Refuse a folder that is not judged to the end by these gates, or that is packed."""
    # a kill while rows were replaced leaves a folder without decisions, and this call is what mends it
    was_replaced = is_replacing(run) or bool(list_replaced(run / "candidates"))
    if not (run / DECISIONS).is_file() and not was_replaced:
        raise InputError(f"{run} is not judged to the end", mend=_JUDGE_FIRST)
    if (run / PACK).exists():
        raise InputError(
            f"the rows of {run} are packed, and replacing some would leave the pack out of date",
            seen=str(run / PACK),
            mend="Replace rows before the batch is packed, or judge the rows in another folder.",
        )
    with store_errors(run / GATES_LOCK):
        if identity_line((run / GATES_LOCK).read_bytes()) != identity_line(gates.lock):
            raise ConfigError(
                f"{run} was judged by other gates",
                mend="Name the gate file that judged it, or judge it with this one first.",
            )


def _require_originals(run: Path, gates: Gates, table: pa.Table, *, rejected: bool) -> None:
    """Refuse rows whose originals are not there, or must not be replaced."""
    known = pa.concat_tables(read_candidates(run, ["row_id", "kind"]))
    originals = _select(known, table["parent_id"])
    kinds = dict(zip(originals["row_id"].to_pylist(), originals["kind"].to_pylist(), strict=True))
    decided = _select(read_table(run / DECISIONS, DECISION_SCHEMA), table["parent_id"])
    decisions = {row["row_id"]: row for row in decided.to_pylist()}
    taken = set(_select(known, table["row_id"])["row_id"].to_pylist())
    named: set[str] = set()
    columns = table.select(["row_id", "parent_id", "kind", "generator"]).to_pylist()
    for number, row in enumerate(columns):
        parent = row["parent_id"]
        if parent not in kinds:
            fault: str | None = "it names no row of the batch in its parent_id"
        elif parent in named:
            fault = f"another row replaces {parent} too"
        elif row["row_id"] in taken:
            fault = "a row of that id is there already"
        elif row["generator"] in ("canary", "control"):
            fault = "its generator is that of rows that test a gate, which reach no pack"
        elif row["kind"] != kinds[parent]:
            fault = f"its kind is not that of {parent}"
        else:
            fault = _find_bar(decisions[parent], gates, rejected=rejected)
        if fault is not None:
            raise InputError(f"row {number} cannot replace another: {fault}", seen=row["row_id"])
        named.add(parent)


def _find_bar(decision: Mapping[str, Any], gates: Gates, *, rejected: bool) -> str | None:
    """Why a row must not be replaced."""
    if decision["replaced_by"] is not None:
        return f"{decision['row_id']} is replaced already, by {decision['replaced_by']}"
    if not rejected and decision["decision"] == "rejected" and decision["gate"] in gates.rule.overriding:
        return f"a person rejected {decision['row_id']}"
    return None


def _select(table: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    return table.filter(pc.is_in(table["row_id"], value_set=ids.combine_chunks()))
