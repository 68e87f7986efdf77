"""What a pack holds of a review: the plan, what was drawn, what counts of the answers, and what they came to.

No name, no mail address and no free text of a reviewer is in it (review/source.py, PUBLIC_FIELDS), and no
gold row or canary.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from synth_stack.errors import InputError, SynthStackError, VerificationError
from synth_stack.files import digest_file, store_errors, write_bytes
from synth_stack.packs import layout
from synth_stack.packs.shards import read_shard
from synth_stack.packs.statement import read_file
from synth_stack.review.outcome import OUTCOME, measure_outgoing, read_outcome, work_out
from synth_stack.review.plan_file import (
    EARLIER_STEM,
    FRAME,
    FRAME_SCHEMA,
    LOT_SCHEMA,
    LOTS,
    PLAN,
    SAMPLE,
    SAMPLE_SCHEMA,
    SCREENED_STEM,
    ReviewPlan,
    build_review_plan,
    has_plan,
    parse_plan,
    read_plan,
)
from synth_stack.review.source import (
    PUBLIC_FIELDS,
    ReviewSource,
    open_source,
    publish_answers,
    read_published,
)
from synth_stack.review.verdicts import holds_verdicts
from synth_stack.runs.folder import list_files
from synth_stack.runs.judged import Judged

MAX_PLAN_BYTES = 1024**2
MAX_OUTCOME_BYTES = 256 * 1024**2
"""Of outcome.json and answers.jsonl: a line of some 400 bytes for each lot, slice and answer."""

_COPIED = (PLAN, LOTS, FRAME, SAMPLE, OUTCOME)


def copy_review(run: Judged, staging: Path) -> dict[str, Any] | None:
    """The outcome of the review of a run, once it lies in the pack at `staging`; None where there is no plan.

    Raises InputError where answers were given, or the run was changed, since they were put into effect.
    """
    if not has_plan(run.folder):
        return None
    plan = read_plan(run.folder)
    source = open_source(run, plan)
    outcome = measure_outgoing(work_out(source), source, pl.DataFrame(run.decisions)["decision"])
    written = read_outcome(run.folder) == orjson.loads(orjson.dumps(outcome.to_json()))
    if not written or not holds_verdicts(run.folder, outcome.answered, outcome.lotted):
        raise InputError(
            f"the answers on the review of {run.folder} are not put into effect as they are now",
            mend=f"Type: synth-stack review rows {run.folder} --decide-only",
        )
    for name in [*_COPIED, *_list_samples(list_files(run.folder))]:
        with store_errors(run.folder / name):
            write_bytes(staging / name, (run.folder / name).read_bytes())
    write_bytes(staging / layout.REVIEW_ANSWERS, publish_answers(source.answers))
    return read_outcome(staging)


def read_packed_plan(pack: Path, names: Sequence[str]) -> ReviewPlan:
    """The plan in a pack. Raises VerificationError for tables that are not those that were planned."""
    data = read_file(pack, PLAN, max_bytes=MAX_PLAN_BYTES)
    said = parse_plan(data, where=PLAN)
    for name in (LOTS, FRAME, SAMPLE):
        if digest_file(pack / name) != said["tables"][Path(name).name]:
            raise VerificationError(f"{name} is not what was planned")
    screened = sorted(name for name in names if name.startswith(f"{layout.REVIEW}/{SCREENED_STEM}"))
    lots = _read(pack, LOTS, LOT_SCHEMA)
    samples = [_read(pack, name, SAMPLE_SCHEMA) for name in (SAMPLE, *screened)]
    return build_review_plan(pack, data, said, lots, samples)


def open_packed_source(pack: Path, names: Sequence[str], rows: pl.DataFrame) -> ReviewSource:
    """What the outcome of a pack's review is worked out from; `rows` is told by its records.

    Raises VerificationError for what no review leaves.
    """
    try:
        plan = read_packed_plan(pack, names)
        earlier = [_read(pack, name, SAMPLE_SCHEMA) for name in _list_samples(names, earlier=True)]
        frame = _read(pack, FRAME, FRAME_SCHEMA)
        answers = read_published(_read_answers(pack))
        sha256 = digest_file(pack / layout.REVIEW_ANSWERS)
        every = pa.concat_tables([plan.sample, *earlier])
        return ReviewSource(plan, every, frame, answers, sha256, rows)
    except VerificationError:
        raise
    except (SynthStackError, pa.ArrowException, ValueError) as exc:
        raise VerificationError(f"{layout.REVIEW}/ holds no sound review: {exc}") from exc


def read_packed_outcome(pack: Path) -> dict[str, Any]:
    """What outcome.json of a pack says. Raises VerificationError."""
    try:
        said = orjson.loads(read_file(pack, OUTCOME, max_bytes=MAX_OUTCOME_BYTES))
    except orjson.JSONDecodeError as exc:
        raise VerificationError(f"{OUTCOME} is not JSON: {exc}") from exc
    if not isinstance(said, dict):
        raise VerificationError(f"{OUTCOME} is no outcome of a review")
    return said


def _list_samples(names: Sequence[str], *, earlier: bool = False) -> list[str]:
    """The tables of rows to read besides the plan's own, with the plans of earlier ones where these are
    copied.
    """
    found = []
    for name in sorted(names):
        folder, _, file = name.rpartition("/")
        is_earlier = folder.startswith(f"{layout.REVIEW}/{EARLIER_STEM}")
        is_sample = file == Path(SAMPLE).name or file.startswith(SCREENED_STEM)
        if earlier:
            is_wanted = is_earlier and is_sample
        elif is_earlier:
            is_wanted = is_sample or file == Path(PLAN).name
        else:
            is_wanted = folder == layout.REVIEW and file.startswith(SCREENED_STEM)
        if is_wanted:
            found.append(name)
    return found


def _read(pack: Path, name: str, schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *read_shard(pack, name, schema)]).combine_chunks()


def _read_answers(pack: Path) -> Iterator[dict[str, Any]]:
    data = read_file(pack, layout.REVIEW_ANSWERS, max_bytes=MAX_OUTCOME_BYTES)
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise VerificationError(f"{layout.REVIEW_ANSWERS}: line {number} is not JSON") from exc
        if not isinstance(said, dict) or set(said) != set(PUBLIC_FIELDS):
            raise VerificationError(f"{layout.REVIEW_ANSWERS}: line {number} is no answer of a pack")
        yield said
