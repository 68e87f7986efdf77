"""The figures of one run: funnel, reasons, groups and score histograms, computed column by column.

The report, the terminal table and the dataset card all read the same `Figures`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.decisions.histograms import Codes, Histogram, Scores, build_histogram, read_scores
from synth_stack.errors import StoreError
from synth_stack.rows.replacements import mark_replacements
from synth_stack.rows.schemas import DECISIONS, OUTCOMES
from synth_stack.runs.self_tests import SelfTest

FIGURES_SCHEME = "synth_stack/figures/v2"

MAX_GROUPS = 500
"""A foreign column may name every row; beyond this many names the smallest are folded into one line."""

_LABELS = pa.schema([(name, pa.string()) for name in ("row_id", "parent_id", "slice", "locale", "generator")])
_GROUPED = ("slice", "generator", "locale")
_DECISIONS = pa.schema(
    [(name, pa.string()) for name in ("row_id", "decision", "gate", "reason_class", "replaced_by")]
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One gate: what it said of the rows it looked at, and what became of the rows that reached it.

    `looked_at` and the four outcomes count its verdicts. `entered` counts the rows that no earlier stage
    had decided; `rejected` and `held` those that this one decided; `passed` the rest, and `pass_rate` is
    passed / entered (None when nothing entered). Verdicts and decisions differ where a gate also scored
    rows that were already decided.
    """

    gate: str
    looked_at: int
    accept: int
    reject: int
    hold: int
    abstain: int
    entered: int
    rejected: int
    held: int
    passed: int
    pass_rate: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """`count` rows that `gate` rejected or held for one class of reason.

    `reason_class` is None where none was given, and also on the one line that stands for `folded` rare
    classes together.
    """

    gate: str | None
    decision: str
    reason_class: str | None
    count: int
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one slice, generator or locale; `acceptance_rate` is accepted / n.

    `name` is None for rows without one, and on the one line that stands for `folded` small groups.
    """

    name: str | None
    n: int
    accepted: int
    rejected: int
    held: int
    acceptance_rate: float
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """Every figure of a run. `undecided` rows have no decision (yet); the other three decide the rest.

    `generated` are the rows that were made or read, and `replacements` those that stand for some of them
    (redacted copies, say), which were judged too. `funnel` is in the order of work; groups by size, then
    name; reasons by count; histograms only for gates that gave a score; `canaries` in the order of work, for
    gates that plant them. `acceptance_rate` is accepted / rows, None for an empty run.
    """

    generated: int
    accepted: int
    rejected: int
    held: int
    undecided: int
    acceptance_rate: float | None
    funnel: tuple[Stage, ...]
    reasons: tuple[Reason, ...]
    slices: tuple[Group, ...]
    generators: tuple[Group, ...]
    locales: tuple[Group, ...]
    histograms: tuple[Histogram, ...]
    replacements: int = 0
    self_tests: tuple[SelfTest, ...] = ()

    @property
    def rows(self) -> int:
        """Every row that was judged: those that were generated and their replacements."""
        return self.generated + self.replacements

    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many were decided how."""
        return {
            "generated": self.generated,
            "replacements": self.replacements,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "held": self.held,
        }

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values, with the name of their scheme."""
        plain: dict[str, Any] = orjson.loads(orjson.dumps(self))
        return {"scheme": FIGURES_SCHEME, "rows": self.rows, **plain}


def compute_figures(
    candidates: Iterable[pa.Table],
    verdicts: Mapping[str, Iterable[pa.Table]],
    decisions: pa.Table,
    self_tests: Iterable[SelfTest] = (),
) -> Figures:
    """The figures of a run from its candidate parts, its verdict parts by gate in order, its decisions, and
    how the gates did in their self-tests (runs/self_tests.py).

    Each part is read once and let go; what stays is some 80 bytes a row and 9 a score.
    Raises StoreError where the tables do not belong together.
    """
    decided = decisions.select(_DECISIONS.names).cast(_DECISIONS)
    counted = _count_rows(candidates, decided)
    totals = _count(decided["decision"], allowed=DECISIONS, what="the decisions hold an unknown decision")
    strays = decided.filter(_is_stray(decided, list(verdicts)))
    tallies = [_tally_gate(gate, parts, strays["row_id"]) for gate, parts in verdicts.items()]
    return Figures(
        generated=counted.rows - counted.replacements,
        accepted=totals["accepted"],
        rejected=totals["rejected"],
        held=totals["held"],
        undecided=counted.rows - totals.total(),
        acceptance_rate=_rate(totals["accepted"], counted.rows),
        funnel=_build_funnel(counted.rows, tallies, strays, decided),
        reasons=_count_reasons(decided),
        slices=_list_groups(counted.groups["slice"]),
        generators=_list_groups(counted.groups["generator"]),
        locales=_list_groups(counted.groups["locale"]),
        histograms=tuple(t.histogram for t in tallies if t.histogram.scored),
        replacements=counted.replacements,
        self_tests=tuple(self_tests),
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """The rows of a run, how many of them replace others, and (name, decision) of each column's groups."""

    rows: int
    replacements: int
    groups: Mapping[str, Counter[tuple[Any, ...]]]


def _count_rows(candidates: Iterable[pa.Table], decided: pa.Table) -> _Counted:
    replaced = decided.filter(pc.is_valid(decided["replaced_by"]))
    groups: dict[str, Counter[tuple[Any, ...]]] = {name: Counter() for name in _GROUPED}
    rows = replacements = matched = 0
    for part, decision in _join_decisions(candidates, decided):
        replacements += pc.sum(mark_replacements(part, replaced)).as_py() or 0
        labels = part.append_column("decision", decision)
        for name, counts in groups.items():
            counts.update(_count_by(labels, [name, "decision"]))
        matched += len(decision) - decision.null_count
        rows += len(part)
    if matched != decided.num_rows:
        raise StoreError(
            "the decisions do not belong to these candidates",
            seen=f"{decided.num_rows} decisions, {matched} candidates that one of them names",
            allowed="one decision per candidate at most, and none for a row that is not there",
            mend="Point to the candidates and decisions of one run.",
        )
    return _Counted(rows, replacements, groups)


def _join_decisions(
    candidates: Iterable[pa.Table], decided: pa.Table
) -> Iterator[tuple[pa.Table, pa.ChunkedArray]]:
    """Each part with the decisions on its rows, null for none: as a rule those that stand next."""
    ids: pa.Array | None = None
    first = 0
    for candidate in candidates:
        part = candidate.select(_LABELS.names).cast(_LABELS)
        own = decided.slice(first, len(part))
        if ids is None and own["row_id"].equals(part["row_id"]):
            first += len(part)
            yield part, own["decision"]
            continue
        ids = decided["row_id"].combine_chunks() if ids is None else ids
        yield part, decided["decision"].take(pc.index_in(part["row_id"], value_set=ids))


@dataclass(frozen=True, slots=True)
class _Tally:
    gate: str
    outcomes: Counter[str]
    histogram: Histogram
    saw_stray: npt.NDArray[np.bool_]


def _count(column: pa.ChunkedArray, *, allowed: tuple[str, ...], what: str) -> Counter[str]:
    pairs = pc.value_counts(column.drop_null()).to_pylist()
    counts = Counter({pair["values"]: pair["counts"] for pair in pairs})
    unknown = sorted(set(counts) - set(allowed))
    if unknown:
        raise StoreError(what, seen=unknown[0], allowed=", ".join(allowed))
    return counts


def _is_stray(decided: pa.Table, gates: list[str]) -> pa.ChunkedArray:
    """True for a rejected or held row whose deciding stage left no verdicts: a reader, or a reviewer."""
    turned_away = pc.not_equal(decided["decision"], "accepted")
    return pc.and_(turned_away, pc.invert(pc.is_in(decided["gate"], value_set=pa.array(gates, pa.string()))))


def _tally_gate(gate: str, parts: Iterable[pa.Table], stray_ids: pa.ChunkedArray) -> _Tally:
    outcomes: Counter[str] = Counter()
    thresholds: Counter[float] = Counter()
    scores: list[tuple[Scores, Codes]] = []
    saw_stray = np.zeros(len(stray_ids), dtype=np.bool_)
    for part in parts:
        outcomes += _count(part["outcome"], allowed=OUTCOMES, what=f"gate {gate} gave an unknown outcome")
        for pair in pc.value_counts(part["threshold"].drop_null()).to_pylist():
            thresholds[pair["values"]] += pair["counts"]
        scores.append(read_scores(part))
        if len(stray_ids):
            saw_stray |= pc.is_in(stray_ids, value_set=part["row_id"].combine_chunks()).to_numpy()
    histogram = build_histogram(gate, scores, thresholds, verdicts=outcomes.total())
    return _Tally(gate, outcomes, histogram, saw_stray)


def _build_funnel(rows: int, tallies: list[_Tally], strays: pa.Table, decided: pa.Table) -> tuple[Stage, ...]:
    """Every stage in the order of work. A stage without verdicts stands first when no gate looked at any
    of its rows (they never reached one), and last otherwise.
    """
    stray_names = strays["gate"].to_pylist()
    seen = np.zeros(strays.num_rows, dtype=np.bool_)
    for tally in tallies:
        seen |= tally.saw_stray
    late = {name for name, was_seen in zip(stray_names, seen, strict=True) if was_seen}
    names = list(dict.fromkeys(stray_names))
    outcomes = {tally.gate: tally.outcomes for tally in tallies}
    order = [n for n in names if n not in late] + list(outcomes) + [n for n in names if n in late]
    turned_away = _count_by(decided, ["gate", "decision"])
    stages: list[Stage] = []
    entered = rows
    for name in order:
        rejected, held = turned_away[name, "rejected"], turned_away[name, "held"]
        passed = entered - rejected - held
        stages.append(
            Stage(
                gate="no gate named" if name is None else name,
                **_count_outcomes(outcomes.get(name, Counter())),
                entered=entered,
                rejected=rejected,
                held=held,
                passed=passed,
                pass_rate=_rate(passed, entered),
            )
        )
        entered = passed
    return tuple(stages)


def _count_outcomes(said: Counter[str]) -> dict[str, int]:
    return {"looked_at": said.total(), **{outcome: said[outcome] for outcome in OUTCOMES}}


def _count_reasons(decided: pa.Table) -> tuple[Reason, ...]:
    away = decided.filter(pc.not_equal(decided["decision"], "accepted"))
    counts = _count_by(away, ["gate", "decision", "reason_class"])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], [str(key) for key in item[0]]))
    rare: Counter[tuple[Any, ...]] = Counter()
    classes: Counter[tuple[Any, ...]] = Counter()
    for (gate, decision, _), count in ranked[MAX_GROUPS:]:
        rare[gate, decision] += count
        classes[gate, decision] += 1
    return (
        *(Reason(gate, decision, name, n) for (gate, decision, name), n in ranked[:MAX_GROUPS]),
        *(
            Reason(gate, decision, None, n, folded=classes[gate, decision])
            for (gate, decision), n in rare.items()
        ),
    )


def _list_groups(counted: Counter[tuple[Any, ...]]) -> tuple[Group, ...]:
    by_name: dict[str | None, Counter[str]] = {}
    for (name, decision), count in counted.items():
        by_name.setdefault(name, Counter())[decision or "undecided"] += count
    ranked = sorted(by_name.items(), key=lambda item: (-item[1].total(), item[0] is None, str(item[0])))
    groups = [_group(name, counts) for name, counts in ranked[:MAX_GROUPS]]
    small = ranked[MAX_GROUPS:]
    if small:
        together = sum((counts for _, counts in small), Counter[str]())
        groups.append(_group(None, together, folded=len(small)))
    return tuple(groups)


def _group(name: str | None, counts: Counter[str], folded: int = 0) -> Group:
    n, accepted = counts.total(), counts["accepted"]
    return Group(name, n, accepted, counts["rejected"], counts["held"], accepted / n, folded)


def _count_by(table: pa.Table, columns: list[str]) -> Counter[tuple[Any, ...]]:
    counted = table.group_by(columns, use_threads=False).aggregate([([], "count_all")]).to_pylist()
    return Counter({tuple(row[name] for name in columns): row["count_all"] for row in counted})


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
