"""The verdicts of people: what was read row by row, and what lots make of rows that nobody read.

verdicts/review/part-answers.parquet   one for each row that reviewers settled, scope row
verdicts/review/part-lots.parquet      one for every other row of a lot, scope lot
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from synth_stack.decisions.decide import PERSON
from synth_stack.errors import InputError
from synth_stack.files import read_table, write_table
from synth_stack.review.judgements import Judgement
from synth_stack.review.lot_decisions import LotDecision
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import REASON_CLASS, VERDICT_SCHEMA, build_verdicts

if TYPE_CHECKING:
    import polars as pl

ANSWERED = "part-answers.parquet"
LOTTED = "part-lots.parquet"

_OUTCOMES = {
    "passed": "accept",
    "skipped": "accept",
    "failed": "reject",
    "waiting": "hold",
    "screening": "hold",
    "screened": None,
}


def judge_rows(judgements: Mapping[str, Judgement]) -> pa.Table:
    """A verdict for each settled row, VERDICT_SCHEMA, sorted by row_id. It has no free text of a reviewer."""
    settled = sorted((row_id, said) for row_id, said in judgements.items() if said.verdict is not None)
    said = [judgement for _, judgement in settled]
    rejects = [one.verdict == "reject" for one in said]
    return build_verdicts(
        pa.array([row_id for row_id, _ in settled], pa.string()),
        PERSON,
        ["reject" if is_reject else "accept" for is_reject in rejects],
        reasons=[_describe(one) for one in said],
        reason_classes=[
            _classify(one) if is_reject else None for one, is_reject in zip(said, rejects, strict=True)
        ],
        evidence=[
            canonical_text(
                {"answers": list(one.answers), "reviewers": list(one.reviewers), "by": one.by or ""}
            )
            for one in said
        ],
    )


def judge_lots(
    rows: "pl.DataFrame", decisions: Iterable[LotDecision], *, hold: bool, read: pa.Table
) -> pa.Table:
    """A verdict for each row of `rows` (`row_id`, `lot`) by what became of its lot, in their order.

    A row that people settled (`read`, verdicts) keeps its own alone, except a released one of a lot that
    failed or waits, which gets that of its lot instead. A lot that waits holds its rows, or says nothing
    without `hold`.
    """
    import polars as pl

    told = [
        {
            "lot": one.lot,
            "outcome": _OUTCOMES[one.status] if one.status != "waiting" or hold else None,
            "reason": one.describe(),
            "reason_class": _LOT_CLASSES.get(one.status),
            "evidence": canonical_text(
                {"lot": one.lot, "rows": one.rows, "read": one.read, "defects": one.defects}
            ),
        }
        for one in decisions
    ]
    schema = dict.fromkeys(("lot", "outcome", "reason", "reason_class", "evidence"), pl.String)
    lots = pl.DataFrame(told, schema=schema).filter(pl.col("outcome").is_not_null())
    own = pl.DataFrame(read.select(["row_id", "outcome"])).rename({"outcome": "own"})
    said = rows.join(lots, on="lot", how="inner", maintain_order="left").join(
        own, on="row_id", how="left", maintain_order="left"
    )
    screens = pl.col("reason_class").eq_missing(_LOT_CLASSES["screening"])
    keeps = (pl.col("own") == "reject") | (
        (pl.col("own") == "accept") & ((pl.col("outcome") == "accept") | screens)
    )
    said = said.filter(~keeps.fill_null(value=False)).with_columns(
        gate=pl.lit(PERSON),
        score=pl.lit(None, pl.Float64),
        threshold=pl.lit(None, pl.Float64),
        scope=pl.lit("lot"),
    )
    return said.select(VERDICT_SCHEMA.names).to_arrow().cast(VERDICT_SCHEMA).combine_chunks()


_LOT_CLASSES = {
    "failed": f"{PERSON}.lot_rejected",
    "waiting": f"{PERSON}.lot_waits",
    "screening": f"{PERSON}.lot_screened",
}


def write_verdicts(folder: Path, answered: pa.Table, lotted: pa.Table) -> None:
    """Put the verdicts of people into the run at `folder`, those that are overruled first away."""
    place = folder / "verdicts" / PERSON
    for name, table in ((ANSWERED, answered), (LOTTED, lotted)):
        if len(table):
            write_table(place / name, table)
        else:
            (place / name).unlink(missing_ok=True)


def holds_verdicts(folder: Path, answered: pa.Table, lotted: pa.Table) -> bool:
    """Whether these are the verdicts of people that lie in the run at `folder`."""
    place = folder / "verdicts" / PERSON
    for name, table in ((ANSWERED, answered), (LOTTED, lotted)):
        found = read_table(place / name, VERDICT_SCHEMA) if (place / name).exists() else table.slice(0, 0)
        if not found.equals(table):
            return False
    return True


def refuse_other_verdicts(folder: Path) -> None:
    """Raises InputError where people left verdicts that no answer and no replaced row bears out."""
    place = folder / "verdicts" / PERSON
    known = (ANSWERED, LOTTED)
    others = sorted(
        path.name
        for path in place.glob("*.parquet")
        if path.name not in known and not path.name.startswith("part-replaced-")
    )
    if others:
        raise InputError(
            f"{place} holds verdicts of people beside those of a review",
            seen=others[0],
            mend="Give them as answers on a plan: synth-stack review rows RUN --json.",
        )


def _describe(one: Judgement) -> str:
    verb = "released" if one.verdict == "release" else "rejected"
    who = "an adjudicator" if one.by == "adjudicator" else _count_reviewers(len(one.reviewers))
    kind = f" as {one.defect}" if one.defect else ""
    return f"{who} {verb} it{kind}{f', {one.severity}' if one.severity else ''}"


def _count_reviewers(n: int) -> str:
    return "a reviewer" if n == 1 else f"{n} reviewers"


def _classify(one: Judgement) -> str:
    code = f"{PERSON}.{(one.defect or 'rejected').replace('-', '_')}"
    return code if re.fullmatch(REASON_CLASS, code) else f"{PERSON}.rejected"
