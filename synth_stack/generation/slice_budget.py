"""The long tail: from an evaluation report to a budget of rows per slice.

A slice gets rows in proportion to how far its score lies below the goal, within a floor and a cap. Scores
are read as the decimals that they are written as, and all arithmetic is exact: the budget in a lock can be
worked out again.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, InputError
from synth_stack.inputs.recipe import ReportUse
from synth_stack.inputs.records import Record, read_strictly, require_text
from synth_stack.registry import suggest
from synth_stack.rows.canonical import digest_bytes
from synth_stack.stats.apportion import round_shares

MAX_REPORT_BYTES = 64 * 1024 * 1024
"""A line a slice is a few dozen bytes: a larger file is no report."""
MAX_N = 10**12
DEFICIT_DIGITS = 6
"""Deficits are rounded to so many decimal places before rows are shared out, and recorded so."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[0-9]{1,13}")


@dataclass(frozen=True, slots=True)
class SliceScore:
    """What a report says of one slice: `n` items were tried, `score` is their mean, 0 to 1."""

    slice: str
    n: int
    score: Decimal


@dataclass(frozen=True, slots=True)
class SliceBudget:
    """The rows of one slice; `deficit` is what its shrunk score lacks to the goal."""

    slice: str
    n: int
    score: Decimal
    deficit: Decimal
    rows: int


def read_report(report: ReportUse, slices: Sequence[str]) -> tuple[SliceScore, ...]:
    """The scores of a report in its order; `slices` are those that have seeds.

    Raises InputError with the line for a slice without seeds or named twice, a score that is no number of 0
    to 1 and an `n` that is no count, and for a file that cannot be read, names no slice or counts no items.
    """
    path = Path(report.path)
    known = dict.fromkeys(slices)
    places: dict[str, str] = {}
    scores: list[SliceScore] = []
    _check_file(path)
    for place, record in read_strictly(path, max_bytes=MAX_REPORT_BYTES):
        where = f"{path}: {place}"
        slice_ = require_text(record, report.slice_column, where=where).strip()
        if slice_ not in known:
            raise InputError(
                f"{where}: no seed is of this slice",
                seen=slice_,
                allowed=_list_some(slices),
                mend=suggest(slice_, known),
            )
        if slice_ in places:
            raise InputError(f"{where}: the slice stands already on {places[slice_]}", seen=slice_)
        places[slice_] = place
        n = _read_count(_take(record, report.n_column, where), f"{where}: {report.n_column}")
        score = _read_score(_take(record, report.score_column, where), f"{where}: {report.score_column}")
        scores.append(SliceScore(slice_, n, score))
    if not scores:
        raise InputError(f"{path} names no slice", mend="Give at least one slice with its score.")
    if not any(score.n for score in scores):
        raise InputError(f"{path}: no slice has an item: {report.n_column} is 0 on every line")
    return tuple(scores)


def plan_budget(scores: Sequence[SliceScore], total: int, report: ReportUse) -> tuple[SliceBudget, ...]:
    """`total` rows shared out over the slices of a report, the slice with the largest deficit first.

    A slice of few items may score low by chance, so its score is drawn to the mean of all items as if
    `prior_n` more of them had been tried (after Efron & Morris 1975, section 2,
    doi:10.1080/01621459.1975.10479864): deficit = goal - (n * score + prior_n * mean) / (n + prior_n). Each
    slice with a deficit gets rows in proportion to it, at least `floor` and at most `cap`; a larger deficit
    never gets fewer. What remains of fractions goes by largest remainder. A slice at its goal gets none.

    Raises InputError for a report in which every slice is at its goal, ConfigError for a floor or cap that
    cannot be kept.
    """
    deficits = _measure_deficits(scores, report)
    order = sorted(range(len(scores)), key=lambda i: (-deficits[i], scores[i].slice))
    short = [i for i in order if deficits[i] > 0]
    if not short:
        raise InputError(
            f"{report.path}: every slice is at its goal of {report.goal:g}, so there is nothing to aim at",
            mend="Raise generate.report.goal, or leave generate.report out.",
        )
    cap = check_bounds(report.floor, report.cap, len(short), total, key="generate.report")
    rows = dict(
        zip(short, share_by_deficit([deficits[i] for i in short], total, report.floor, cap), strict=True)
    )
    return tuple(
        SliceBudget(
            scores[i].slice,
            scores[i].n,
            scores[i].score,
            Decimal(deficits[i]).scaleb(-DEFICIT_DIGITS),
            rows.get(i, 0),
        )
        for i in order
    )


def record_budget(report: ReportUse, budget: Sequence[SliceBudget]) -> dict[str, Any]:
    """What the lock of a run says of its report: the file's digest, never its place, and the budget."""
    return {
        "sha256": digest_bytes(Path(report.path).read_bytes()),
        "goal": repr(report.goal),
        "floor": report.floor,
        "cap": report.cap,
        "prior_n": report.prior_n,
        "slices": [
            {
                "slice": share.slice,
                "n": share.n,
                "score": str(share.score),
                "deficit": str(share.deficit),
                "rows": share.rows,
            }
            for share in budget
        ],
    }


def _measure_deficits(scores: Sequence[SliceScore], report: ReportUse) -> list[int]:
    """The deficit of each score in units of the last digit that is kept; 0 for a slice at its goal."""
    items = sum(score.n for score in scores)
    mean = sum(score.n * Fraction(score.score) for score in scores) / items
    goal = Fraction(repr(report.goal))
    deficits: list[int] = []
    for score in scores:
        weight = score.n + report.prior_n
        shrunk = (score.n * Fraction(score.score) + report.prior_n * mean) / weight if weight else mean
        deficits.append(max(0, round((goal - shrunk) * 10**DEFICIT_DIGITS)))
    return deficits


def check_bounds(floor: int, cap: int | None, short: int, total: int, *, key: str) -> int:
    """The cap that holds for a run of `total` rows over `short` slices.

    Raises ConfigError, naming the recipe's `key`, for a floor or cap that cannot be kept.
    """
    if cap is not None and floor > cap:
        raise ConfigError(
            f"{key}: the floor is above the cap", seen=f"floor {floor}, cap {cap}", mend=f"Lower {key}.floor."
        )
    if floor * short > total:
        raise ConfigError(
            f"{key}: a floor of {floor} for each of {short} slices below goal is too much",
            seen=f"{floor * short} rows of {total}",
            mend=f"Make more rows, or lower {key}.floor.",
        )
    if cap is not None and cap * short < total:
        raise ConfigError(
            f"{key}: a cap of {cap} for each of {short} slices below goal is too low",
            seen=f"{cap * short} rows of {total}",
            mend=f"Make fewer rows, or raise {key}.cap.",
        )
    return total if cap is None else cap


def share_by_deficit(deficits: Sequence[int], total: int, floor: int, cap: int) -> list[int]:
    """Whole numbers that add up to `total`, each `level * deficit` within floor and cap; deficits descend.

    What all slices get rises with the level, straight between the marks at which one of them leaves its floor
    or meets its cap; so the level is found between two marks.
    """

    def pour(level: Fraction) -> list[Fraction]:
        return [min(max(level * deficit, Fraction(floor)), Fraction(cap)) for deficit in deficits]

    marks = sorted({Fraction(bound, deficit) for deficit in deficits for bound in (floor, cap)})
    level = marks[bisect_right(marks, Fraction(total), key=lambda mark: _add(pour(mark))) - 1]
    rising = sum(d for d in deficits if Fraction(floor, d) <= level < Fraction(cap, d))
    if rising:
        level += (total - _add(pour(level))) / rising
    return round_shares(pour(level), total)


def _add(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction())


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} is not a file", mend="Check the path.")
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise InputError(
            f"{path} is too large for a report",
            seen=f"{path.stat().st_size} bytes",
            allowed=f"at most {MAX_REPORT_BYTES}",
        )


def _take(record: Record, column: str, where: str) -> Any:
    if column not in record:
        raise InputError(
            f"{where}: there is no column {column!r}",
            allowed=", ".join(map(str, record)) or "no columns",
            mend=suggest(column, record),
        )
    value = record[column]
    return value.strip() if isinstance(value, str) else value


def _read_count(value: Any, where: str) -> int:
    """A count that is a whole number, or the text of one. Raises InputError."""
    counts = isinstance(value, int) and not isinstance(value, bool)
    if not counts and not (isinstance(value, str) and _WHOLE.fullmatch(value)):
        raise InputError(f"{where} is not a count", seen=value, allowed=f"a whole number of 0 to {MAX_N}")
    if not 0 <= int(value) <= MAX_N:
        raise InputError(f"{where} is out of range", seen=value, allowed=f"a whole number of 0 to {MAX_N}")
    return int(value)


def _read_score(value: Any, where: str) -> Decimal:
    """A score as the decimal that it is written as. Raises InputError."""
    score = _read_decimal(value)
    if score is None or not 0 <= score <= 1:
        percent = _read_decimal(value.rstrip("% ")) if isinstance(value, str) else score
        percentage = percent is not None and 1 < percent <= 100
        raise InputError(
            f"{where} is {'not a number' if score is None else 'out of range'}",
            seen=value,
            allowed="0 to 1",
            mend=f"Is that a percentage? Write {percent / 100:f}." if percent and percentage else None,
        )
    return score


def _read_decimal(value: Any) -> Decimal | None:
    """A number, or the text of one, as it is written; None for anything else, NaN and infinity among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _list_some(names: Sequence[str], limit: int = 5) -> str:
    more = len(names) - limit
    return ", ".join(islice(names, limit)) + (f" and {more} more" if more > 0 else "")
