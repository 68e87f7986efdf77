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

from synth_stack.packs.gate_log import Measures
from synth_stack.packs.splits import ADVERSARIAL, LabelCount, SplitCount, SplitTally
from synth_stack.rows.redacted import find_copy

MAX_REASON_CHARS = 120

SHARED_NGRAM = "shared n-gram"
"""The class of reason that the contamination gate gives where words alone decide, without a short list."""

_EVAL_ITEM = re.compile(r"\b(?:of|like) ([A-Za-z0-9][A-Za-z0-9._-]{0,63})/")
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
    """Every figure of a pack. `gates` is in the order of work; groups by size, then name.

    `redacted` are the copies that stand for rows with personal data, which are rejected: rows beside those
    that were `generated`. `eval_sets` has the rows that a gate turned away for an item of an eval set, by
    gate, set and class of reason; `short_lists` the rows that a gate compared with an item at close quarters.
    `measures` is not counted from the rows: what the gates caught of their canaries, say. `seeds` counts the
    distinct seeds that rows came from; `max_accepted_per_seed` is the largest number of accepted rows that
    came from one of them. `splits` are those that the pack has, and `labels` those of its adversarial rows by
    size.
    """

    generated: int
    redacted: int
    accepted: int
    rejected: int
    held: int
    gates: tuple[GateCount, ...]
    reasons: tuple[ReasonCount, ...]
    eval_sets: Mapping[tuple[str, str, str], int]
    short_lists: Mapping[str, int]
    measures: Measures
    slices: tuple[GroupCount, ...]
    locales: tuple[GroupCount, ...]
    methods: tuple[GroupCount, ...]
    seeds: int
    max_accepted_per_seed: int
    lengths: Lengths | None
    splits: tuple[SplitCount, ...]
    labels: tuple[LabelCount, ...]

    @property
    def rows(self) -> int:
        """Every row that was judged, each with its record: those that were generated and the copies."""
        return self.generated + self.redacted

    @property
    def adversarial(self) -> int:
        """The accepted rows that stand in the adversarial split."""
        return sum(split.rows for split in self.splits if split.name == ADVERSARIAL)

    def to_predicate(self) -> Json:
        """What of it the signature covers, as plain JSON; a bar is a decimal string, as in records.

        It has `splits` where not all rows are in `train`.
        """
        decided = ("generated", "redacted", "accepted", "rejected", "held")
        splits = {split.name: split.rows for split in self.splits}
        return {
            **{name: getattr(self, name) for name in decided},
            "gates": [
                {name: getattr(gate, name) for name in ("gate", "looked_at", "abstained", "rejected", "held")}
                for gate in self.gates
            ],
            "canaries": [
                {
                    "gate": found.gate,
                    "planted": found.planted,
                    "caught": found.caught,
                    "min_recall": repr(found.min_recall),
                }
                for found in self.measures.recalls
            ],
            **({"splits": splits} if self.adversarial else {}),
        }


@dataclass(slots=True)
class Tally:
    """Counts in the making: add every record and every accepted row, then `finish`.

    Records come in the order of a run, in which a redacted copy stands behind the row that it is made from.
    """

    decisions: Counter[str] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    thresholds: dict[str, set[str]] = field(default_factory=dict)
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    late: set[str] = field(default_factory=set)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    eval_sets: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    short_lists: Counter[str] = field(default_factory=Counter)
    awaited: dict[str, str] = field(default_factory=dict)
    redacted: int = 0
    groups: dict[str, Counter[tuple[str | None, bool, bool]]] = field(default_factory=dict)
    lengths: list[Any] = field(default_factory=list)
    splits: SplitTally = field(default_factory=SplitTally)

    def add_records(self, records: Iterable[Record]) -> None:
        """Count rows by what their records say."""
        for record in records:
            self._add_decision(record)
            self._add_verdicts(record["verdicts"])
            self._add_to_groups(record, is_copy=self._meet_copy(record))

    def add_rows(self, table: pa.Table) -> None:
        """Measure accepted rows of CANDIDATE_SCHEMA."""
        lengths = pc.utf8_length(table["text"]).drop_null()
        self.lengths.append(lengths.to_numpy())
        self.splits.add_rows(table)

    def finish(self, gates: Sequence[str], measures: Measures | None = None) -> Counts:
        """The counts, with `gates` as the order of work and what was measured of them."""
        seeds = [group for group in self._list_groups("seeds") if group.name is not None]
        return Counts(
            generated=self.decisions.total() - self.redacted,
            redacted=self.redacted,
            accepted=self.decisions["accepted"],
            rejected=self.decisions["rejected"],
            held=self.decisions["held"],
            gates=self._build_funnel(gates),
            reasons=tuple(
                ReasonCount(*key, rows)
                for key, rows in sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
            ),
            eval_sets=dict(self.eval_sets),
            short_lists=dict(self.short_lists),
            measures=measures or Measures(),
            slices=self._list_groups("slices"),
            locales=self._list_groups("locales"),
            methods=self._list_groups("methods"),
            seeds=len(seeds),
            max_accepted_per_seed=max((seed.accepted for seed in seeds), default=0),
            lengths=_rank_lengths(self.lengths),
            splits=self.splits.count_splits(),
            labels=self.splits.count_labels(),
        )

    def _add_decision(self, record: Record) -> None:
        decision = record["decision"]["decision"]
        self.decisions[decision] += 1
        if decision == "accepted":
            return
        gate = record["decision"]["gate"] or ""
        reason = record["decision"]["reason"] or ""
        kind = _classify(reason)
        if item := _EVAL_ITEM.search(reason):
            self.eval_sets[gate, item[1], kind] += 1
        if copy := find_copy(reason):
            self.awaited[copy] = record["row_id"]
            kind = f"{kind}, redacted"
        self.decided[gate, decision] += 1
        self.reasons[gate, decision, kind] += 1
        if record["verdicts"]:
            self.late.add(gate)

    def _add_verdicts(self, verdicts: Sequence[Record]) -> None:
        for gate in {verdict["gate"] for verdict in verdicts}:
            self.looked_at[gate] += 1
        for gate in {verdict["gate"] for verdict in verdicts if verdict["outcome"] == "abstain"}:
            self.abstained[gate] += 1
        evident = [verdict for verdict in verdicts if verdict["evidence_sha256"] is not None]
        for gate in {verdict["gate"] for verdict in evident if not _is_decided_by_words(verdict)}:
            self.short_lists[gate] += 1
        for verdict in verdicts:
            if verdict["threshold"] is not None:
                self.thresholds.setdefault(verdict["gate"], set()).add(verdict["threshold"])

    def _meet_copy(self, record: Record) -> bool:
        """Whether it is a redacted copy: the row that it is made from named it, and it names that row."""
        original = self.awaited.pop(record["row_id"], None)
        is_copy = original is not None and original == record["origin"]["parent_id"]
        self.redacted += is_copy
        return is_copy

    def _add_to_groups(self, record: Record, *, is_copy: bool) -> None:
        origin, slice_ = record["origin"], record["slice"]
        names = {
            "slices": None if slice_ is None else slice_.split("/", 1)[0],
            "locales": record["locale"],
            "methods": f"{origin['generator']} {origin['generator_version']}",
            # The seed of a foreign row is its dataset, which it was not drawn from.
            "seeds": None if record["kind"] == "foreign" else origin["seed_id"],
        }
        is_accepted = record["decision"]["decision"] == "accepted"
        for column, name in names.items():
            self.groups.setdefault(column, Counter())[name, is_accepted, is_copy] += 1

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
        generated, accepted = Counter[str | None](), Counter[str | None]()
        for (name, is_accepted, is_copy), n in counted.items():
            generated[name] += 0 if is_copy else n
            accepted[name] += n if is_accepted else 0
        groups = [GroupCount(name, generated[name], accepted[name]) for name in generated]
        return tuple(sorted(groups, key=lambda g: (-g.generated, g.name is None, g.name or "")))


def _classify(reason: str) -> str:
    return reason.split(":", 1)[0].strip()[:MAX_REASON_CHARS]


def _is_decided_by_words(verdict: Record) -> bool:
    return _classify(verdict["reason"] or "") == SHARED_NGRAM


def _rank_lengths(lengths: list[Any]) -> Lengths | None:
    every = np.sort(np.concatenate(lengths)) if lengths else np.empty(0, dtype=np.int32)
    if not len(every):
        return None

    def rank(share: float) -> int:
        return int(every[max(math.ceil(share * len(every)) - 1, 0)])

    return Lengths(rank(0), rank(0.5), rank(0.95), rank(1))
