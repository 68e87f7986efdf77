"""The rows of a plan as reviewers see them: what each says, and what the gates said of it."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.decisions.decide import PERSON
from synth_stack.errors import InputError
from synth_stack.review.plan_file import ReviewPlan
from synth_stack.review.reliability import KNOWN
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.judged import Judged, read_candidates, read_verdicts

HIDDEN = ("generator", "generator_version", "extra", "template_id", "params")
"""Fields of a candidate that tell a planted row from others; they are emptied in blind rows."""

_SHOWN = ("slice", "locale")
"""Fields that a reviewer may see, and that a planted row takes from another one."""


def read_rows_to_review(plan: ReviewPlan) -> pa.Table:
    """The rows of a plan whole, planted ones too, CANDIDATE_SCHEMA in the order of `plan.sample`.

    In blind rows the fields of HIDDEN are emptied, and a planted row shows the slice and locale of a drawn
    row of its lot: nothing tells it from others but its `kind` and its ids, which a reviewer needs not see.
    Memory is that of the sample. Raises InputError for a row that the run no longer has.
    """
    wanted = plan.sample["row_id"].combine_chunks()
    parts = [part.filter(pc.is_in(part["row_id"], value_set=wanted)) for part in read_candidates(plan.folder)]
    found = pa.concat_tables([CANDIDATE_SCHEMA.empty_table(), *parts, plan.read_planted()]).combine_chunks()
    places = pc.index_in(wanted, value_set=found["row_id"].combine_chunks())
    if places.null_count:
        raise InputError(
            f"{plan.folder} no longer has {places.null_count} rows of its review plan",
            seen=wanted.filter(pc.is_null(places))[0].as_py(),
            mend="Its rows were made or read anew: plan again with `synth-stack review plan --again`.",
        )
    return _mask(found.take(places), plan)


def _mask(rows: pa.Table, plan: ReviewPlan) -> pa.Table:
    """The rows without what tells which of them were planted."""
    planned = plan.sample.select(["lot", "purpose", "blind"]).to_pylist()
    by_lot: dict[str | None, list[int]] = {}
    for place, row in enumerate(planned):
        if row["blind"] and row["purpose"] not in KNOWN:
            by_lot.setdefault(row["lot"], []).append(place)
    every = [place for places in by_lot.values() for place in places]
    stand_ins = list(range(len(planned)))
    for place, row in enumerate(planned):
        alike = by_lot.get(row["lot"]) or every
        if row["purpose"] in KNOWN and alike:
            stand_ins[place] = alike[place % len(alike)]
    for name in _SHOWN:
        rows = _set_column(rows, name, rows[name].combine_chunks().take(pa.array(stand_ins)))
    blind = plan.sample["blind"].combine_chunks()
    for name in HIDDEN:
        field = rows.schema.field(name)
        empty = pa.scalar(None if field.nullable else "", field.type)
        rows = _set_column(rows, name, pc.if_else(blind, empty, rows[name].combine_chunks()))
    return rows


def _set_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)


def read_said(run: Judged, row_ids: Sequence[str]) -> pa.Table:
    """What the gates said of those rows, people left out, VERDICT_SCHEMA in the order of work.

    For rows that are not blind, or to be filtered by. Nothing is known here of planted rows.
    """
    wanted = pa.array(row_ids, pa.string())
    parts = [
        part.filter(pc.is_in(part["row_id"], value_set=wanted))
        for gate in run.gate_names
        if gate != PERSON
        for part in read_verdicts(run.folder, gate)
    ]
    return pa.concat_tables([VERDICT_SCHEMA.empty_table(), *parts])
