"""Whether a review keeps what it promises, by simulated campaigns; and how long planning and deciding take.

    python benchmarks/review.py risks     200 campaigns with perfect readers and 200 with readers who err
    python benchmarks/review.py speed     a plan for 442,000 rows, and 5,000 answers decided

`risks` simulates 5,000 rows in 20 lots with 6.8% defects, nearly all in five slices, whose shares and rows
are drawn anew each time. Scripted annotators miss defects and blame good rows at known rates; nothing else of
a campaign is simulated: lots, draws, judgements, decisions and bounds are those of the package. Every figure
is counted against the truth.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from synth_stack.files import digest_file, write_table
from synth_stack.review.answers import ANSWER_SCHEMA, record_answers
from synth_stack.review.lots import cut_lots, frame_table, plan_lots
from synth_stack.review.outcome import ReviewOutcome, measure_outgoing, work_out
from synth_stack.review.plan_file import PlanSettings, ReviewPlan
from synth_stack.review.sampling import draw_lots, order_sample
from synth_stack.review.source import ReviewSource
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import DECISION_SCHEMA, build_candidates, build_verdicts
from synth_stack.stats.acceptance import TIERS
from synth_stack.stats.intervals import clopper_pearson
from synth_stack.workflows.curate import curate
from synth_stack.workflows.review import decide_lots, plan

ROWS, SLICES, DEFECTS = 5_000, 20, 340
BAD_SLICES = 5
STRAY_DEFECTS = 12
"""Of the 340 defects so many lie outside the bad slices."""
GOLD = 60
"""Gold rows of each truth."""


@dataclass(frozen=True, slots=True)
class Annotator:
    """Rejects bad rows and releases good ones with these probabilities."""

    name: str
    sensitivity: float
    specificity: float


PERFECT = tuple(Annotator(f"{n:064x}", 1.0, 1.0) for n in range(3))
ERRING = (
    Annotator(f"{1:064x}", 0.93, 0.995),
    Annotator(f"{2:064x}", 0.88, 0.99),
    Annotator(f"{3:064x}", 0.90, 0.99),
)
ADJUDICATOR = Annotator(f"{9:064x}", 0.97, 0.998)


@dataclass(slots=True)
class Tally:
    """Counts over campaigns."""

    campaigns: int = 0
    good_lots: int = 0
    good_failed: int = 0
    bad_lots: int = 0
    bad_passed: int = 0
    untrusted: int = 0
    shipping: int = 0
    overall_held: int = 0
    slices: int = 0
    slices_held: int = 0
    reviews: list[int] = field(default_factory=list)
    true_shares: list[float] = field(default_factory=list)
    estimates: list[float] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)


def plant_defects(rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the rows are defective, slice by slice, (ROWS,)."""
    size = ROWS // SLICES
    weights = rng.uniform(0.5, 2.0, BAD_SLICES)
    counts = np.floor((DEFECTS - STRAY_DEFECTS) * weights / weights.sum()).astype(int)
    counts[0] += DEFECTS - STRAY_DEFECTS - counts.sum()
    bad = np.zeros((SLICES, size), dtype=bool)
    for place, count in zip(rng.choice(SLICES, BAD_SLICES, replace=False), counts, strict=True):
        bad[place, rng.choice(size, count, replace=False)] = True
    good = np.flatnonzero(~bad.any(axis=1))
    for place in rng.choice(good, STRAY_DEFECTS):
        bad[place, rng.choice(np.flatnonzero(~bad[place]))] = True
    return bad.ravel()


def make_source(settings: PlanSettings, gold: int, number: int) -> ReviewSource:
    """A planned run of ROWS accepted rows as values, with as many gold rows of each truth, and no answers."""
    ids = [digest_json(["row", number, n])[:32] for n in range(ROWS)]
    slices = [f"s{n // (ROWS // SLICES):02d}" for n in range(ROWS)]
    rows = pl.DataFrame({"row_id": ids, "slice": slices, "generator": ["g"] * ROWS})
    cut = cut_lots(rows.with_columns(cluster=pl.lit(None, pl.String)), settings.by.split(","))
    lots, frame = plan_lots(cut, settings), frame_table(cut)
    planted = pl.DataFrame(
        {
            "row_id": [digest_json(["gold", number, n])[:32] for n in range(2 * gold)],
            "purpose": ["gold"] * 2 * gold,
            "truth": ["reject", "release"] * gold,
        },
        schema=dict.fromkeys(("row_id", "purpose", "truth"), pl.String),
    )
    drawn = draw_lots(frame, lots, estimate=settings.estimate, seed=settings.seed)
    sample = order_sample(drawn, [], planted, overlap=settings.overlap, seed=settings.seed)
    planned = ReviewPlan(Path(), None, settings, "", "", lots, sample, len(sample))
    rows = rows.with_columns(
        decided=pl.lit("accepted"), replaced=pl.lit(value=False), written=pl.lit(value=False)
    )
    return ReviewSource(planned, sample, frame, ANSWER_SCHEMA.empty_table(), "", rows)


def answer(
    source: ReviewSource, truth: Mapping[str, bool], people: tuple[Annotator, ...], rng: np.random.Generator
) -> ReviewSource:
    """The source with the answers of annotators on every row, and of an adjudicator where two differ."""
    said: list[dict[str, Any]] = []
    for row in source.plan.sample.to_pylist():
        bad = truth[row["row_id"]] if row["truth"] is None else row["truth"] == "reject"
        readers = rng.permutation(len(people))[: row["reviewers"]]
        given = [_judge(people[reader], bad, row["row_id"], "reviewer", rng) for reader in readers]
        if len({one["judgement"] for one in given}) > 1:
            given.append(_judge(ADJUDICATOR, bad, row["row_id"], "adjudicator", rng))
        said += given
    return replace(source, answers=pa.Table.from_pylist(said, schema=ANSWER_SCHEMA))


def _judge(who: Annotator, bad: bool, row_id: str, role: str, rng: np.random.Generator) -> dict[str, Any]:
    rejects = rng.random() < (who.sensitivity if bad else 1 - who.specificity)
    return {
        "answer_id": f"import:{who.name[-4:]}:{role}:{row_id}",
        "row_id": row_id,
        "reviewer": who.name,
        "role": role,
        "judgement": "reject" if rejects else "release",
        "submitted_at": "2020-11-30T01:35:00.000Z",
        "source": "import",
        "state": "submitted",
    }


def run_campaign(
    settings: PlanSettings, people: tuple[Annotator, ...], gold: int, number: int, tally: Tally
) -> None:
    """One campaign, from drawn defects to the bound of what ships, counted into the tally."""
    rng = np.random.default_rng([20261130, number])
    source = make_source(replace(settings, seed=number), gold, number)
    ids = source.rows["row_id"].to_list()
    bad = plant_defects(rng)
    truth = dict(zip(ids, bad.tolist(), strict=True))
    source = answer(source, truth, people, rng)
    outcome = work_out(source)
    decisions = decide(outcome, source)
    outcome = measure_outgoing(outcome, source, decisions)
    tally.campaigns += 1
    tally.untrusted += not outcome.reliability.passes
    tally.reviews.append(len(source.answers))
    rows = source.rows.with_columns(decision=decisions, bad=pl.Series(bad)).join(
        pl.DataFrame(source.frame), on="row_id", how="left", maintain_order="left"
    )
    _count_lots(outcome, rows, settings, tally)
    _count_bounds(outcome, rows, tally)


def decide(outcome: ReviewOutcome, source: ReviewSource) -> pl.Series:
    """What becomes of each row of the source."""
    said = pl.concat([pl.DataFrame(table) for table in (outcome.answered, outcome.lotted)])
    joined = source.rows.join(
        said.select("row_id", "outcome"), on="row_id", how="left", maintain_order="left"
    )
    names = {"reject": "rejected", "hold": "held", "accept": "accepted"}
    return joined["outcome"].replace_strict(names, default="accepted", return_dtype=pl.String)


def _count_lots(outcome: ReviewOutcome, rows: pl.DataFrame, settings: PlanSettings, tally: Tally) -> None:
    if not outcome.reliability.passes:
        return
    shares = dict(rows.group_by("lot").agg(pl.col("bad").mean()).iter_rows())
    for lot in outcome.lots:
        if shares[lot.lot] <= settings.aql:
            tally.good_lots += 1
            tally.good_failed += lot.status == "failed"
        if shares[lot.lot] >= settings.ltpd:
            tally.bad_lots += 1
            tally.bad_passed += lot.status == "passed"


def _count_bounds(outcome: ReviewOutcome, rows: pl.DataFrame, tally: Tally) -> None:
    shipped = rows.filter(decision="accepted")
    if not len(shipped):
        return
    overall = outcome.outgoing[0]
    if overall.high is None or overall.share is None:
        raise AssertionError("what ships was not measured")
    true = float(shipped["bad"].sum()) / len(shipped)
    tally.shipping += 1
    tally.overall_held += true <= overall.high
    tally.true_shares.append(true)
    tally.estimates.append(overall.share)
    tally.bounds.append(overall.high)
    by_slice = dict(shipped.group_by("slice").agg(pl.col("bad").mean()).iter_rows())
    for one in outcome.outgoing[1:]:
        if one.high is not None:
            tally.slices += 1
            tally.slices_held += by_slice[one.slice] <= one.high


def measure_risks(campaigns: int) -> dict[str, Any]:
    """The figures of both kinds of campaigns."""
    perfect = PlanSettings(seed=0, tier="low", **asdict(TIERS["low"]), by="slice", estimate=300, overlap=0.2)
    erring = replace(perfect, sensitivity=0.88, specificity=0.99)
    told = {}
    for name, settings, people, gold in (
        ("perfect readers", perfect, PERFECT, 0),
        ("readers who err", erring, ERRING, GOLD),
    ):
        tally = Tally()
        for number in range(campaigns):
            run_campaign(settings, people, gold, number, tally)
        told[name] = summarise(tally, settings)
    return told


def summarise(tally: Tally, settings: PlanSettings) -> dict[str, Any]:
    """The counts as shares with the promise that each is to keep."""
    return {
        "campaigns": tally.campaigns,
        "rows read a campaign": round(float(np.mean(tally.reviews))),
        "agreement below the bar": tally.untrusted,
        "good lots that failed": _share(tally.good_failed, tally.good_lots, f"at most {settings.alpha:.0%}"),
        "bad lots that passed": _share(tally.bad_passed, tally.bad_lots, f"at most {settings.beta:.0%}"),
        "true share under the bound": _share(tally.overall_held, tally.shipping, "at least 95%"),
        "true share under the bound, by slice": _share(tally.slices_held, tally.slices, "at least 95%"),
        "true share of what ships, mean": f"{np.mean(tally.true_shares):.2%}",
        "estimate, mean": f"{np.mean(tally.estimates):.2%}",
        "bound, mean": f"{np.mean(tally.bounds):.2%}",
    }


def _share(part: int, whole: int, promise: str) -> str:
    low, high = clopper_pearson(part, whole)
    return f"{part} of {whole} ({part / max(whole, 1):.1%}, 95% interval {low:.1%} to {high:.1%}); {promise}"


def build_large_run(folder: Path, rows: int) -> Path:
    """A judged run of so many rows in 77 slices by three methods, judged by one gate, 9% of them held."""
    small = folder / "small.jsonl"
    small.write_text('{"prompt": "a question about a card", "answer": "an answer about a card"}\n')
    gates = folder / "gates.yaml"
    gates.write_text("version: 1\ngates:\n  - use: structure\n")
    run = curate(small, gates, folder / "run").folder
    for name in ("candidates", "verdicts", "canaries", "state", "accepted", "rejected", "held"):
        shutil.rmtree(run / name, ignore_errors=True)
    words = np.array("card order refund late parcel address payment account password invoice".split())
    rng = np.random.default_rng(7)
    decisions = []
    for number, start in enumerate(range(0, rows, 10_000)):
        n = min(10_000, rows - start)
        said = [" ".join(words[rng.integers(0, len(words), 24)]) for _ in range(n)]
        table = build_candidates(
            {
                "kind": "instruction",
                "slice": f"intent-{(start + k) % 77:02d}",
                "messages": [
                    {"role": "user", "content": text[:60]},
                    {"role": "assistant", "content": text[60:]},
                ],
                "text": text,
                "attachments": [],
                "generator": ("self", "evol", "magpie")[k % 3],
                "generator_version": "1",
                "draw": start + k,
                "replayable": False,
            }
            for k, text in enumerate(said)
        )
        outcomes = ["hold" if k % 11 == 0 else "accept" for k in range(n)]
        name = f"part-{number:05d}.parquet"
        write_table(run / "candidates" / name, table)
        write_table(
            run / "verdicts" / "structure" / name, build_verdicts(table["row_id"], "structure", outcomes)
        )
        held = {"decision": "held", "gate": "structure", "reason_class": "structure.toy"}
        told = [
            {"row_id": row_id, **(held if outcome == "hold" else {"decision": "accepted"})}
            for row_id, outcome in zip(table["row_id"].to_pylist(), outcomes, strict=True)
        ]
        decisions.append(pa.Table.from_pylist(told, schema=DECISION_SCHEMA))
    write_table(run / "decisions.parquet", pa.concat_tables(decisions))
    return run


class Stopwatch:
    """Seconds on the wall, and of this process on all cores: on a busy machine the first says little."""

    def __enter__(self) -> "Stopwatch":
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu

    def told(self) -> str:
        """Both, in words."""
        return f"{self.wall:.1f} on the wall, {self.cpu:.1f} of CPU"


def measure_speed(rows: int, answers: int) -> dict[str, Any]:
    """Seconds to plan for so many rows, to record so many answers, and to put them into effect."""
    folder = Path(tempfile.mkdtemp(prefix="review-"))
    try:
        run = build_large_run(folder, rows)
        with Stopwatch() as planned:
            made = plan(run, risk="low", by=["slice", "generator", "cluster"])
        ids = [(r["row_id"], r["reviewers"]) for r in made.sample.to_pylist()]
        said = [
            {
                "answer_id": f"import:{row_id}:{reader}",
                "row_id": row_id,
                "reviewer": f"{reader:064x}",
                "judgement": "release",
                "submitted_at": "2020-11-30T01:35:00.000Z",
                "source": "import",
            }
            for row_id, readers in ids
            for reader in range(readers)
        ][:answers]
        with Stopwatch() as recorded:
            record_answers(run, said)
        with Stopwatch() as decided:
            decide_lots(run)
        return {
            "rows": rows,
            "lots": len(made.lots),
            "clusters": made.clusters,
            "rows to read": len(made.sample),
            "plan, seconds": planned.told(),
            f"record {len(said):,} answers, seconds": recorded.told(),
            "decide and report, seconds": decided.told(),
            "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "plan digest": digest_file(run / "review" / "plan.json")[:12],
        }
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("risks", "speed"))
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--rows", type=int, default=442_000)
    parser.add_argument("--answers", type=int, default=5_000)
    given = parser.parse_args()
    told = (
        measure_risks(given.campaigns) if given.what == "risks" else measure_speed(given.rows, given.answers)
    )
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
