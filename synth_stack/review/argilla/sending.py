"""Sends the rows of a plan to an Argilla server: each once, however often and by however many starts.

The dataset is named after the plan, and a record after its row and purpose, so a second call finds what the
first one left. Rows that several people read stand in a dataset of their own, because Argilla counts the
answers that complete a record by dataset.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import ConfigError, MissingExtra, RunMismatch, ServerError
from synth_stack.models.embedders import Embedder, load_embedder
from synth_stack.progress import Progress
from synth_stack.review.argilla.client import ArgillaClient, ServerDataset, ServerWorkspace
from synth_stack.review.argilla.form import (
    list_defects,
    list_fields,
    list_metadata,
    list_questions,
    name_score,
    write_guidelines,
)
from synth_stack.review.argilla.images import read_images
from synth_stack.review.argilla.records import ADJUDICATE, VECTOR, build_record, name_record
from synth_stack.review.content import read_rows_to_review, read_said
from synth_stack.review.plan_file import ReviewPlan
from synth_stack.review.planning import identify
from synth_stack.runs.judged import Judged
from synth_stack.text.printable import count_noun

BATCH_RECORDS = 200
"""In one request: two to four seconds of a small server, so that a kill costs little."""
IMAGE_BATCH_RECORDS = 20
"""The same of rows with images, of some 150 kB each."""
DATASET_SCHEME = "synth_stack/review-dataset/v1"
EMBEDDER: Literal["wordllama"] = "wordllama"
"""The fast one: it finds rows that are about the same, which is what a reviewer searches for."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What sending did: `new` records of `total` that the plan wants, in `datasets` of a workspace."""

    url: str
    workspace: str
    datasets: tuple[str, ...]
    total: int
    new: int
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        names = ("url", "workspace", "total", "new")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "datasets": list(self.datasets), "notices": list(self.notices)}

    def lines(self) -> list[str]:
        """The same in words."""
        there = self.total - self.new
        return [
            f"{count_noun(self.new, 'record')} sent; there already: {there:,}",
            *(f"dataset  {self.workspace}/{name}" for name in self.datasets),
            f"address  {self.url}",
            *(f"note     {notice}" for notice in self.notices),
        ]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A judged run and its plan on a server; `topics` are those of the run's taxonomy."""

    client: ArgillaClient
    workspace: ServerWorkspace
    run: Judged
    plan: ReviewPlan
    topics: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class DatasetGroup:
    """The rows of one dataset: their places in the plan's sample, and how many people read each."""

    name: str
    places: Sequence[int]
    reviewers: int
    answers: Mapping[str, str] = field(default_factory=dict)
    adjudicates: bool = False
    """Whether it is for adjudicators, who are shown the `answers` of reviewers, by row id."""


def group_rows(run: Judged, plan: ReviewPlan) -> list[DatasetGroup]:
    """The datasets of a campaign: the rows of its plan, each once, by how many people have to read them."""
    ids, wanted = (plan.sample[name].to_pylist() for name in ("row_id", "reviewers"))
    first = {row_id: place for place, row_id in reversed(list(enumerate(ids)))}
    stem = _name_campaign(run, plan)
    groups = []
    for n in sorted(set(wanted)):
        places = [place for place, row_id in enumerate(ids) if first[row_id] == place and wanted[place] == n]
        if places:
            groups.append(DatasetGroup(stem if n == 1 else f"{stem}-read-by-{n}", places, n))
    return groups


def group_disputes(run: Judged, plan: ReviewPlan, said: Mapping[str, str]) -> DatasetGroup:
    """The dataset for adjudicators: rows that reviewers disagree on; `said` is what they said, by row id."""
    ids = plan.sample["row_id"].to_pylist()
    first = {row_id: place for place, row_id in reversed(list(enumerate(ids)))}
    places = sorted(first[row_id] for row_id in said)
    return DatasetGroup(f"{_name_campaign(run, plan)}-adjudication", places, 1, said, adjudicates=True)


def send_groups(campaign: Campaign, groups: Sequence[DatasetGroup], progress: Progress) -> Sent:
    """Create the datasets that are not there and send the records that they lack.

    Raises RunMismatch for a plan of another run or other gates, ConfigError for a key that may not do this,
    ServerError for a server that fails; what was sent before stays, and the same call goes on from there.
    """
    require_same_run(campaign.run, campaign.plan)
    embedder, notices = _load_embedder()
    content = _Content(read_rows_to_review(campaign.plan), embedder)
    new, names = 0, []
    for group in groups:
        dataset = _ensure_dataset(campaign, group, content)
        names.append(dataset.name)
        new += _send_missing(campaign, dataset, group, content, progress)
    total = sum(len(group.places) for group in groups)
    client = campaign.client
    if client.is_open:
        notices.append("the rows and the key travel unencrypted: use an https:// address for other machines")
    return Sent(str(client.url), campaign.workspace.name, tuple(names), total, new, tuple(notices))


def open_workspace(client: ArgillaClient, name: str | None) -> ServerWorkspace:
    """The workspace of a campaign. Raises ConfigError for a key that may not read all answers there."""
    me = client.read_me()
    if me.role == "annotator":
        raise ConfigError(
            "the key is that of an annotator, who may neither send records nor read what others say",
            allowed="the key of an owner, or of an admin of the workspace",
        )
    return client.read_workspace(name)


def require_same_run(run: Judged, plan: ReviewPlan) -> None:
    """Raises RunMismatch where the plan was made for other rows or other gates."""
    now = identify(run)
    if (plan.run, plan.gates) != (now["recipe"], now["gates"]):
        raise RunMismatch(
            f"the review plan of {run.folder} was made before its rows or gates changed",
            mend="Plan again with `synth-stack review plan --again`; answers that were given stay.",
        )


@dataclass(frozen=True, slots=True)
class _Content:
    """The rows of a plan, in the order of its sample, and what embeds them."""

    rows: pa.Table
    embedder: Embedder | None

    @property
    def has_images(self) -> bool:
        """Whether any of the rows has an image."""
        return bool(pc.any(pc.greater(pc.list_value_length(self.rows["attachments"]), 0)).as_py())

    @property
    def batch_records(self) -> int:
        """Records in one request."""
        return IMAGE_BATCH_RECORDS if self.has_images else BATCH_RECORDS


def _ensure_dataset(campaign: Campaign, group: DatasetGroup, content: _Content) -> ServerDataset:
    """The dataset of a group, published; one that a killed call left as a draft is finished."""
    client, workspace, run, plan = campaign.client, campaign.workspace, campaign.run, campaign.plan
    marks = {"scheme": DATASET_SCHEME, "plan": plan.sha256, "reviewers": group.reviewers}
    found = client.find_dataset(workspace, group.name)
    if found is None:
        settings: dict[str, Any] = {
            "name": group.name,
            "guidelines": write_guidelines(
                run.recipe.about, run.gates, campaign.topics, adjudicates=group.adjudicates
            ),
            "distribution": {"strategy": "overlap", "min_submitted": group.reviewers},
            "metadata": marks,
            "allow_extra_metadata": False,
        }
        found = client.create_dataset(workspace, settings)
    elif found.metadata != marks:
        raise ServerError(
            f"workspace {workspace.name} has a dataset {group.name} that is not this campaign's",
            mend="Rename or remove it, or send to another workspace with --workspace.",
        )
    if found.status == "ready":
        return found
    wanted: dict[str, list[dict[str, Any]]] = {
        "fields": list_fields(adjudicates=group.adjudicates, images=content.has_images),
        "questions": list_questions(list_defects(run.gates)),
        "metadata-properties": list_metadata(gate.use for gate in run.gates),
        "vectors-settings": _list_vectors(content.embedder),
    }
    for kind, parts in wanted.items():
        there = {part.name for part in client.list_parts(found, kind)}
        for part in parts:
            if part["name"] not in there:
                client.create_part(found, kind, part)
    return client.publish(found)


def _list_vectors(embedder: Embedder | None) -> list[dict[str, Any]]:
    if embedder is None:
        return []
    dimensions = embedder.embed([""]).shape[1]
    return [{"name": VECTOR, "title": "Meaning", "dimensions": dimensions}]


def _send_missing(
    campaign: Campaign, dataset: ServerDataset, group: DatasetGroup, content: _Content, progress: Progress
) -> int:
    """How many records were sent: those of the group that the dataset does not have."""
    client, plan = campaign.client, campaign.plan
    there = {record.external_id for record in client.read_records(dataset, answers=False)}
    missing = [place for place in group.places if _name(plan, place, group) not in there]
    if all(part.name != VECTOR for part in client.list_parts(dataset, "vectors-settings")):
        content = _Content(content.rows, None)
    advance = progress.begin("send", len(group.places), len(group.places) - len(missing))
    for start in range(0, len(missing), content.batch_records):
        places = missing[start : start + content.batch_records]
        client.upsert_records(dataset, list(_build_batch(campaign, group, content, places)))
        advance(len(places))
    return len(missing)


def _build_batch(
    campaign: Campaign, group: DatasetGroup, content: _Content, places: Sequence[int]
) -> Iterator[dict[str, Any]]:
    batch = content.rows.take(places).to_pylist()
    sample = campaign.plan.sample.take(places).to_pylist()
    said = _read_verdicts(campaign.run, [row["row_id"] for row in batch])
    vectors = _embed(content.embedder, [row["text"] or "" for row in batch])
    images = read_images(content.rows.take(places), campaign.run.folder)
    for row, drawn, vector, shown in zip(batch, sample, vectors, images, strict=True):
        mine = said.get(row["row_id"], [])
        scores = {name_score(v["gate"]): v["score"] for v in mine if _is_finite(v["score"])}
        yield build_record(
            row,
            purpose=ADJUDICATE if group.adjudicates else drawn["purpose"],
            metadata={"lot": drawn["lot"], "slice": row["slice"], "locale": row["locale"], **scores},
            said=() if drawn["blind"] else [v for v in mine if v["outcome"] != "accept"],
            answers=group.answers.get(row["row_id"]),
            vector=vector,
            images=shown,
        )


def _embed(embedder: Embedder | None, texts: list[str]) -> list[list[float] | None]:
    """A vector for each text, None for one without words that the embedder knows."""
    if embedder is None:
        return [None] * len(texts)
    return [
        row.tolist() if row.any() else None for row in np.round(embedder.embed(texts).astype(np.float64), 5)
    ]


def _name(plan: ReviewPlan, place: int, group: DatasetGroup) -> str:
    purpose = ADJUDICATE if group.adjudicates else plan.sample["purpose"][place].as_py()
    return name_record(plan.sample["row_id"][place].as_py(), purpose)


def _read_verdicts(run: Judged, row_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for verdict in read_said(run, row_ids).to_pylist():
        found.setdefault(verdict["row_id"], []).append(verdict)
    return found


def _is_finite(score: float | None) -> bool:
    return score is not None and math.isfinite(score)


def _load_embedder() -> tuple[Embedder | None, list[str]]:
    try:
        return load_embedder(EMBEDDER), []
    except MissingExtra as exc:
        return None, [f"no vectors for similarity search are sent: {exc}"]


def _name_campaign(run: Judged, plan: ReviewPlan) -> str:
    assert plan.sha256 is not None  # one that was read, not one that was only worked out
    return f"{_slug(run.recipe.name)}-{plan.sha256[:8]}"


def _slug(name: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)
    return plain.strip("-")[:80] or "rows"
