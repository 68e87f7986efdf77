"""The figures of a pack, counted from its lineage records and its accepted rows.

`write` and `verify` count in the same way from the same records, so a figure that does not belong to the
rows is found: on the card, and in the signed statement.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import VerificationError
from synth_stack.packs.data_figures import DataFigures, DataTally
from synth_stack.packs.gate_log import Measures
from synth_stack.packs.images import ImageCounts, ImageTally
from synth_stack.packs.splits import ADVERSARIAL, LabelCount, SplitCount, SplitTally
from synth_stack.packs.turned_away import TurnedTally

Record = Mapping[str, Any]
Json = dict[str, Any]

_OUTCOMES = {"rejected": "reject", "held": "hold"}
_GROUPS = ("slices", "locales", "methods", "seeds")
_Alike = tuple[bool, bool, tuple[str | None, str | None, str, str], tuple[tuple[str, str, str | None], ...]]
MAX_ALIKE = 20_000
"""Sorts of rows (slice, locale, method, who said what) that are counted before they are added up."""
_DECIDED = ("generated", "replacements", "accepted", "rejected", "held")


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
    """`rows` that a gate turned away for one class of reason; "" where it gave none."""

    gate: str
    decision: str
    reason_class: str
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

    `replacements` are rows that stand for others, which are rejected (redacted copies, say): rows beside
    those that were `generated`. `eval_sets` has the rows that were turned away for an item of an eval set, by
    gate, set and class of reason. `measures` is not counted from the rows: what the gates caught of their
    canaries, say. `seeds` counts the distinct seeds that rows came from; `max_accepted_per_seed` is the
    largest number of accepted rows that came from one of them. `splits` are those that the pack has, and
    `labels` those of its adversarial rows by size, `images` what accepted rows hand over. `data` are the
    figures of the rows in data/, `turned` the counts of the files of rejected and held rows. `review` is what
    people made of the batch (review/outcome.py, ReviewOutcome.to_json), where any have judged it.
    """

    generated: int
    replacements: int
    accepted: int
    rejected: int
    held: int
    gates: tuple[GateCount, ...]
    reasons: tuple[ReasonCount, ...]
    eval_sets: Mapping[tuple[str, str, str], int]
    measures: Measures
    slices: tuple[GroupCount, ...]
    locales: tuple[GroupCount, ...]
    methods: tuple[GroupCount, ...]
    seeds: int
    max_accepted_per_seed: int
    lengths: Lengths | None
    splits: tuple[SplitCount, ...]
    labels: tuple[LabelCount, ...]
    data: DataFigures = field(default_factory=DataFigures)
    turned: tuple[SplitCount, ...] = ()
    images: ImageCounts | None = None
    review: Json | None = None

    @property
    def rows(self) -> int:
        """Every row that was judged, each with its record: the generated ones and their replacements."""
        return self.generated + self.replacements

    @property
    def adversarial(self) -> int:
        """The accepted rows that stand in the adversarial split."""
        return sum(split.rows for split in self.splits if split.name == ADVERSARIAL)

    def count_decisions(self) -> dict[str, int]:
        """How many rows there are, and how many were decided how."""
        return {name: getattr(self, name) for name in _DECIDED}

    def to_predicate(self) -> Json:
        """What of it the signature covers, as plain JSON; a bar is a decimal string, as in records.

        It has `splits` where not all rows are in `train`.
        """
        splits = {split.name: split.rows for split in self.splits}
        return {
            **self.count_decisions(),
            "gates": [
                {name: getattr(gate, name) for name in ("gate", "looked_at", "abstained", "rejected", "held")}
                for gate in self.gates
            ],
            "self_tests": [
                {
                    "gate": found.gate,
                    "planted": found.planted,
                    "caught": found.caught,
                    "innocent": found.innocent,
                    "turned_away": found.turned_away,
                }
                for found in self.measures.self_tests
            ],
            **({"splits": splits} if self.adversarial else {}),
        }


@dataclass(slots=True)
class Tally:
    """Counts in the making: add every record and every accepted row, then `finish`.

    Records come in the order of a run, in which a replacement stands after the row that it stands for.
    """

    decisions: Counter[str] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    thresholds: dict[str, set[str]] = field(default_factory=dict)
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    late: set[str] = field(default_factory=set)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    eval_sets: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    replaced: dict[str, str] = field(default_factory=dict)
    replacements: int = 0
    groups: dict[str, Counter[tuple[str | None, bool, bool]]] = field(
        default_factory=lambda: {name: Counter() for name in _GROUPS}
    )
    alike: Counter[_Alike] = field(default_factory=Counter)
    lengths: list[Any] = field(default_factory=list)
    splits: SplitTally = field(default_factory=SplitTally)
    data: DataTally = field(default_factory=DataTally)
    turned: TurnedTally = field(default_factory=TurnedTally)
    images: ImageTally = field(default_factory=ImageTally)

    def add_records(self, records: Iterable[Record]) -> None:
        """Count rows by what their records say."""
        for record in records:
            self.add_record(record)

    def add_record(self, record: Record) -> bool:
        """Count one row by what its record says; whether it is a replacement."""
        decided, origin, slice_ = record["decision"], record["origin"], record["slice"]
        decision = decided["decision"]
        self.decisions[decision] += 1
        if decision != "accepted":
            self._add_reason(record)
        replaces = self._meet_replacement(record)
        # The seed of a foreign row is its dataset, which it was not drawn from.
        seed = None if record["kind"] == "foreign" else origin["seed_id"]
        self.groups["seeds"][seed, decision == "accepted", replaces] += 1
        said = [(each["gate"], each["outcome"], each["threshold"]) for each in record["verdicts"]]
        made = (slice_, record["locale"], origin["generator"], origin["generator_version"])
        self.alike[decision == "accepted", replaces, made, tuple(said)] += 1
        if len(self.alike) > MAX_ALIKE:
            self._settle()
        return replaces

    @property
    def generated(self) -> int:
        """The rows so far that replace no other."""
        return self.decisions.total() - self.replacements

    def count_judged(self) -> dict[str, int]:
        """By gate the rows that it could say something of, in a batch with an accepted row; none in any
        other.
        """
        if not self.decisions["accepted"]:
            return {}
        self._settle()
        return {gate: rows - self.abstained[gate] for gate, rows in self.looked_at.items()}

    def require_replacements(self) -> None:
        """Raises VerificationError for a decision that names a row which does not stand after it."""
        for replacement, original in self.replaced.items():
            raise VerificationError(
                f"row {original} is replaced by {replacement}, and no such row stands after it and names it"
            )

    def add_rows(self, table: pa.Table) -> None:
        """Measure accepted rows of DATA_SCHEMA."""
        lengths = pc.utf8_length(table["text"]).drop_null()
        self.lengths.append(lengths.to_numpy())
        self.splits.add_rows(table)
        self.data.add_rows(table)
        self.images.add_rows(table)

    def finish(
        self, gates: Sequence[str], measures: Measures | None = None, review: Json | None = None
    ) -> Counts:
        """The counts, with `gates` as the order of work, what was measured of them, and the outcome of a
        review.
        """
        self._settle()
        seeds = [group for group in self._list_groups("seeds") if group.name is not None]
        return Counts(
            generated=self.generated,
            replacements=self.replacements,
            accepted=self.decisions["accepted"],
            rejected=self.decisions["rejected"],
            held=self.decisions["held"],
            gates=self._build_funnel(gates),
            reasons=tuple(
                ReasonCount(*key, rows)
                for key, rows in sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
            ),
            eval_sets=dict(self.eval_sets),
            measures=measures or Measures(),
            slices=self._list_groups("slices"),
            locales=self._list_groups("locales"),
            methods=self._list_groups("methods"),
            seeds=len(seeds),
            max_accepted_per_seed=max((seed.accepted for seed in seeds), default=0),
            lengths=_rank_lengths(self.lengths),
            splits=self.splits.count_splits(),
            labels=self.splits.count_labels(),
            data=self.data.finish(),
            turned=self.turned.finish(),
            images=self.images.finish(),
            review=review,
        )

    def _add_reason(self, record: Record) -> None:
        decided = record["decision"]
        decision, gate = decided["decision"], decided["gate"] or ""
        self.decided[gate, decision] += 1
        self.reasons[gate, decision, decided["reason_class"] or ""] += 1
        if decided["replaced_by"] is not None:
            self.replaced[decided["replaced_by"]] = record["row_id"]
        if record["verdicts"]:
            self.late.add(gate)
        for verdict in record["verdicts"]:
            if verdict["gate"] == gate and verdict["outcome"] == _OUTCOMES[decision]:
                if eval_set := (verdict["cites"] or {}).get("eval_set"):
                    self.eval_sets[gate, eval_set, decided["reason_class"] or ""] += 1
                break

    def _settle(self) -> None:
        """Count what was collected of rows that are alike."""
        for (accepted, replaces, made, said), rows in self.alike.items():
            self._add_verdicts(said, rows)
            slice_, locale, generator, version = made
            groups = self.groups
            groups["slices"][None if slice_ is None else slice_.split("/", 1)[0], accepted, replaces] += rows
            groups["locales"][locale, accepted, replaces] += rows
            groups["methods"][f"{generator} {version}", accepted, replaces] += rows
        self.alike.clear()

    def _add_verdicts(self, said: Sequence[tuple[str, str, str | None]], rows: int) -> None:
        before = None
        for gate, outcome, threshold in said:
            if gate != before:  # what a gate says late stands after what it said
                self.looked_at[gate] += rows
                before = gate
            if outcome == "abstain":
                self.abstained[gate] += rows
            if threshold is not None:
                self.thresholds.setdefault(gate, set()).add(threshold)

    def _meet_replacement(self, record: Record) -> bool:
        """Whether it is a replacement: the decision on another row names it, and it names that row."""
        if not self.replaced or self.replaced.get(record["row_id"], "") != record["origin"]["parent_id"]:
            return False
        del self.replaced[record["row_id"]]
        self.replacements += 1
        return True

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
        counted = self.groups[column]
        generated, accepted = Counter[str | None](), Counter[str | None]()
        for (name, is_accepted, replaces), n in counted.items():
            generated[name] += 0 if replaces else n
            accepted[name] += n if is_accepted else 0
        groups = [GroupCount(name, generated[name], accepted[name]) for name in generated]
        return tuple(sorted(groups, key=lambda g: (-g.generated, g.name is None, g.name or "")))


def _rank_lengths(lengths: list[Any]) -> Lengths | None:
    every = np.sort(np.concatenate(lengths)) if lengths else np.empty(0, dtype=np.int32)
    if not len(every):
        return None

    def rank(share: float) -> int:
        return int(every[max(math.ceil(share * len(every)) - 1, 0)])

    return Lengths(rank(0), rank(0.5), rank(0.95), rank(1))
