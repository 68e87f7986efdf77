"""What is to be read of a run, written once: the lots, the rows drawn from them in order, and the settings.

    review/plan.json           the settings, the seed, what the run was, and the digests of the tables below
    review/lots.parquet        one row a lot (LOT_SCHEMA)
    review/frame.parquet       the lot of every row that is in one (FRAME_SCHEMA), sorted by row_id
    review/sample.parquet      the rows to read (SAMPLE_SCHEMA), sorted by position
    review/planted.parquet     gold rows and canaries whole, as candidates; they are in no shard and no pack
    review/screened-*.parquet  rows of failed lots that are to be read one by one (SAMPLE_SCHEMA)
    review/answers.jsonl       what reviewers said (review/answers.py)
    review/earlier-*/          a plan that another one took the place of

No time and no path is in a plan: the same run, settings and seed give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
from pydantic import TypeAdapter

from synth_stack.errors import InputError, StoreError
from synth_stack.files import digest_file, read_table, store_errors, write_bytes, write_table
from synth_stack.rows.canonical import Digest, canonical_json, digest_bytes
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import update_manifest

FOLDER = "review"
PLAN = f"{FOLDER}/plan.json"
LOTS = f"{FOLDER}/lots.parquet"
FRAME = f"{FOLDER}/frame.parquet"
SAMPLE = f"{FOLDER}/sample.parquet"
PLANTED = f"{FOLDER}/planted.parquet"
SCREENED_STEM = "screened-"
EARLIER_STEM = "earlier-"

PLAN_SCHEME = "synth_stack/review-plan/v1"

PURPOSES = ("held", "sample", "estimate", "screen", "gold", "canary")
"""Why a row is read: the gates hold it; it was drawn to decide its lot; it was drawn to measure what ships,
whatever its lot's sample said; its lot failed and is read whole; its truth is known, from a person (gold) or
because a gate planted it (canary)."""

METHODS = ("single", "sequential", "whole", "percent")
"""How a lot is decided: one sample; a sample that may end early; every row of it; a flat share of it."""

STAGES = pa.list_(pa.struct([("n", pa.int64()), ("accept", pa.int64()), ("reject", pa.int64())]))
"""The looks at a lot, in order: when `n` rows in all have been read, it passes with at most `accept` defects
(-1: not yet) and fails with at least `reject`. At the last look `reject` is `accept` + 1."""

LOT_SCHEMA = pa.schema(
    [
        pa.field("lot", pa.string(), nullable=False),
        pa.field("slice", pa.string()),
        pa.field("generator", pa.string()),
        pa.field("cluster", pa.string()),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("tier", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("c", pa.int64(), nullable=False),
        pa.field("stages", STAGES, nullable=False),
        pa.field("aql", pa.float64(), nullable=False),
        pa.field("ltpd", pa.float64(), nullable=False),
        pa.field("alpha", pa.float64(), nullable=False),
        pa.field("beta", pa.float64(), nullable=False),
        pa.field("producer_risk", pa.float64(), nullable=False),
        pa.field("consumer_risk", pa.float64(), nullable=False),
        pa.field("expected_n", pa.float64(), nullable=False),
        pa.field("chain", pa.string()),
        pa.field("place", pa.int64()),
        pa.field("skip", pa.bool_(), nullable=False),
    ]
)
"""A lot of `rows` rows of one slice, generator and cluster (null: of none, or of any where lots are not told
apart by it). At most `n` of them are read, and `c` defects at the last look are the most with which it
passes. `alpha` and `beta` are the risks that were asked for at the shares `aql` and `ltpd`; `producer_risk`
and `consumer_risk` those that the plan has, exactly, and `expected_n` the rows that it reads on average at
`aql`. `chain` names the lots that are looked at one after another under a skip-lot plan, at which `place`
(from 0), and `skip` says that this one goes unread once enough before it have passed."""

FRAME_SCHEMA = pa.schema(
    [pa.field("row_id", pa.string(), nullable=False), pa.field("lot", pa.string(), nullable=False)]
)

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("lot", pa.string()),
        pa.field("purpose", pa.string(), nullable=False),
        pa.field("draw", pa.int64()),
        pa.field("stage", pa.int64()),
        pa.field("reviewers", pa.int64(), nullable=False),
        pa.field("blind", pa.bool_(), nullable=False),
        pa.field("truth", pa.string()),
    ]
)
"""A row to read. `position` is where it stands in the order of reading; `draw` its place in the order in
which the rows of its lot were drawn, and `stage` the first look (from 1) that counts it. `reviewers` is how
many different people have to judge it: 2 or more for the overlap. A `blind` row is shown without what the
gates said of it, and nobody may be told its purpose or `truth` (release or reject), which only planted rows
have. A planted row bears the lot that it is shown in, and never counts for it."""

Held = Literal["no", "also", "only"]
OnFailed = Literal["reject", "screen"]
OnWaiting = Literal["hold", "ship"]


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What a plan was asked for; every field is recorded in plan.json.

    `tier` names the risks (stats/acceptance.py); with `aql`, `ltpd`, `alpha` and `beta` of its own it is
    "custom". `percent` draws a flat share of each lot instead. With `skip_lots` lots of one slice and
    generator go unread after some have passed (stats/skip_lots.py). Lots are told apart `by` slice, generator
    and cluster, or some of them, and clusters are cut so that a lot has about `lot_rows` rows. `held` says
    whether rows that the gates hold are read: besides lots, or alone. `estimate` rows are drawn from all lots
    to measure what ships. `overlap` is the share of the drawn rows that two people read. No lot decision
    counts where Krippendorff's alpha is below `min_agreement`, where kappa of two people surely is, or
    where the share of rows on which one reviewer agrees with anybody surely is below
    `min_reviewer_agreement`. A failed lot is rejected whole or read whole (`on_failed`); the rows of a lot
    that waits are held or shipped (`on_waiting`). `sensitivity` and `specificity` are those of the
    reviewers that the risks allow for.
    """

    seed: int
    tier: str
    aql: float
    ltpd: float
    alpha: float
    beta: float
    method: str = "single"
    percent: float | None = None
    skip_lots: bool = False
    by: str = "slice,generator,cluster"
    lot_rows: int = 2_000
    lots: bool = True
    held: Held = "no"
    estimate: int = 300
    overlap: float = 0.2
    min_agreement: float = 0.667
    min_reviewer_agreement: float = 0.8
    on_failed: OnFailed = "reject"
    on_waiting: OnWaiting = "hold"
    canaries: int = 0
    gold: str | None = None
    sensitivity: float = 1.0
    specificity: float = 1.0
    reviewers: int = 3
    seconds_a_row: float = 40.0

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON; shares are decimal strings, as in records."""
        return {k: repr(v) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """A plan as it was written: `lots` (LOT_SCHEMA) and `sample` (SAMPLE_SCHEMA): `sample_rows` that
    were planned, and after them those that failed lots added.

    `sha256` is the digest of plan.json, which names those of the tables; None of a plan that was not written.
    `run` and `gates` are the identities of the locks of the run that was planned. `clusters` says what the
    clusters of the lots are.
    """

    folder: Path
    sha256: Digest | None
    settings: PlanSettings
    run: str
    gates: str
    lots: pa.Table
    sample: pa.Table
    sample_rows: int
    clusters: str | None = None
    supersedes: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def read_frame(self) -> pa.Table:
        """The lot of every row that is in one, FRAME_SCHEMA."""
        return read_table(self.folder / FRAME, FRAME_SCHEMA)

    def read_planted(self) -> pa.Table:
        """Gold rows and canaries, as CANDIDATE_SCHEMA."""
        return read_table(self.folder / PLANTED, CANDIDATE_SCHEMA)


def has_plan(folder: Path) -> bool:
    """Whether the run at `folder` has a plan."""
    return (folder / PLAN).is_file()


def read_plan(folder: str | Path) -> ReviewPlan:
    """The plan of the run at `folder`.

    Raises InputError where there is none, StoreError for tables that are not those that were planned.
    """
    run = Path(folder)
    if not has_plan(run):
        raise InputError(f"{run} has no review plan", mend="Make one with `synth-stack review plan`.")
    with store_errors(run / PLAN):
        data = (run / PLAN).read_bytes()
    said = parse_plan(data, where=str(run / PLAN))
    for name in (LOTS, FRAME, SAMPLE, PLANTED):
        if digest_file(run / name) != said["tables"][Path(name).name]:
            raise StoreError(
                f"{run / name} is not what was planned",
                mend="Restore it, or plan again with `synth-stack review plan --again`.",
            )
    lots, first = read_table(run / LOTS, LOT_SCHEMA), read_table(run / SAMPLE, SAMPLE_SCHEMA)
    return build_review_plan(run, data, said, lots, [first, *read_screened(run)])


def parse_plan(data: bytes, *, where: str) -> dict[str, Any]:
    """What plan.json says, with `settings` as PlanSettings. Raises StoreError, starting with `where`."""
    try:
        said: dict[str, Any] = orjson.loads(data)
        said["settings"] = _parse_settings(said["settings"])
        known = said["scheme"] == PLAN_SCHEME
        texts = [said["run"]["recipe"], said["run"]["gates"], *said["tables"].values()]
        sound = all(isinstance(text, str) for text in texts) and isinstance(said["facts"], dict)
        sound = sound and {"clusters", "supersedes"} <= set(said)
        sound = sound and {Path(name).name for name in (LOTS, FRAME, SAMPLE, PLANTED)} == set(said["tables"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StoreError(f"{where} is no review plan") from exc
    if not known or not sound:
        raise StoreError(f"{where} is no review plan of this scheme", allowed=PLAN_SCHEME)
    return said


def build_review_plan(
    folder: Path, data: bytes, said: Mapping[str, Any], lots: pa.Table, samples: Sequence[pa.Table]
) -> ReviewPlan:
    """The plan of plan.json's bytes and what they say (`parse_plan`), its lots, and its sample in parts."""
    return ReviewPlan(
        folder=folder,
        sha256=digest_bytes(data),
        settings=said["settings"],
        run=said["run"]["recipe"],
        gates=said["run"]["gates"],
        lots=lots,
        sample=pa.concat_tables(samples).combine_chunks(),
        sample_rows=len(samples[0]),
        clusters=said["clusters"],
        supersedes=said["supersedes"],
        facts=said["facts"],
    )


def read_screened(folder: Path) -> list[pa.Table]:
    """The rows that failed lots added to what is to be read, SAMPLE_SCHEMA, in order."""
    return [read_table(path, SAMPLE_SCHEMA) for path in list_screened(folder)]


def read_every_sample(plan: ReviewPlan) -> pa.Table:
    """The rows to read of this plan and then of the earlier ones of the run, SAMPLE_SCHEMA."""
    review = plan.folder / FOLDER
    earlier = sorted(review.glob(f"{EARLIER_STEM}*/{Path(SAMPLE).name}"))
    earlier += sorted(review.glob(f"{EARLIER_STEM}*/{SCREENED_STEM}*.parquet"))
    return pa.concat_tables([plan.sample, *(read_table(path, SAMPLE_SCHEMA) for path in earlier)])


def list_screened(folder: Path) -> list[Path]:
    """The tables of rows that failed lots added to what is to be read, in order."""
    return sorted((folder / FOLDER).glob(f"{SCREENED_STEM}*.parquet"))


@dataclass(frozen=True, slots=True)
class PlanTables:
    """The four tables of a plan before they are written."""

    lots: pa.Table
    frame: pa.Table
    sample: pa.Table
    planted: pa.Table


def write_plan(
    folder: Path,
    settings: PlanSettings,
    tables: PlanTables,
    *,
    identity: Mapping[str, str],
    clusters: str | None,
    facts: Mapping[str, Any],
    supersedes: str | None = None,
) -> ReviewPlan:
    """Write a plan into the run at `folder`, plan.json last, and record it in the run's manifest.

    `identity` has the identities of the run's locks, `recipe` and `gates`.
    """
    written = {LOTS: tables.lots, FRAME: tables.frame, SAMPLE: tables.sample, PLANTED: tables.planted}
    for name, table in written.items():
        write_table(folder / name, table, plain=True)
    plan = {
        "scheme": PLAN_SCHEME,
        "run": dict(identity),
        "settings": settings.to_json(),
        "clusters": clusters,
        "tables": {Path(name).name: digest_file(folder / name) for name in written},
        "facts": dict(facts),
        "supersedes": supersedes,
    }
    write_bytes(folder / PLAN, canonical_json(plan) + b"\n")
    update_manifest(folder, [PLAN, *written])
    return read_plan(folder)


def set_aside(folder: Path) -> Path:
    """Where the plan of the run at `folder` lies now that another one is to take its place.

    plan.json goes last, so that a kill in between leaves a plan that says what is missing.
    """
    review = folder / FOLDER
    number = 1 + len(list(review.glob(f"{EARLIER_STEM}*")))
    aside = review / f"{EARLIER_STEM}{number:03d}"
    names = [LOTS, FRAME, SAMPLE, PLANTED, *(f"{FOLDER}/{path.name}" for path in list_screened(folder)), PLAN]
    with store_errors(aside):
        aside.mkdir(parents=True)
        for name in names:
            (folder / name).rename(aside / Path(name).name)
    update_manifest(folder, [*names, *(f"{FOLDER}/{aside.name}/{Path(name).name}" for name in names)])
    return aside


def _parse_settings(said: Mapping[str, Any]) -> PlanSettings:
    known = {each.name for each in fields(PlanSettings)}
    if set(said) != known:
        raise ValueError(f"the settings are not those of a plan: {sorted(set(said) ^ known)}")
    return TypeAdapter(PlanSettings).validate_python(said)
