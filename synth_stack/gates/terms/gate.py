"""What the licence of a teacher allows its output to be used for, against what the pack is declared for."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.gate import Judge, State
from synth_stack.gates.resources import Resources
from synth_stack.inputs.terms import PURPOSES, TERMS, rank_terms
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates, build_verdicts

if TYPE_CHECKING:
    import polars as pl

Purpose = Literal["research", "non-commercial", "commercial", "competing-models"]
"""What a pack is used for, each beyond the one before: papers; whatever earns nothing; products; and models
that compete with the teacher's maker."""

_CANARY_TERMS = {"canary without a permission": -1, "control with every permission": 3}
"""Models of planted rows, and how far their terms reach: nowhere, and everywhere."""
_FORBIDDING, _ALLOWING = _CANARY_TERMS
_UNDECLARED = "canary whose terms nobody declared"


@gate("terms", version="1", reads=())
def terms(resources: Resources, *, purpose: Purpose = "commercial") -> Judge:
    """A judge that rejects rows of a model whose declared terms do not allow the `purpose` of the pack.

    Every model that worked on a row counts: its teacher, and those that judged or rewrote it. A row of a
    model without declared terms is rejected too, and one on which no model worked is abstained on. The terms
    are the recipe's words (docs/recipe.md), and nothing here reads a licence.
    """
    declared = resources.terms
    reach = {name: rank_terms(told.get("output")) for name, told in declared.items()}
    return Judge(
        judge=partial(_judge, reach={**reach, **_CANARY_TERMS}, needed=PURPOSES.index(purpose)),
        facts={"purpose": purpose, "declared": {name: dict(told) for name, told in sorted(declared.items())}},
        plant=_plant,
        control=_plant_allowed,
        alone="it needs the terms that the recipe declares",
    )


def _judge(table: pa.Table, _: State, *, reach: Mapping[str, int], needed: int) -> pa.Table:
    said = [_settle(row, needed) for row in _find_strictest(table, reach)]
    return build_verdicts(
        table["row_id"],
        "terms",
        [outcome for outcome, *_ in said],
        reasons=[reason for _, reason, _, _ in said],
        reason_classes=[reason_class for _, _, reason_class, _ in said],
        evidence=[evidence for *_, evidence in said],
    )


def _settle(found: tuple[str, int] | None, needed: int) -> tuple[str, str | None, str | None, str | None]:
    """Outcome, reason, its class, and evidence of a row whose strictest model is `found`."""
    if found is None:
        return "abstain", "no model worked on the row", "terms.no_model", None
    name, reach = found
    if reach == _NO_TERMS:
        return "reject", f"nobody declared the terms of {name}", "terms.undeclared", None
    told = TERMS[reach] if reach >= 0 else "none"
    evidence = canonical_text({"counts": {f"rows_{told.replace('-', '_')}": 1}, "model": name, "terms": told})
    if reach < needed:
        reason = f"the terms of {name} ({told}) do not allow this purpose: {PURPOSES[needed]}"
        return "reject", reason, "terms.forbidden", evidence
    return "accept", None, None, evidence


_NO_TERMS = -2
"""Stricter than any terms: nobody declared them."""


def _find_strictest(table: pa.Table, reach: Mapping[str, int]) -> list[tuple[str, int] | None]:
    """Of each row the model with the strictest terms and how far these reach; None where no model worked."""
    import polars as pl

    rows = pl.DataFrame({"row": range(len(table))}, schema={"row": pl.Int64})
    worked = _list_models(table)
    known = pl.DataFrame(
        {"key": list(reach), "reach": list(reach.values())}, schema={"key": pl.String, "reach": pl.Int64}
    )
    by_digest, by_name = (known.rename({"key": key, "reach": f"by_{key}"}) for key in ("digest", "name"))
    strictest = (
        worked.join(by_digest, on="digest", how="left")
        .join(by_name, on="name", how="left")
        .with_columns(
            reach=pl.coalesce("by_digest", "by_name", pl.lit(_NO_TERMS)),
            name=pl.coalesce("name", "digest"),
        )
        .sort("row", "reach", "name")
        .group_by("row", maintain_order=True)
        .first()
    )
    told = rows.join(strictest.select("row", "name", "reach"), on="row", how="left", maintain_order="left")
    return [None if name is None else (name, last) for _, name, last in told.iter_rows()]


def _list_models(table: pa.Table) -> "pl.DataFrame":
    """One line for each model of a row: `row`, `name`, `digest`."""
    import polars as pl

    shape = {"row": pl.Int64, "name": pl.String, "digest": pl.String}
    frame = pl.DataFrame(
        {
            "row": range(len(table)),
            "name": table["teacher"].to_pylist(),
            "digest": table["teacher_digest"].to_pylist(),
        },
        schema=shape,
    )
    column = table["models"].combine_chunks()
    others = column.flatten()
    parents = pc.list_parent_indices(column)
    more = pl.DataFrame(
        {
            "row": parents.to_pylist(),
            "name": pc.struct_field(others, "name").to_pylist(),
            "digest": pc.struct_field(others, "digest").to_pylist(),
        },
        schema=shape,
    )
    return pl.concat([frame, more]).filter(pl.col("name").is_not_null() | pl.col("digest").is_not_null())


def _plant(sample: pa.Table, n: int, _: int) -> pa.Table:
    """Rows of a model that forbids all, and of one whose terms are not declared."""
    kinds = (("forbidden", _FORBIDDING), ("undeclared", _UNDECLARED))
    rows = [
        {
            **build_canary(row["kind"], _take_messages(row), f"its model: {kind}", draw, kind=kind),
            "teacher": model,
        }
        for kind, model in kinds
        for draw, row in _repeat(sample, n)
    ]
    return build_candidates(rows)


def _plant_allowed(sample: pa.Table, n: int, _: int) -> pa.Table:
    """Rows of a model that allows all."""
    rows = [
        {**build_control(row["kind"], _take_messages(row), "allowed", draw), "teacher": _ALLOWING}
        for draw, row in _repeat(sample, n)
    ]
    return build_candidates(rows)


def _repeat(sample: pa.Table, n: int) -> list[tuple[int, dict[str, Any]]]:
    """`n` rows of the sample in turn, each with its number."""
    rows = sample.select(["kind", "messages", "text"]).slice(0, n).to_pylist()
    return [(draw, rows[draw % len(rows)]) for draw in range(n)] if rows else []


def _take_messages(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    if row["messages"]:
        return [{"role": said["role"], "content": said["content"]} for said in row["messages"]]
    return [{"role": "text", "content": row["text"] or ""}]
