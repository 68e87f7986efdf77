"""People judge a batch: what is planned to be read, and what the answers decide."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl

from synth_stack.errors import ConfigError, RunMismatch
from synth_stack.review.lots import KEYS
from synth_stack.review.plan import (
    Held,
    OnFailed,
    OnWaiting,
    PlanSettings,
    ReviewPlan,
    has_plan,
    read_plan,
    set_aside,
    write_plan,
)
from synth_stack.review.planning import SEED_FROM_RUN, build_plan, identify
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import open_run
from synth_stack.runs.judged import open_judged
from synth_stack.stats.acceptance import TIERS, Risks

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
    overlap: float = 0.2,
    min_agreement: float = 0.667,
    on_failed: OnFailed = "reject",
    on_waiting: OnWaiting = "hold",
    reviewers: int = 3,
    seconds_a_row: float = SECONDS_A_ROW,
    seed: int | None = None,
    again: bool = False,
) -> ReviewPlan:
    """Plan what people are to read of the judged run at `folder`, and write it there once.

    `risk` is a tier of TIERS; `aql`, `ltpd`, `alpha` and `confidence` (1 - beta) replace parts of it.
    `percent` reads a flat share of every lot instead, from 0 to 100. `held` reads the rows that the gates
    hold: "only" these, or "also". Without a `seed` one follows from the run. The same call again gives the
    plan that is there; another one needs `again`, and keeps the earlier plan beside it.

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
        overlap=overlap,
        min_agreement=min_agreement,
        on_failed=on_failed,
        on_waiting=on_waiting,
        reviewers=reviewers,
        seconds_a_row=seconds_a_row,
    )
    _require_usable(settings, by)
    with open_run(run.folder, run.recipe_lock):
        supersedes = None
        if has_plan(run.folder):
            before = read_plan(run.folder)
            if _is_same(before, settings, identify(run)):
                return before
            if not again:
                raise _refuse_second(run.folder)
            supersedes = before.sha256
        truths = pl.DataFrame(schema=dict.fromkeys(("row_id", "purpose", "truth"), pl.String))
        settings, tables = build_plan(run, settings, CANDIDATE_SCHEMA.empty_table(), truths)
        if supersedes is not None:
            set_aside(run.folder)
        facts = {"seed_given": seed is not None}
        return write_plan(
            run.folder,
            settings,
            tables,
            identity=identify(run),
            clusters=None,
            facts=facts,
            supersedes=supersedes,
        )


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
    if not 0 <= settings.overlap <= 1:
        raise ConfigError("overlap is a share of rows", seen=settings.overlap, allowed="0 to 1")
    if settings.percent is not None and not 0 < settings.percent <= 1:
        raise ConfigError("a percent of each lot is read", seen=100 * settings.percent, allowed="up to 100")
    unknown = sorted(set(by) - set(KEYS))
    if unknown:
        raise ConfigError("lots cannot be told apart by that", seen=unknown[0], allowed=", ".join(KEYS))
    whole = (("lot_rows", settings.lot_rows), ("reviewers", settings.reviewers))
    for name, value in whole:
        if value < 1:
            raise ConfigError(f"{name} is a number of at least 1", seen=value)
    if not settings.min_agreement <= 1:
        raise ConfigError("an agreement of more than 1 cannot be reached", seen=settings.min_agreement)
    if settings.seconds_a_row <= 0:
        raise ConfigError("reading a row takes some time", seen=settings.seconds_a_row)
    if settings.overlap > 0 and settings.reviewers < 2:
        raise ConfigError(
            "an overlap needs two reviewers",
            seen=settings.reviewers,
            mend="Say overlap 0, or more reviewers.",
        )
    if settings.seed != SEED_FROM_RUN and not 0 <= settings.seed < 2**53:
        raise ConfigError("a seed is a whole number", seen=settings.seed, allowed="0 to 2**53 - 1")


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
