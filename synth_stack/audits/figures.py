"""Rates of defects with exact intervals: over all rows, by gate and reason, by group and by source."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from synth_stack.audits.evidence import READER, AuditEvidence
from synth_stack.audits.labels import add_up, correct_rate
from synth_stack.stats.intervals import clopper_pearson

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]

DIGITS = 6
"""Shares are rounded to so many decimals: a row in a million, and the same on every machine."""
MAX_GROUPS = 60
"""Groups that are listed; a column may name every row, and those after so many are one line."""
EXAMPLES = 3
EXCERPT_CHARS = 240
HARMS = ("people", "exams", "truth", "form", "spread")


def measure_rate(count: int, rows: int) -> Json:
    """`count` of `rows` with the exact 95% interval of the share behind it (Clopper and Pearson 1934)."""
    low, high = clopper_pearson(count, rows)
    share = count / rows if rows else None
    return {
        "count": count,
        "rows": rows,
        "share": None if share is None else round(share, DIGITS),
        "low": round(low, DIGITS),
        "high": round(high, DIGITS),
    }


def measure_overall(evidence: AuditEvidence) -> Json:
    """Rows with a defect of any kind, and the rate corrected for the gates' error where labels measure it."""
    import polars as pl

    away = evidence.flags["row_id"].n_unique()
    rejected = evidence.flags.filter(pl.col("outcome") == "reject")["row_id"].n_unique()
    whole = not is_sampled(evidence)
    corrected = correct_rate(away, evidence.size, add_up(evidence.settings.labels), whole=whole)
    return {
        "defects": measure_rate(away, evidence.size),
        "rejected": rejected,
        "held": away - rejected,
        "clean": evidence.size - away,
        "corrected": None
        if corrected is None
        else {
            "share": round(corrected.share, DIGITS),
            "low": round(corrected.low, DIGITS),
            "high": round(corrected.high, DIGITS),
            "right": corrected.right,
            "judged": corrected.judged,
            "missed": corrected.missed,
            "passed": corrected.passed,
        },
    }


def is_sampled(evidence: AuditEvidence) -> bool:
    """Whether a sample was judged in the place of all rows."""
    return evidence.run.recipe._value.get("source", {}).get("sample") is not None


def measure_gates(evidence: AuditEvidence) -> list[Json]:
    """Each gate in the order of work: what it looked at, what it turned away, its reasons, its self-test.

    The rate of a gate is of the rows that it looked at and had something to say of.
    """
    import polars as pl

    tests = {test.gate: test for test in evidence.run.self_tests}
    told: list[Json] = []
    names = [*evidence.work, *([READER] if evidence.flags["gate"].eq(READER).any() else [])]
    for name in names:
        mine = evidence.flags.filter(pl.col("gate") == name)
        work = evidence.work.get(name)
        looked, abstained = (evidence.size, 0) if work is None else (work.looked_at, work.abstained)
        judged = looked - abstained
        known = evidence.settings.known.get(name)
        test = tests.get(name)
        labels = evidence.settings.labels.get(name, {}).get("away")
        told.append(
            {
                "gate": name,
                "harm": "form" if known is None else known["harm"],
                "looked_at": looked,
                "abstained": abstained,
                "rate": measure_rate(mine["row_id"].n_unique(), judged),
                "reasons": _measure_reasons(mine, evidence.rows, judged),
                "self_test": None if test is None else _tell_test(test),
                "right": None if labels is None else measure_rate(*labels),
            }
        )
    return told


def _measure_reasons(flags: "pl.DataFrame", rows: "pl.DataFrame", judged: int) -> list[Json]:
    import polars as pl

    groups = flags.group_by("reason_class", "outcome").agg(count=pl.col("row_id").n_unique())
    ranked = groups.sort(["count", "reason_class", "outcome"], descending=[True, False, False])
    return [
        {
            "reason_class": group["reason_class"],
            "outcome": group["outcome"],
            "rate": measure_rate(group["count"], judged),
            "examples": list_examples(
                flags.filter(
                    pl.col("reason_class").eq_missing(pl.lit(group["reason_class"])),
                    pl.col("outcome") == group["outcome"],
                ),
                rows,
            ),
        }
        for group in ranked.to_dicts()
    ]


def list_examples(flags: "pl.DataFrame", rows: "pl.DataFrame", most: int = EXAMPLES) -> list[Json]:
    """Up to `most` rows of `flags`, those of the highest score first: id, place, reason and a part of the
    text.
    """
    import polars as pl

    chosen = flags.unique("row_id", keep="first", maintain_order=True)
    ranked = chosen.join(rows.select("row_id", "draw", "text", "split"), on="row_id", how="left")
    ranked = ranked.sort(["score", "draw", "row_id"], descending=[True, False, False], nulls_last=True).head(
        most
    )
    return [
        {
            "row_id": row["row_id"],
            "position": row["draw"] + 1,
            "split": row["split"],
            "reason": cut(row["reason"]),
            "text": cut(row["text"]),
            **{key: row[key] for key in ("eval_set", "item", "twin") if row.get(key) is not None},
        }
        for row in ranked.with_columns(pl.col("draw").cast(pl.Int64)).to_dicts()
    ]


def cut(text: str | None) -> str | None:
    """The beginning of a text, for people to look at."""
    if text is None or len(text) <= EXCERPT_CHARS:
        return text
    return text[: EXCERPT_CHARS - 1] + "…"


def measure_groups(evidence: AuditEvidence, column: str) -> Json | None:
    """The rate of each group of a column (`group`, `source`), the largest first; None without names."""
    import polars as pl

    if evidence.rows[column].null_count() == evidence.size:
        return None
    away = evidence.flags.select("row_id").unique().with_columns(away=pl.lit(value=True))
    rows = evidence.rows.select("row_id", column).join(away, on="row_id", how="left")
    counted = rows.group_by(column).agg(n=pl.len(), away=pl.col("away").sum())
    ranked = counted.sort(["n", column], descending=[True, False], nulls_last=True)
    by_gate = (
        evidence.flags.join(evidence.rows.select("row_id", column), on="row_id", how="left")
        .group_by(column, "gate")
        .agg(count=pl.col("row_id").n_unique())
        .sort("count", "gate", descending=[True, False])
    )
    groups = [
        {
            "name": group[column],
            "rate": measure_rate(group["away"], group["n"]),
            "gates": _list_counts(by_gate.filter(pl.col(column).eq_missing(pl.lit(group[column])))),
        }
        for group in ranked.head(MAX_GROUPS).to_dicts()
    ]
    rest = ranked.slice(MAX_GROUPS)
    return {
        "groups": groups,
        "folded": rest.height,
        "rest": measure_rate(int(rest["away"].sum()), int(rest["n"].sum())) if rest.height else None,
    }


def _list_counts(counts: "pl.DataFrame") -> Json:
    return {row["gate"]: row["count"] for row in counts.to_dicts()}


def _tell_test(test: Any) -> Json:
    return {
        "failed": test.failed,
        "canaries": sum(kind.planted for kind in test.canaries),
        "caught": sum(kind.caught for kind in test.canaries),
        "controls": sum(kind.planted for kind in test.controls),
        "turned_away": sum(kind.turned_away for kind in test.controls),
        "off": list(test.off),
        "says": test.describe() if test.failed else None,
    }


def list_names(values: Sequence[Any], most: int = 8) -> str:
    """Names in a line, the first ones where there are many."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
