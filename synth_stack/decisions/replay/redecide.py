"""What a gate says of rows under other dials: one rule for every gate, from its lock and its stored verdicts.

The class of a verdict tells whether a dial gave it: then it falls where the score is no longer beyond that
dial. A dial that a score is newly beyond turns the row away, if that is worse than what else is said of it. A
dial that would have decided before and did not has no say on that row. Abstentions stay.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth_stack.decisions.replay.gate_changes import DialSetting, GateChange
from synth_stack.decisions.replay.outcomes import (
    HELD,
    PASSED,
    REJECTED,
    UNSEEN,
    BothSides,
    Mask,
    Said,
    Scores,
    choose_thresholds,
    is_beyond,
)
from synth_stack.engines.contract import check_late
from synth_stack.errors import StoreError
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.locks import DialLock
from synth_stack.runs.self_tests import KindCount, SelfTest, SelfTestBars, measure

_SIDES = pa.schema([CANDIDATE_SCHEMA.field(name) for name in ("row_id", "slice")])
_STRENGTH = {"accept": PASSED, "abstain": PASSED, "hold": HELD, "reject": REJECTED}
_TWIN = '"twin":"'
_OUTCOMES = {PASSED: "accept", HELD: "hold", REJECTED: "reject"}


@dataclass(frozen=True, slots=True)
class StoredVerdicts:
    """What a gate said of n rows: `own`, a frame of one line a row with nulls where the gate did not see it,
    and `late`, a frame of what it said once all rows were judged.

    `said` (n,) are the outcomes in `own`. By dial, `scores` (n,) with NaN for none, and `mine` (n,), whether
    the class of the verdict is the dial's.
    """

    own: pl.DataFrame
    late: pl.DataFrame
    said: Said
    scores: tuple[Scores, ...]
    mine: tuple[Mask, ...]


@dataclass(frozen=True, slots=True)
class PlantedVerdicts:
    """What a gate said of the n rows that it planted, their kinds, (n,), and which are controls, (n,);
    `expected` (n,): what it said is of a reason class that catches the row; and so by dial, (n,) each.
    """

    verdicts: StoredVerdicts
    kinds: pl.Series
    control: Mask
    expected: Mask
    by_dial: Sequence[Mask]

    def catch(self, said: Said, by: NDArray[np.int64]) -> Said:
        """What counts of `said`, which dials `by` (-1: none) newly say: a canary that is turned away for
        another reason than what is wrong with it has passed.
        """
        counts = self.expected.copy()
        for number, mine in enumerate(self.by_dial):
            counts = np.where(by == number, mine, counts)
        return np.where(counts, said, np.int8(PASSED))


@dataclass(frozen=True, slots=True)
class DialYield:
    """A dial that can be turned, where it can stand, and what its gate says of rows and canaries then."""

    setting: DialSetting
    thresholds: Sequence[float]
    rows: BothSides
    canaries: BothSides


@dataclass(frozen=True, slots=True)
class Redecided:
    """What a gate says now of n rows, (n,), and how it did and does in its self-test.

    `away` has its present verdicts that reject or hold; `compares` says that its evidence names twins.
    """

    change: GateChange
    said: Said
    away: pl.DataFrame
    compares: bool
    test_before: SelfTest
    test: SelfTest
    yields: tuple[DialYield, ...]

    @property
    def fails(self) -> bool:
        """Whether the batch is held for it: it fails, and did so before or has its old parameters.

        A gate may plant its canaries for its threshold, and those of another say little about it.
        """
        return self.test.failed and (self.test_before.failed or not self.change.changes)


def thin_verdicts(parts: Iterable[pa.Table], dials: Sequence[DialLock]) -> pl.DataFrame:
    """The verdicts of a gate, with the numbers of the evidence that `dials` read as columns of their names.

    Reason and evidence stay of rows that are turned away or compared with others: that is most of the bytes.
    """
    dotted = sorted({dial.score for dial in dials} - {"score"})
    frames = [_thin(part, dotted) for part in chain([VERDICT_SCHEMA.empty_table()], parts)]
    return pl.concat(frames, rechunk=True)  # polars 2.1 panics over many chunks


def _thin(part: pa.Table, dotted: Sequence[str]) -> pl.DataFrame:
    numbers = [_read_number(pl.Series(part["evidence"]), name).alias(name) for name in dotted]
    away = pc.is_in(part["outcome"], value_set=pa.array(["hold", "reject"]))
    spoken = pc.or_kleene(away, pc.match_substring(part["evidence"], _TWIN))
    columns = {name: part[name] for name in VERDICT_SCHEMA.names}
    for name in ("reason", "evidence"):  # in Arrow, which copies: polars would keep every byte
        columns[name] = pc.if_else(spoken, part[name], pa.scalar(None, part[name].type))
    return pl.DataFrame(pa.table(columns)).hstack(numbers)


def place_verdicts(
    verdicts: pl.DataFrame, rows: pl.DataFrame, dials: Sequence[DialLock], what: str
) -> StoredVerdicts:
    """The thin verdicts of a gate beside `rows`: the first on a row is its own, others are late.

    Raises StoreError for a verdict on a row that is not there, and for an outcome that is none.
    """
    first = verdicts["row_id"].is_first_distinct()
    sides = rows.select("row_id", "slice")
    own = sides.join(verdicts.filter(first), on="row_id", how="left", maintain_order="left").rechunk()
    late = verdicts.filter(~first).join(sides, on="row_id", maintain_order="left").select(own.columns)
    if len(own) - own["outcome"].null_count() + len(late) != len(verdicts):
        raise StoreError(f"the {what} are on rows that the run does not have")
    codes = own["outcome"].replace_strict(_STRENGTH, default=None, return_dtype=pl.Int8)
    strange = own["outcome"].filter(codes.is_null() & own["outcome"].is_not_null())
    if len(strange):
        raise StoreError(f"the {what} have an outcome that is none", seen=strange[0])
    scores = [own[dial.score].fill_null(np.nan).to_numpy() for dial in dials]
    mine = (own["reason_class"].is_in(dial.classes).fill_null(value=False).to_numpy() for dial in dials)
    return StoredVerdicts(own, late, codes.fill_null(UNSEEN).to_numpy(), tuple(scores), tuple(mine))


def _read_number(evidence: pl.Series, name: str) -> pl.Series:
    """The numbers of that dotted name; null where there is none."""
    try:
        return evidence.str.json_path_match(f"$.{name}").cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError as exc:
        raise StoreError("a dial of the gate lock reads no score that there can be", seen=name) from exc


def list_away(*verdicts: pl.DataFrame) -> pl.DataFrame:
    """The verdicts that reject or hold, with VERDICT_SCHEMA's columns."""
    away = pl.concat(verdicts).filter(pl.col("outcome").is_in(["hold", "reject"]))
    return away.select(VERDICT_SCHEMA.names).rechunk()


def redecide(
    stored: StoredVerdicts, planted: PlantedVerdicts, change: GateChange, dropped: Mask
) -> Redecided:
    """What a gate says of every row, and of what it planted, under its new parameters.

    The rows `dropped` (n,) no longer reach it: they keep their verdicts, which count nowhere, and no longer
    weigh on what it says late.
    """
    said, own, late = stored.said, stored.own, stored.late
    before = planted.catch(planted.verdicts.said, np.full(len(planted.kinds), -1))
    tested = before
    if change.changes:
        said, by = _decide(stored, change)
        own, tested = _tell(stored, change, said, by), planted.catch(*_decide(planted.verdicts, change))
    shown = (said != UNSEEN) & (change.lock.all | ~dropped)
    if change.changes or not shown[said != UNSEEN].all():
        late = _say_late(change, own.filter(pl.Series(shown)))
    held = own["row_id"].is_in(late["row_id"].implode()).to_numpy()
    return Redecided(
        change=change,
        said=_hold(said, held),
        away=list_away(own, late),
        compares=bool(own["evidence"].str.contains(_TWIN, literal=True).any()),
        test_before=_measure(change.name, planted, before, change.lock.asked),
        test=_measure(change.name, planted, tested, change.asked),
        yields=tuple(_list_yields(stored, planted, change, held)),
    )


def _measure(gate: str, planted: PlantedVerdicts, said: Said, asked: SelfTestBars) -> SelfTest:
    rows = pl.DataFrame({"control": planted.control, "kind": planted.kinds, "away": said >= HELD})
    counted = rows.group_by("control", "kind").agg(pl.len(), pl.col("away").sum()).sort("control", "kind")
    kinds = [KindCount(kind, count, away, control) for control, kind, count, away in counted.iter_rows()]
    return measure(gate, kinds, asked)


def _list_yields(
    stored: StoredVerdicts, planted: PlantedVerdicts, change: GateChange, held: Mask
) -> Iterator[DialYield]:
    """The dials that can be turned and read the score; late holds stay as they are."""
    for number, setting in enumerate(change.after):
        scores = stored.scores[number]
        if setting.dial.score != "score" or setting.action == "ignore":
            continue
        grid = choose_thresholds(scores, setting.threshold).tolist()
        possible = [threshold for threshold in grid if change.allows(setting.dial, threshold)]
        if setting.threshold in possible:
            rows = [_hold(_decide(stored, change, (number, beyond))[0], held) for beyond in (True, False)]
            forced = [_decide(planted.verdicts, change, (number, beyond)) for beyond in (True, False)]
            tested = [planted.catch(*each) for each in forced]
            bad = ~planted.control
            caught = BothSides(planted.verdicts.scores[number][bad], *(said[bad] for said in tested))
            yield DialYield(setting, possible, BothSides(scores, *rows), caught)


def _hold(said: Said, held: Mask) -> Said:
    return np.where(held, np.maximum(said, np.int8(HELD)), said)


def _decide(
    stored: StoredVerdicts, change: GateChange, forced: tuple[int, bool] | None = None
) -> tuple[Said, NDArray[np.int64]]:
    """What the gate says of each row itself, (n,), and the number of the dial that newly says so, else -1.

    `forced` puts every score on one side of one dial, whatever its threshold.
    """
    before, dials = stored.said, [*zip(stored.mine, change.before, change.after, strict=True)]
    was = [_crosses(*each) for each in zip(stored.scores, change.before, strict=True)]
    now = [_crosses(*each) for each in zip(stored.scores, change.after, strict=True)]
    if forced is not None:
        now[forced[0]] = ~np.isnan(stored.scores[forced[0]]) & forced[1]
    none = np.zeros(len(before), dtype=np.bool_)
    explained = np.logical_or.reduce([none, *(mine & was[i] for i, mine in enumerate(stored.mine))])
    stays, said, by = ~np.logical_or.reduce([none, *stored.mine]), before.copy(), np.full(len(before), -1)
    for number, (mine, old, new) in enumerate(dials):
        still = mine & (now[number] | ~explained) & (new.action != "ignore")
        said[still & (before == old.strength)] = new.strength
        stays |= still
    said[~stays] = PASSED
    abstains = (stored.own["outcome"] == "abstain").fill_null(value=False).to_numpy()
    for number, (_, old, new) in enumerate(dials):
        has_no_say = abstains | was[number] & (old.strength > before)
        turned = now[number] & ~has_no_say & (new.strength > said)
        said[turned], by[turned] = new.strength, number
    return said, by


def _tell(stored: StoredVerdicts, change: GateChange, said: Said, by: NDArray[np.int64]) -> pl.DataFrame:
    """The verdicts on each row itself with what the gate says now, and why."""
    moved, fell = pl.Series(said != stored.said), pl.Series((said == PASSED) & (stored.said > PASSED))
    outcomes = pl.Series(said).replace_strict(_OUTCOMES, default=None, return_dtype=pl.String)
    told = stored.own.with_columns(
        outcome=pl.when(moved).then(outcomes).otherwise("outcome"),
        reason=pl.when(~fell).then("reason"),
        reason_class=pl.when(~fell).then("reason_class"),
    )
    for number, (dial, threshold) in enumerate((each.dial, each.threshold) for each in change.after):
        mine, score = pl.Series(by == number), pl.Series(stored.scores[number]).round(6)
        rule = pl.format("{} {} {} threshold {}", pl.lit(dial.score), score, pl.lit(dial.rejects), threshold)
        told = told.with_columns(
            reason=pl.when(mine).then(rule).otherwise("reason"),
            reason_class=pl.when(mine).then(pl.lit(dial.classes[0])).otherwise("reason_class"),
            threshold=pl.lit(threshold) if dial.score == "score" else pl.col("threshold"),
        )
    return told


def _say_late(change: GateChange, shown: pl.DataFrame) -> pl.DataFrame:
    """What a gate says of the whole batch, from its verdicts on the rows that reach it."""
    if change.late is None:
        return shown.clear()
    table = shown.select("row_id", "slice").to_arrow().cast(_SIDES)
    said = shown.select(VERDICT_SCHEMA.names).to_arrow().cast(VERDICT_SCHEMA)
    state = change.late.merge(iter([change.late.count(table, said)]), {})
    held = change.late.hold(table, said, state)
    check_late(change.name, held)
    placed = place_verdicts(pl.DataFrame(held), shown, (), f"late verdicts of {change.name}")
    return placed.own.drop_nulls("outcome")


def _crosses(scores: Scores, setting: DialSetting) -> Mask:
    return is_beyond(scores, setting.threshold, setting.dial.rejects) & (setting.action != "ignore")
