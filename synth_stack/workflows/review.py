"""People judge a batch: what is planned to be read, and what the answers decide."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from synth_stack.decisions.figures import Figures
from synth_stack.errors import ConfigError, RunMismatch
from synth_stack.files import digest_file, write_table
from synth_stack.inputs.extensions import load_extensions
from synth_stack.report.write import write_report
from synth_stack.review.lots import KEYS
from synth_stack.review.outcome import ReviewOutcome, measure_outgoing, work_out, write_outcome
from synth_stack.review.plan_file import (
    FOLDER,
    SCREENED_STEM,
    Held,
    OnFailed,
    OnWaiting,
    PlanSettings,
    ReviewPlan,
    has_plan,
    list_screened,
    read_plan,
    set_aside,
    write_plan,
)
from synth_stack.review.planning import SEED_FROM_RUN, build_plan, decide_again, identify
from synth_stack.review.sampling import order_screened
from synth_stack.review.source import open_source
from synth_stack.review.verdicts import write_verdicts
from synth_stack.runs.folder import open_run, write_manifest
from synth_stack.runs.judged import DECISIONS, open_judged
from synth_stack.stats.acceptance import TIERS, Risks
from synth_stack.stats.imperfect_readers import Readers
from synth_stack.workflows.curate import write_piles
from synth_stack.workflows.judge import bind_gates
from synth_stack.workflows.replace import PACK
from synth_stack.workflows.review_planted import join_planted, plant_canaries, read_gold

SECONDS_A_ROW = 40.0
"""What reading a row of a question and an answer takes: 150 words at 240 words a minute (Brysbaert 2019,
silent reading of English), and a few seconds for the answer. Rows of other lengths: say --seconds."""


def plan(
    folder: str | Path,
    *,
    risk: str = "medium",
    aql: float | None = None,
    ltpd: float | None = None,
    confidence: float | None = None,
    alpha: float | None = None,
    percent: float | None = None,
    sequential: bool = False,
    skip_lots: bool = False,
    by: Sequence[str] = KEYS,
    lot_rows: int = 2_000,
    held: Held = "no",
    estimate: int = 300,
    overlap: float = 0.2,
    min_agreement: float = 0.667,
    min_reviewer_agreement: float = 0.8,
    on_failed: OnFailed = "reject",
    on_waiting: OnWaiting = "hold",
    sensitivity: float = 1.0,
    specificity: float = 1.0,
    reviewers: int = 3,
    seconds_a_row: float = SECONDS_A_ROW,
    gold: str | Path | None = None,
    canaries: int = 0,
    gates: str | Path | None = None,
    load: Sequence[str] = (),
    seed: int | None = None,
    again: bool = False,
    dry_run: bool = False,
) -> ReviewPlan:
    """Plan what people are to read of the judged run at `folder`, and write it there once.

    `risk` is a tier of TIERS; `aql`, `ltpd`, `alpha` and `confidence` (1 - beta) replace parts of it, and
    `percent` (0 to 100) reads a flat share of every lot instead. With the `sensitivity` and `specificity` of
    the reviewers these risks hold although they err, at the cost of more reviews. `held` reads the rows that
    the gates hold: "only" these, or "also". `estimate` rows measure what ships: 300 without a defect show
    that fewer than 1% are defective (the rule of three). `gold` names a file of rows of known truth,
    `canaries` is how many planted rows of the gate file `gates` are mixed in (`load` names modules with gates
    of others).

    Without a `seed` one follows from the run. The same call again gives the plan that is there; another one
    needs `again`, and keeps the earlier plan beside it. With `dry_run` nothing is written, and the plan has
    no digest.

    Raises InputError for a folder that is not judged or without rows to read, ConfigError for settings that
    cannot be used, RunMismatch where there is another plan.
    """
    run = open_judged(Path(folder))
    tier, risks = _choose_risks(risk, aql, ltpd, alpha, confidence)
    settings = PlanSettings(
        seed=SEED_FROM_RUN if seed is None else seed,
        tier=tier,
        **asdict(risks),
        method=_choose_method(percent, sequential),
        percent=None if percent is None else percent / 100,
        skip_lots=skip_lots,
        by=",".join(key for key in KEYS if key in by),
        lot_rows=lot_rows,
        lots=held != "only",
        held=held,
        estimate=estimate,
        overlap=overlap,
        min_agreement=min_agreement,
        min_reviewer_agreement=min_reviewer_agreement,
        on_failed=on_failed,
        on_waiting=on_waiting,
        gold=None if gold is None else digest_file(Path(gold)),
        canaries=canaries,
        sensitivity=sensitivity,
        specificity=specificity,
        reviewers=reviewers,
        seconds_a_row=seconds_a_row,
    )
    _require_usable(settings, by)
    Readers(sensitivity, specificity)
    planted, truths = _plant(run.folder, settings, gold, gates, load)
    with open_run(run.folder, run.recipe_lock):
        supersedes = None
        if has_plan(run.folder) and not dry_run:
            before = read_plan(run.folder)
            if _is_same(before, settings, identify(run)):
                return before
            if not again:
                raise _refuse_second(run.folder)
            supersedes = before.sha256
        settings, tables, clusters = build_plan(run, settings, planted, truths)
        if dry_run:
            now = identify(run)
            place = (run.folder, None, settings, now["recipe"], now["gates"])
            return ReviewPlan(*place, tables.lots, tables.sample, len(tables.sample), clusters)
        if supersedes is not None:
            set_aside(run.folder)
        facts = {"seed_given": seed is not None}
        return write_plan(
            run.folder,
            settings,
            tables,
            identity=identify(run),
            clusters=clusters,
            facts=facts,
            supersedes=supersedes,
        )


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A run after its answers were put into effect: the outcome, the figures of the run, how many rows failed
    lots `added` to what is to be read, and whether a pack lies in it that is of before (`packed`).
    """

    folder: Path
    outcome: ReviewOutcome
    figures: Figures
    added: int
    packed: bool

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON: counts of the run, and of its review everything but the list of lots."""
        told = {k: v for k, v in self.outcome.to_json().items() if k not in {"lots", "scheme"}}
        return {
            **self.figures.counts(),
            "folder": str(self.folder),
            "review": {**told, "lots": self.outcome.count_lots(), "added": self.added},
            "pack_is_older": self.packed,
        }


def _plant(
    folder: Path,
    settings: PlanSettings,
    gold: str | Path | None,
    gates: str | Path | None,
    load: Sequence[str],
) -> tuple[pa.Table, pl.DataFrame]:
    """Rows of known truth: those of the file `gold`, and canaries of the gate file `gates`."""
    parts = [] if gold is None else [read_gold(gold)]
    if settings.canaries:
        if gates is None:
            raise ConfigError(
                "canaries are planted by gates, and no gate file is named", mend="Name it with --gates."
            )
        bound = bind_gates(gates, loaded=load_extensions(load))
        parts.append(plant_canaries(folder, bound, settings.canaries, max(settings.seed, 0)))
    return join_planted(parts)


def decide_lots(folder: str | Path) -> Reviewed:
    """What the answers on the plan of the run at `folder` decide so far, put into effect.

    The verdicts of people (rows that they settled, lots by their samples) are written into the run, every row
    is decided again, and report, piles and manifest follow. Any number of times, and the same again after a
    kill. A lot that failed is rejected, or its other rows are added to what is to be read, by the plan's
    settings.

    Raises InputError without a plan, for a run that other gates judged since, and StoreError.
    """
    run = open_judged(Path(folder))
    with open_run(run.folder, run.recipe_lock):
        plan_ = read_plan(run.folder)
        source = open_source(run, plan_)
        outcome = work_out(source)
        added = _add_screened(run.folder, plan_, outcome)
        write_verdicts(run.folder, outcome.answered, outcome.lotted)
        decisions = decide_again(run)
        write_table(run.folder / DECISIONS, decisions)
        outcome = measure_outgoing(outcome, source, pl.DataFrame(decisions)["decision"])
        write_outcome(run.folder, outcome)
        figures = write_report(run.folder)
        if (run.folder / "accepted").is_dir():
            write_piles(run.folder, run.gate_names)
        write_manifest(run.folder, figures.counts())
    packed = (run.folder / PACK).exists()
    return Reviewed(run.folder, outcome, figures, added, packed)


def _add_screened(folder: Path, plan_: ReviewPlan, outcome: ReviewOutcome) -> int:
    """Adds the unread rows of lots that are to be read whole to what is to be read; returns how many."""
    wanted = [lot.lot for lot in outcome.lots if lot.status == "screening"]
    if not wanted:
        return 0
    known = pl.Series(plan_.sample["row_id"].to_pylist(), dtype=pl.String)
    rows = pl.DataFrame(plan_.read_frame()).filter(pl.col("lot").is_in(wanted))
    fresh = rows.filter(~pl.col("row_id").is_in(known.implode()))
    if fresh.is_empty():
        return 0
    table = order_screened(fresh, first=len(plan_.sample), seed=plan_.settings.seed)
    number = len(list_screened(folder))
    write_table(folder / FOLDER / f"{SCREENED_STEM}{number:05d}.parquet", table, plain=True)
    return len(table)


def _choose_risks(
    risk: str, aql: float | None, ltpd: float | None, alpha: float | None, confidence: float | None
) -> tuple[str, Risks]:
    """The name of the risks, and the risks."""
    if risk not in TIERS:
        raise ConfigError("there is no such risk tier", seen=risk, allowed=", ".join(TIERS))
    if confidence is not None and not 0 < confidence < 1:
        raise ConfigError("a confidence is a probability", seen=confidence, allowed="above 0 and below 1")
    own = {
        "aql": aql,
        "ltpd": ltpd,
        "alpha": alpha,
        "beta": None if confidence is None else round(1 - confidence, 12),
    }
    given = {name: float(value) for name, value in own.items() if value is not None}
    return "custom" if given else risk, replace(TIERS[risk], **given)


def _choose_method(percent: float | None, sequential: bool) -> str:
    if percent is not None and sequential:
        raise ConfigError("a flat percentage is one look: it cannot be sequential too")
    return "percent" if percent is not None else "sequential" if sequential else "single"


def _require_usable(settings: PlanSettings, by: Sequence[str]) -> None:
    unknown = sorted(set(by) - set(KEYS))
    percent = 100 * (settings.percent if settings.percent is not None else 1)
    seed = 0 if settings.seed == SEED_FROM_RUN else settings.seed
    alone = settings.overlap > 0 and settings.reviewers < 2
    faults = (
        (unknown, "lots cannot be told apart by that", ", ".join(unknown[:1]), ", ".join(KEYS)),
        (not 0 <= settings.overlap <= 1, "overlap is a share of rows", settings.overlap, "0 to 1"),
        (not 0 < percent <= 100, "a percent of each lot is read", percent, "above 0, up to 100"),
        (settings.estimate < 0, "the rows of an estimate are a number", settings.estimate, "0 or more"),
        (settings.canaries < 0, "canaries are a number of rows", settings.canaries, "0 or more"),
        (
            settings.held == "only" and (settings.gold or settings.canaries),
            "held rows are shown with what gates say of them, and planted rows among them would stand out",
            settings.held,
            "gold rows and canaries where lots are read",
        ),
        (settings.lot_rows < 1, "lot_rows is a number of rows", settings.lot_rows, "1 or more"),
        (settings.reviewers < 1, "reviewers are a number of people", settings.reviewers, "1 or more"),
        (not settings.min_agreement <= 1, "no agreement is above 1", settings.min_agreement, "up to 1"),
        (
            not 0 <= settings.min_reviewer_agreement <= 1,
            "how far a reviewer agrees is a share of rows",
            settings.min_reviewer_agreement,
            "0 to 1",
        ),
        (not settings.seconds_a_row > 0, "reading a row takes time", settings.seconds_a_row, "above 0"),
        (not 0 <= seed < 2**53, "a seed is a whole number", seed, "0 to 2**53 - 1"),
        (alone, "an overlap needs two reviewers", settings.reviewers, "2 or more, or an overlap of 0"),
    )
    for is_so, what, seen, allowed in faults:
        if is_so:
            raise ConfigError(what, seen=seen, allowed=allowed)


def _is_same(before: ReviewPlan, settings: PlanSettings, identity: Mapping[str, str]) -> bool:
    """Whether a plan is what these settings ask for of this run."""
    seed = before.settings.seed if before.facts.get("seed_given") else SEED_FROM_RUN
    same_run = (before.run, before.gates) == (identity["recipe"], identity["gates"])
    return same_run and replace(before.settings, seed=seed) == settings


def _refuse_second(folder: Path) -> RunMismatch:
    return RunMismatch(
        f"{folder} has another review plan: of other settings, or from before it was judged by these gates",
        mend="Go on with that plan, or make a new one beside it with --again: what was said stays.",
    )
