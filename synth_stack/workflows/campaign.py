"""A review campaign on an Argilla server: the rows of a plan sent, and what people say of them collected."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from synth_stack.errors import ConfigError, StoreError
from synth_stack.files import store_errors
from synth_stack.host import lock_file
from synth_stack.inputs.strict_yaml import read_yaml
from synth_stack.progress import Progress, Silent
from synth_stack.review.answers import Recorded, read_answers, read_journal, record_answers
from synth_stack.review.argilla.address import find_server
from synth_stack.review.argilla.client import ArgillaClient, ServerWorkspace
from synth_stack.review.argilla.collecting import Read, Shown, latest_by_id, read_dataset
from synth_stack.review.argilla.importing import AnswerMap, read_foreign_dataset
from synth_stack.review.argilla.records import ADJUDICATE, find_answer, name_record
from synth_stack.review.argilla.sending import (
    Campaign,
    DatasetGroup,
    Sent,
    group_disputes,
    group_rows,
    open_workspace,
    require_same_run,
    send_groups,
)
from synth_stack.review.content import read_rows_to_review
from synth_stack.review.judgements import settle_rows
from synth_stack.review.plan_file import FOLDER, ReviewPlan, read_plan
from synth_stack.review.reliability import KNOWN
from synth_stack.review.reviewers import ReviewerId, keep_key, read_key_for, reviewer_id
from synth_stack.runs.judged import Judged, open_judged
from synth_stack.text.printable import count_noun


@dataclass(frozen=True, slots=True)
class Collected:
    """What collecting did: `recorded` in the journal, of `submitted` answers on `records` records."""

    recorded: Recorded
    submitted: int
    records: int
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        said = self.recorded.to_json()
        return {
            **said,
            "submitted": self.submitted,
            "records": self.records,
            "notices": [*self.notices, *said["notices"]],
        }

    def lines(self) -> list[str]:
        """The same in words."""
        done = self.recorded
        return [
            f"{count_noun(self.submitted, 'answer')} on {count_noun(self.records, 'record')}: "
            f"{done.new:,} new, {done.edited:,} edited, {done.deleted:,} deleted, {done.repeated:,} known",
            *(f"note     {notice}" for notice in (*self.notices, *done.notices)),
        ]


def campaign(
    folder: str | Path,
    *,
    url: str | None = None,
    api_key: str | None = None,
    workspace: str | None = None,
    server: str | Path | None = None,
    review_key: str | Path | None = None,
) -> "OpenCampaign":
    """A campaign of the run at `folder`, open until `close` or the end of its block.

        with synth_stack.review.campaign("curated") as reviews:
            reviews.send()
            reviews.collect()

    The server is that at `url`, with the key `api_key` (else ARGILLA_API_KEY); without a url the one that
    `serve` runs for this run, else ARGILLA_API_URL, else the one in the folder `server` (review-server).
    `review_key` is the file with the key of reviewer ids.

    Raises InputError for a run without a plan, ConfigError where no server is named or the key will not do,
    ServerError for a server that cannot be reached.
    """
    run = Path(folder)
    read_plan(run)
    key = read_key_for(run, review_key)
    keep_key(run, key)
    address = find_server(run, url=url, api_key=api_key, server=server)
    client = ArgillaClient(address.url, address.api_key)
    try:
        return OpenCampaign(run, client, open_workspace(client, workspace or address.workspace), key)
    except BaseException:
        client.close()
        raise


class OpenCampaign:
    """A campaign with its session; `campaign` opens it."""

    def __init__(self, folder: Path, client: ArgillaClient, workspace: ServerWorkspace, key: bytes) -> None:
        self.folder = folder
        self.workspace = workspace
        self._client = client
        self._key = key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session with the server."""
        self._client.close()

    def send(self, *, progress: Progress | None = None) -> Sent:
        """Send the records that the server does not have, and what reviewers disagree on to adjudicators.

        The same call again sends what is new, and what a killed call did not get to. Raises StoreError while
        another process sends or collects; see `send_groups` for the rest.
        """
        with _alone(self.folder):
            run, plan = open_judged(self.folder), read_plan(self.folder)
            groups = group_rows(run, plan)
            disputed = _describe_disputes(plan)
            if disputed:
                groups.append(group_disputes(run, plan, disputed))
            whole = Campaign(self._client, self.workspace, run, plan, _read_topics(self.folder))
            return send_groups(whole, groups, progress or Silent())

    def collect(self) -> Collected:
        """Take the submitted answers that the journal does not have; reviewers may go on meanwhile.

        An edited answer is a further version of it, one that is gone is deleted. Raises as `send` does.
        """
        with _alone(self.folder):
            run, plan = open_judged(self.folder), read_plan(self.folder)
            require_same_run(run, plan)
            journal = latest_by_id(read_journal(self.folder).to_pylist())
            shown = [Shown(row["row_id"], find_answer(row)) for row in read_rows_to_review(plan).to_pylist()]
            name = self._name_reviewers()
            read = [self._read_group(plan, group, shown, journal, name) for group in group_rows(run, plan)]
            rulings = self._read_rulings(run, plan, shown, journal, name)
            judged = _list_judged(journal, read)
            fair = [one for one in rulings.answers if (one["row_id"], one["reviewer"]) not in judged]
            if len(fair) < len(rulings.answers):
                own = count_noun(len(rulings.answers) - len(fair), "ruling")
                left_out = f"left out: {own} by people who judged the row before"
                rulings = replace(rulings, notices=(*rulings.notices, left_out))
            answers = [answer for each in read for answer in each.answers] + fair
            return _record(self.folder, answers, [*read, rulings])

    def collect_dataset(self, name: str, answer_map: AnswerMap) -> Collected:
        """Take the answers of a dataset that was annotated for itself; see `read_foreign_dataset`.

        Raises ConfigError where there is no such dataset, or none of its records is a row of the plan.
        """
        with _alone(self.folder):
            plan = read_plan(self.folder)
            dataset = self._client.find_dataset(self.workspace, name)
            if dataset is None:
                raise ConfigError(f"workspace {self.workspace.name} has no such dataset", seen=name)
            journal = latest_by_id(read_journal(self.folder).to_pylist())
            rows = read_rows_to_review(plan).to_pylist()
            found = self._client.read_records(dataset, answers=True)
            read = read_foreign_dataset(
                dataset, found, rows, answer_map, journal=journal, name_reviewer=self._name_reviewers()
            )
            return _record(self.folder, read.answers, [read])

    def _name_reviewers(self) -> Callable[[UUID], ReviewerId | None]:
        names = self._client.read_users(self.workspace)
        return {user: reviewer_id(name, self._key) for user, name in names.items()}.get

    def _read_group(
        self,
        plan: ReviewPlan,
        group: DatasetGroup,
        shown: Sequence[Shown],
        journal: Mapping[str, Mapping[str, Any]],
        name: Callable[[UUID], str | None],
    ) -> Read:
        dataset = self._client.find_dataset(self.workspace, group.name)
        if dataset is None:
            told = f"{group.name} is not on the server: `synth-stack review send` makes it"
            return Read((), (told,), 0, 0)
        purposes = plan.sample["purpose"].to_pylist()
        mine = {name_record(shown[p].row_id, purposes[p]): shown[p] for p in group.places}
        return read_dataset(dataset, self._client.read_records(dataset, answers=True), mine, journal, name)

    def _read_rulings(
        self,
        run: Judged,
        plan: ReviewPlan,
        shown: Sequence[Shown],
        journal: Mapping[str, Mapping[str, Any]],
        name: Callable[[UUID], str | None],
    ) -> Read:
        """What adjudicators said; nothing where no row was disputed."""
        dataset = self._client.find_dataset(self.workspace, group_disputes(run, plan, {}).name)
        if dataset is None:
            return Read((), (), 0, 0)
        found = self._client.read_records(dataset, answers=True)
        sent = {record.external_id for record in found}
        named = {name_record(row.row_id, ADJUDICATE): row._replace(role="adjudicator") for row in shown}
        mine = {external: row for external, row in named.items() if external in sent}
        return read_dataset(dataset, found, mine, journal, name)


def _record(folder: Path, answers: Sequence[Mapping[str, Any]], read: Sequence[Read]) -> Collected:
    return Collected(
        record_answers(folder, answers),
        sum(each.submitted for each in read),
        sum(each.records for each in read),
        tuple(notice for each in read for notice in each.notices),
    )


def _list_judged(journal: Mapping[str, Mapping[str, Any]], read: Sequence[Read]) -> set[tuple[str, str]]:
    """Who judged which row as a reviewer, as (row id, reviewer)."""
    said = [*journal.values(), *(answer for each in read for answer in each.answers)]
    return {
        (one["row_id"], one["reviewer"])
        for one in said
        if one["role"] == "reviewer" and one["state"] == "submitted"
    }


def _describe_disputes(plan: ReviewPlan) -> dict[str, str]:
    """What reviewers said of each row that they disagree on, by row id; they are A, B and so on there."""
    answers = read_answers(plan.folder)
    settled = settle_rows(plan.sample, answers)
    planted = {
        row["row_id"]
        for row in plan.sample.select(["row_id", "purpose"]).to_pylist()
        if row["purpose"] in KNOWN
    }
    disputed = {row_id for row_id, said in settled.items() if said.open == "disputed"} - planted
    told: dict[str, list[str]] = {}
    for answer in answers.to_pylist():
        if answer["row_id"] in disputed and answer["role"] == "reviewer":
            lines = told.setdefault(answer["row_id"], [])
            details = [answer["defect"], answer["severity"], answer["note"]]
            why = ", ".join(filter(None, details))
            lines.append(
                f"{chr(ord('A') + len(lines) % 26)}: {answer['judgement']}{f' ({why})' if why else ''}"
            )
    return {row_id: "\n".join(lines) for row_id, lines in told.items()}


def _read_topics(folder: Path) -> list[Mapping[str, Any]]:
    """The slices of a run as its taxonomy tells them; none for rows that came from elsewhere."""
    path = folder / "seeds" / "taxonomy.yaml"
    if not path.exists():
        return []
    topics = read_yaml(path)
    return [topic for topic in topics if isinstance(topic, dict)] if isinstance(topics, list) else []


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else sends or collects for a run."""
    path = folder / FOLDER / ".campaign.lock"
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        try:
            lock_file(file, wait=False)
        except BlockingIOError as exc:
            raise StoreError(
                f"another process sends or collects for {folder}", mend="Wait for it to end, or stop it."
            ) from exc
        except OSError as exc:
            raise StoreError(f"{path} cannot be locked: {exc.strerror}") from exc
        yield
