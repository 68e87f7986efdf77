"""A review campaign on an Argilla server: the rows of a plan sent, and what people say of them collected."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from synth_stack.errors import ConfigError, StoreError
from synth_stack.files import read_yaml, store_errors
from synth_stack.progress import Progress, Silent
from synth_stack.review.answers import Recorded, read_journal, record_answers
from synth_stack.review.argilla.client import ArgillaClient, ServerWorkspace
from synth_stack.review.argilla.collecting import Shown, latest_by_id, read_dataset
from synth_stack.review.argilla.records import ADJUDICATE, find_answer, name_record
from synth_stack.review.argilla.sending import (
    Campaign,
    Group,
    Sent,
    group_rows,
    open_workspace,
    send_groups,
)
from synth_stack.review.content import read_rows_to_review
from synth_stack.review.plan import FOLDER, ReviewPlan, read_plan
from synth_stack.review.reviewers import load_or_make_key, reviewer_id
from synth_stack.review.server.local_server import ServerAddress, read_address
from synth_stack.runs.judged import open_judged

URL_VARIABLE = "ARGILLA_API_URL"
KEY_VARIABLE = "ARGILLA_API_KEY"
"""The variables of Argilla's own SDK."""
SERVER_FOLDER = "review-server"
"""Where `review serve` keeps its data when no folder is named."""
_MAX_KEY_BYTES = 4_096


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
            f"{self.submitted:,} answers on {self.records:,} records: {done.new:,} new, "
            f"{done.edited:,} edited, {done.deleted:,} deleted, {done.repeated:,} known",
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
    key = load_or_make_key(review_key, outside=run)
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
            whole = Campaign(self._client, self.workspace, run, plan, _read_topics(self.folder))
            return send_groups(whole, group_rows(run, plan, {}), progress or Silent())

    def collect(self, *, progress: Progress | None = None) -> Collected:
        """Take the submitted answers that the journal does not have; reviewers may go on meanwhile.

        An edited answer is a further version of it, one that is gone is deleted. Raises as `send` does.
        """
        with _alone(self.folder):
            run, plan = open_judged(self.folder), read_plan(self.folder)
            groups = group_rows(run, plan, {})
            shown = _list_shown(plan)
            names = self._client.read_users(self.workspace)
            reviewers = {user: reviewer_id(name, self._key) for user, name in names.items()}
            journal = latest_by_id(read_journal(self.folder).to_pylist())
            answers: list[Mapping[str, Any]] = []
            notices: list[str] = []
            submitted = records = 0
            for group in groups:
                dataset = self._client.find_dataset(self.workspace, group.name)
                if dataset is None:
                    notices.append(f"{group.name} is not on the server: `synth-stack review send` makes it")
                    continue
                found = self._client.read_records(dataset, answers=True)
                mine = _of_group(plan, group, shown)
                read = read_dataset(dataset, found, mine, journal, reviewers.get)
                answers += read.answers
                notices += read.notices
                submitted += read.submitted
                records += read.records
            return Collected(record_answers(self.folder, answers), submitted, records, tuple(notices))


def find_server(
    folder: Path,
    *,
    url: str | None = None,
    api_key: str | None = None,
    server: str | Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ServerAddress:
    """The server of a campaign and a key for it; see `campaign`. Raises ConfigError where none is named."""
    named = url
    if named is None and server is None:
        own = read_address(folder)
        if own is not None:
            return own
        named = environment.get(URL_VARIABLE)
    if named is not None:
        key = api_key or environment.get(KEY_VARIABLE)
        if not key:
            raise ConfigError(
                "the Argilla server needs a key",
                mend=f"Put that of an owner or admin into {KEY_VARIABLE}, or into a file for --key-file.",
            )
        return ServerAddress(named, key, None)
    place = Path(server if server is not None else SERVER_FOLDER)
    found = read_address(place)
    if found is None:
        raise ConfigError(
            "no Argilla server is named, and none has run here",
            seen=str(place),
            mend="Start one with `synth-stack review serve`, or name one with --url.",
        )
    return found


def read_key_file(path: Path) -> str:
    """The key in a file, without the end of its line. Raises StoreError, ConfigError for an empty one."""
    with store_errors(path), path.open("rb") as file:
        key = file.read(_MAX_KEY_BYTES).decode("ascii", "replace").strip()
    if not key:
        raise ConfigError(f"{path} holds no key")
    return key


def _list_shown(plan: ReviewPlan) -> list[Shown]:
    """What was shown of each row of the plan, in the order of its sample."""
    rows = read_rows_to_review(plan).to_pylist()
    return [Shown(row["row_id"], find_answer(row)) for row in rows]


def _of_group(plan: ReviewPlan, group: Group, shown: list[Shown]) -> dict[str, Shown]:
    """The rows of a dataset by the external ids of their records."""
    purposes = plan.sample["purpose"].to_pylist()
    if group.adjudicates:
        return {
            name_record(shown[place].row_id, ADJUDICATE): shown[place]._replace(role="adjudicator")
            for place in group.places
        }
    return {name_record(shown[place].row_id, purposes[place]): shown[place] for place in group.places}


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
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StoreError(
                f"another process sends or collects for {folder}", mend="Wait for it to end, or stop it."
            ) from exc
        except OSError as exc:
            raise StoreError(f"{path} cannot be locked: {exc.strerror}") from exc
        yield
