"""Rows until enough of them are accepted: generated and judged in rounds.

A run without a target is one round. One with a target looks, after each round, at what was accepted and
aims the next at what is missing (generation/allocation.py). What a round is to draw is a pure function of the
decisions on the rows before it, and is committed as rounds/round-NNN.json before its first row; so a run that
was stopped goes on in the round that it was in, and ends as an undisturbed one.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from synth_stack.engines.catalog import OpenEngine
from synth_stack.errors import StoreError
from synth_stack.files import count_rows, write_bytes
from synth_stack.generation.allocation import count_draws, cut_draws, expect_acceptance, set_goals
from synth_stack.inputs.recipe import Target
from synth_stack.inputs.seeds import Corpus
from synth_stack.progress import Progress
from synth_stack.rows.canonical import canonical_json
from synth_stack.rows.replacements import mark_replacements
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.committed import DONE, commit_candidates, heal, is_whole
from synth_stack.runs.folder import MANIFEST, list_made
from synth_stack.runs.judged import open_judged, read_candidates
from synth_stack.runs.spending import (
    LimitName,
    Meter,
    SpendingLimits,
    Spent,
    cost_of_parts,
    count_by_part,
    count_tokens,
    read_seconds,
)
from synth_stack.workflows.generate import generate_candidates, make_rows
from synth_stack.workflows.judge import Batch, Gates, judge, reopen
from synth_stack.workflows.prepare import Job
from synth_stack.workflows.retry import finish_retry

ROUNDS = "rounds"
MAX_ROUNDS = 100
"""Every round judges the whole batch. Draws for a slice that gives little double each time (allocation.py),
so that the limit of candidates is met long before; this bounds what no arithmetic foresaw."""


class Ended(BaseModel):
    """The limit that ended a run, and where it stood: a higher one lets the run go on."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    limit: LimitName
    value: str


class RoundPlan(BaseModel):
    """What a round is to draw and why, as its file has it.

    By slice: `draws`, and before the round the rows `made` and `accepted` and the `goals` in accepted rows.
    `seeds` has (made, accepted) of every seed that was used before. `cut_by` is the limit that left it fewer
    draws than it needs, `ended` the one that ended the run in this round.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    scheme: Literal["synth_stack/round/v1"] = "synth_stack/round/v1"
    number: int
    first_draw: int
    draws: dict[str, int]
    goals: dict[str, int]
    made: dict[str, int]
    accepted: dict[str, int]
    seeds: dict[str, tuple[int, int]]
    cut_by: LimitName | None = None
    ended: Ended | None = None

    @property
    def next_draw(self) -> int:
        return self.first_draw + sum(self.draws.values())


@dataclass(frozen=True, slots=True)
class RowsSoFar:
    """Rows made and accepted so far, by slice, and (made, accepted) by seed.

    A replacement (a redacted copy, say) that was accepted counts as accepted, and not as made.
    """

    made: Mapping[str, int]
    accepted: Mapping[str, int]
    seeds: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Made:
    """The rows of a run, judged, and what they have cost."""

    batch: Batch
    spent: Spent


def make_batch(
    job: Job, gates: Gates, folder: Path, progress: Progress, on: OpenEngine | None = None
) -> Made:
    """Every row of a job in `folder`, judged by an engine: in one round, or in as many as its target takes.

    Raises UntrustedGate once a gate fails its self-test, and what `generate_candidates` and `judge` raise.
    """
    target = job.recipe.generate.target
    limits = SpendingLimits() if target is None else SpendingLimits(target.max_minutes, target.max_cost)
    meter = Meter(folder, limits, job.prices)
    if target is not None:
        rounds = _Rounds(job, target, gates, folder, progress, meter=meter, on=on)
        batch, limit = rounds.run()
        spent = _count_spent(job, batch)
        return Made(batch, replace(spent, rounds=rounds.last.number + 1, reached=limit is None, limit=limit))
    with _timing(folder, meter):
        finish_retry(job, folder, progress, meter)
        if not is_whole(folder / "candidates" / DONE):
            reopen(folder, gates)
        generate_candidates(job, folder, progress, meter)
        batch = judge(folder, gates, progress, on)
    batch.require_trust()
    return Made(batch, _count_spent(job, batch))


def plan_round(job: Job, so_far: RowsSoFar, *, number: int, first_draw: int, most: int) -> RoundPlan | None:
    """The next round, of at most `most` draws; None when nothing is missing."""
    goals = set_goals(job.wanted, so_far.made, so_far.accepted)
    expected = expect_acceptance(so_far.made, so_far.accepted, _list_seeds(job.corpus, so_far))
    needed = count_draws(goals, so_far.made, so_far.accepted, expected)
    if not needed:
        return None
    draws = cut_draws(needed, most)
    return RoundPlan(
        number=number,
        first_draw=first_draw,
        draws=draws,
        goals=goals,
        made={name: so_far.made.get(name, 0) for name in goals},
        accepted={name: so_far.accepted.get(name, 0) for name in goals},
        seeds=dict(so_far.seeds),
        cut_by="max_candidates" if draws != needed else None,
    )


def _list_seeds(corpus: Corpus, so_far: RowsSoFar) -> dict[str, list[tuple[int, int]]]:
    """By slice, (made, accepted) of every seed that there is."""
    seeds: dict[str, list[tuple[int, int]]] = {}
    columns = (corpus.seeds["slice"].to_pylist(), corpus.seeds["seed_id"].to_pylist())
    for slice_, seed in zip(*columns, strict=True):
        seeds.setdefault(slice_, []).append(so_far.seeds.get(seed, (0, 0)))
    return seeds


def count_rows_so_far(folder: Path) -> RowsSoFar:
    """What was made and accepted so far in a judged run folder."""
    run = open_judged(folder)
    columns = ["row_id", "parent_id", "slice", "seed_id"]
    empty = pa.schema([CANDIDATE_SCHEMA.field(name) for name in columns]).empty_table()
    rows = pa.concat_tables([empty, *read_candidates(folder, columns)])
    made = pc.invert(mark_replacements(rows, run.decisions))
    decided = pl.DataFrame(run.decisions.select(["row_id", "decision"]))
    frame = pl.DataFrame(rows.append_column("made", made)).join(decided, on="row_id", how="left")
    sums = [pl.col("made").sum(), (pl.col("decision") == "accepted").sum().alias("accepted")]
    by_slice = frame.group_by("slice").agg(sums).sort("slice")
    by_seed = frame.drop_nulls("seed_id").group_by("seed_id").agg(sums).sort("seed_id")
    return RowsSoFar(
        dict(by_slice.select("slice", "made").iter_rows()),
        dict(by_slice.select("slice", "accepted").iter_rows()),
        {seed: (made, accepted) for seed, made, accepted in by_seed.iter_rows()},
    )


class _Rounds:
    """A run with a target, at work: the round that it is in stands in `last`."""

    def __init__(
        self,
        job: Job,
        target: Target,
        gates: Gates,
        folder: Path,
        progress: Progress,
        *,
        meter: Meter,
        on: OpenEngine | None,
    ) -> None:
        self._job = job
        self._target = target
        self._gates = gates
        self._folder = folder
        self._progress = progress
        self._meter = meter
        self._on = on
        self.last = self._read_last() or self._first()

    def run(self) -> tuple[Batch, LimitName | None]:
        """The judged batch, and the limit that ended the run before its target was reached."""
        self._mend()
        while True:
            if self.last.ended is None and not self._is_whole():
                self._make()
            batch = self._judge()
            following = self._plan_next()
            limit = self._find_held()
            if following is None or limit is not None:
                return batch, None if following is None else limit
            if self._is_whole():
                limit = self._find_limit(following)
                if limit is not None:
                    self._end(limit)
                    return batch, limit
            if self.last.ended is not None:  # and its limit was raised
                reopen(self._folder, self._gates)
                self._write(self.last.model_copy(update={"ended": None}))
            if self._is_whole():
                self.last = following

    def _mend(self) -> None:
        """Make again what was lost or changed of the rounds that are whole."""
        mark = self._folder / "candidates" / DONE
        damaged = heal(mark)
        if damaged:
            reopen(self._folder, self._gates)
        if not mark.exists() and self._list_whole():
            for round_ in self._list_whole():
                self._make_rows(round_)
            commit_candidates(self._folder)

    def _list_whole(self) -> list[RoundPlan]:
        """The rounds so far whose rows are all there."""
        paths = sorted((self._folder / ROUNDS).glob("round-*.json"))
        marks = (path.with_name(f".done-{path.stem.rpartition('-')[2]}") for path in paths)
        return [_read_round(path) for path, mark in zip(paths, marks, strict=True) if mark.exists()]

    def _make_rows(self, round_: RoundPlan) -> None:
        job = self._job.aimed(round_.draws, first_draw=round_.first_draw, seeds=round_.seeds)
        with self._meter.timing():
            make_rows(job, self._folder, self._progress, self._meter, round_.number)

    def _make(self) -> None:
        """The rows of the round that are not there yet: all of them, or until a limit ends it."""
        reopen(self._folder, self._gates)
        (self._folder / "candidates" / DONE).unlink(missing_ok=True)
        round_ = self.last
        self._write(round_)
        self._make_rows(round_)
        commit_candidates(self._folder)
        made = sum(map(count_rows, list_made(self._folder / "candidates")))
        limit = self._meter.find_limit()
        if made < round_.next_draw and limit is not None:
            self._end(limit)
        else:
            write_bytes(self._whole_mark(), b"")

    def _judge(self) -> Batch:
        with _timing(self._folder, self._meter):
            batch = judge(self._folder, self._gates, self._progress, self._on)
        batch.require_trust()
        return batch

    def _plan_next(self) -> RoundPlan | None:
        first_draw = self.last.next_draw
        most = max(self._target.candidate_limit - first_draw, 0)
        so_far = count_rows_so_far(self._folder)
        return plan_round(self._job, so_far, number=self.last.number + 1, first_draw=first_draw, most=most)

    def _first(self) -> RoundPlan:
        so_far = RowsSoFar({}, {}, {})
        first = plan_round(self._job, so_far, number=0, first_draw=0, most=self._target.candidate_limit)
        assert first is not None  # a target is at least one row
        return first

    def _find_limit(self, following: RoundPlan) -> LimitName | None:
        if not following.draws:
            return "max_candidates"
        if following.number >= MAX_ROUNDS:
            return "max_rounds"
        return self._meter.find_limit()

    def _find_held(self) -> LimitName | None:
        """The limit that ended the run in this round, unless it was raised since."""
        ended = self.last.ended
        if ended is None:
            return None
        value = _value_of(ended.limit, self._target)
        return ended.limit if value is not None and value <= float(ended.value) else None

    def _end(self, limit: LimitName) -> None:
        value = _value_of(limit, self._target)
        self._write(self.last.model_copy(update={"ended": Ended(limit=limit, value=repr(value))}))

    def _write(self, round_: RoundPlan) -> None:
        self.last = round_
        path = self._folder / ROUNDS / f"round-{round_.number:03d}.json"
        write_bytes(path, canonical_json(round_.model_dump(mode="json")) + b"\n")

    def _read_last(self) -> RoundPlan | None:
        paths = sorted((self._folder / ROUNDS).glob("round-*.json"))
        return _read_round(paths[-1]) if paths else None

    def _is_whole(self) -> bool:
        return self._whole_mark().exists()

    def _whole_mark(self) -> Path:
        """Stands there when every row of the round is committed."""
        return self._folder / ROUNDS / f".done-{self.last.number:03d}"


def _read_round(path: Path) -> RoundPlan:
    try:
        return RoundPlan.model_validate_json(path.read_bytes())
    except ValidationError as exc:
        raise StoreError(f"{path} is no round of this version") from exc


def _count_spent(job: Job, batch: Batch) -> Spent:
    target, prices = job.recipe.generate.target, job.prices
    n_in, n_out = count_tokens(batch.folder)
    return Spent(
        made=batch.figures.generated,
        accepted=batch.figures.accepted,
        input_tokens=n_in,
        output_tokens=n_out,
        seconds=read_seconds(batch.folder),
        cost=cost_of_parts(count_by_part(batch.folder), prices) if prices else None,
        currency=next((price.currency for price in prices.values()), None),
        wanted=None if target is None else target.accepted,
    )


def _value_of(limit: LimitName, target: Target) -> float | None:
    """Where a limit stands; None for one that does not bound any more."""
    if limit == "max_rounds":
        return MAX_ROUNDS
    return target.candidate_limit if limit == "max_candidates" else getattr(target, limit)


def _timing(folder: Path, meter: Meter) -> AbstractContextManager[None]:
    """Counts the time of a block, but not of one that only looks at a finished run again."""
    return nullcontext() if (folder / MANIFEST).exists() else meter.timing()
