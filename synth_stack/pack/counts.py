"""The figures of a pack, counted from its lineage records and its accepted rows.

`write` and `verify` count in the same way from the same records, so a figure that does not belong to the
rows is found: on the card, and in the signed statement.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_REASON_CHARS = 120

_EVAL_ITEM = re.compile(r"\b(?:of|like) ([a-z0-9][a-z0-9_.-]{0,62})/")
"""How the contamination gate names an item in its reasons: "... of SET/ITEM", "... like SET/ITEM". The
evidence says it too, but a record has only its digest."""

Record = Mapping[str, Any]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GateCount:
    """One stage of the funnel, in rows.

    `looked_at` rows have a verdict of the gate, `abstained` ones that it could not judge; `rejected` and
    `held` are those that it decided, and `left` those that no stage so far has decided. `thresholds` are
    the decimal strings of the records.
    """

    gate: str
    thresholds: tuple[str, ...]
    looked_at: int
    abstained: int
    rejected: int
    held: int
    left: int


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """`rows` that a gate turned away for one class of reason: the reason up to its first colon."""

    gate: str
    decision: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class GroupCount:
    """The rows of one value of a column; `name` is None for rows without one."""

    name: str | None
    generated: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Characters of the accepted rows' `text`, by nearest rank (the smallest value with that share)."""

    shortest: int
    median: int
    p95: int
    longest: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Every figure of a pack. `gates` is in the order of work; groups by size, then name. `eval_sets` has
    the rows that a gate turned away for an item of an eval set, by gate and set.

    `seeds` counts the distinct seeds that rows came from; `max_accepted_per_seed` is the largest number
    of accepted rows that came from one of them. `accepted_bytes` is the size of all their values: UTF-8 for
    text, 8 for a whole number, 1 for a truth value.
    """

    generated: int
    accepted: int
    rejected: int
    held: int
    gates: tuple[GateCount, ...]
    reasons: tuple[ReasonCount, ...]
    eval_sets: Mapping[tuple[str, str], int]
    slices: tuple[GroupCount, ...]
    locales: tuple[GroupCount, ...]
    methods: tuple[GroupCount, ...]
    seeds: int
    max_accepted_per_seed: int
    lengths: Lengths | None
    accepted_bytes: int

    def to_predicate(self) -> Json:
        """What of it the signature covers, as plain JSON."""
        return {
            **{name: getattr(self, name) for name in ("generated", "accepted", "rejected", "held")},
            "gates": [
                {name: getattr(gate, name) for name in ("gate", "looked_at", "abstained", "rejected", "held")}
                for gate in self.gates
            ],
        }


@dataclass(slots=True)
class Tally:
    """Counts in the making: add every record and every accepted row, in any order, then `finish`."""

    decisions: Counter[str] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    thresholds: dict[str, set[str]] = field(default_factory=dict)
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    late: set[str] = field(default_factory=set)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    eval_sets: Counter[tuple[str, str]] = field(default_factory=Counter)
    groups: dict[str, Counter[tuple[str | None, bool]]] = field(default_factory=dict)
    lengths: list[Any] = field(default_factory=list)
    accepted_bytes: int = 0

    def add_records(self, records: Iterable[Record]) -> None:
        """Count rows by what their records say."""
        for record in records:
            self._add_decision(record)
            self._add_verdicts(record["verdicts"])
            origin = record["origin"]
            slice_ = record["slice"]
            self._add_group("slices", None if slice_ is None else slice_.split("/", 1)[0], record)
            self._add_group("locales", record["locale"], record)
            self._add_group("methods", f"{origin['generator']} {origin['generator_version']}", record)
            # The seed of a foreign row is its dataset, which it was not drawn from.
            self._add_group("seeds", None if record["kind"] == "foreign" else origin["seed_id"], record)

    def add_rows(self, table: pa.Table) -> None:
        """Measure accepted rows of CANDIDATE_SCHEMA."""
        lengths = pc.utf8_length(table["text"]).drop_null()
        self.lengths.append(lengths.to_numpy())
        self.accepted_bytes += sum(_measure_values(column) for column in table.columns)

    def finish(self, gates: Sequence[str]) -> Counts:
        """The counts, with `gates` as the order of work."""
        seeds = [group for group in self._list_groups("seeds") if group.name is not None]
        return Counts(
            generated=self.decisions.total(),
            accepted=self.decisions["accepted"],
            rejected=self.decisions["rejected"],
            held=self.decisions["held"],
            gates=self._build_funnel(gates),
            reasons=tuple(
                ReasonCount(*key, rows)
                for key, rows in sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
            ),
            eval_sets=dict(self.eval_sets),
            slices=self._list_groups("slices"),
            locales=self._list_groups("locales"),
            methods=self._list_groups("methods"),
            seeds=len(seeds),
            max_accepted_per_seed=max((seed.accepted for seed in seeds), default=0),
            lengths=_rank_lengths(self.lengths),
            accepted_bytes=self.accepted_bytes,
        )

    def _add_decision(self, record: Record) -> None:
        decision = record["decision"]["decision"]
        self.decisions[decision] += 1
        if decision == "accepted":
            return
        gate = record["decision"]["gate"] or ""
        reason = record["decision"]["reason"] or ""
        kind = reason.split(":", 1)[0].strip()[:MAX_REASON_CHARS]
        if item := _EVAL_ITEM.search(reason):
            self.eval_sets[gate, item[1]] += 1
        self.decided[gate, decision] += 1
        self.reasons[gate, decision, kind] += 1
        if record["verdicts"]:
            self.late.add(gate)

    def _add_verdicts(self, verdicts: Sequence[Record]) -> None:
        for gate in {verdict["gate"] for verdict in verdicts}:
            self.looked_at[gate] += 1
        for gate in {verdict["gate"] for verdict in verdicts if verdict["outcome"] == "abstain"}:
            self.abstained[gate] += 1
        for verdict in verdicts:
            if verdict["threshold"] is not None:
                self.thresholds.setdefault(verdict["gate"], set()).add(verdict["threshold"])

    def _add_group(self, column: str, name: str | None, record: Record) -> None:
        accepted = record["decision"]["decision"] == "accepted"
        self.groups.setdefault(column, Counter())[name, accepted] += 1

    def _build_funnel(self, gates: Sequence[str]) -> tuple[GateCount, ...]:
        """The stages: first those whose rows never reached a gate, as a reader's; then the gates; last
        what decided after them, as a reviewer.
        """
        deciding = {gate for gate, _ in self.decided}
        others = sorted((deciding | set(self.looked_at)) - set(gates))
        early = [name for name in others if name not in self.late and name not in self.looked_at]
        order = [*early, *gates, *(name for name in others if name not in early)]
        left = self.decisions.total()
        stages: list[GateCount] = []
        for gate in order:
            rejected, held = self.decided[gate, "rejected"], self.decided[gate, "held"]
            left -= rejected + held
            thresholds = tuple(sorted(self.thresholds.get(gate, ()), key=float))
            seen, unsure = self.looked_at[gate], self.abstained[gate]
            stages.append(GateCount(gate, thresholds, seen, unsure, rejected, held, left))
        return tuple(stages)

    def _list_groups(self, column: str) -> tuple[GroupCount, ...]:
        counted = self.groups.get(column, Counter())
        names = {name for name, _ in counted}
        groups = [
            GroupCount(name, counted[name, True] + counted[name, False], counted[name, True])
            for name in names
        ]
        return tuple(sorted(groups, key=lambda g: (-g.generated, g.name is None, g.name or "")))


def _rank_lengths(lengths: list[Any]) -> Lengths | None:
    every = np.sort(np.concatenate(lengths)) if lengths else np.empty(0, dtype=np.int32)
    if not len(every):
        return None

    def rank(share: float) -> int:
        return int(every[max(math.ceil(share * len(every)) - 1, 0)])

    return Lengths(rank(0), rank(0.5), rank(0.95), rank(1))


def _measure_values(column: pa.ChunkedArray) -> int:
    """The bytes of all values, without the offsets and bitmaps that depend on how rows are batched."""
    if pa.types.is_list(column.type):
        return _measure_values(pc.list_flatten(column))
    if pa.types.is_struct(column.type):
        return sum(_measure_values(pc.struct_field(column, i)) for i in range(column.type.num_fields))
    if pa.types.is_string(column.type):
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    return int(len(column) * max(column.type.bit_width // 8, 1))
