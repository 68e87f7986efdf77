"""A real Argilla server for the tests of review campaigns, and people who answer over its API.

Without its environment these tests are skipped; SYNTH_STACK_REQUIRE_ARGILLA=1 (set in CI) makes that a failure.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from synth_stack.review.server.environment import has_environment
from synth_stack.review.server.local_server import LocalServer, run_server

ANNOTATORS = ("ann", "ben", "cleo")


def need_environment() -> None:
    if has_environment():
        return
    missing = "needs the environment of the Argilla server: `make test-review` makes it"
    if os.environ.get("SYNTH_STACK_REQUIRE_ARGILLA") == "1":
        pytest.fail(f"SYNTH_STACK_REQUIRE_ARGILLA is set, and this test {missing}")
    pytest.skip(missing)


@contextmanager
def start_server(folder: Path, **options: Any) -> Iterator[LocalServer]:
    """A server on a free port with three annotators."""
    need_environment()
    with run_server(folder, port=0, annotators=ANNOTATORS, **options) as server:
        yield server


class Person:
    """Somebody with an account: reads and answers over the API as the web page does."""

    def __init__(self, server: LocalServer, name: str) -> None:
        [self.account] = [each for each in server.accounts.accounts if each.username == name]
        self.url = f"{server.url}/api/v1"

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer to a request that has to succeed."""
        headers = {"X-Argilla-Api-Key": self.account.api_key}
        address = f"{self.url}{path}"
        answer = httpx.request(
            method, address, json=body, params=query, headers=headers, trust_env=False, timeout=60
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def find_dataset(self, name: str) -> str:
        """The id of a dataset."""
        [found] = [each for each in self.ask("GET", "/me/datasets")["items"] if each["name"] == name]
        return str(found["id"])

    def list_records(self, dataset: str, **body: Any) -> list[dict[str, Any]]:
        """The records that the page would show, with this person's answers, in the order of the page."""
        found = self.ask(
            "POST", f"/me/datasets/{dataset}/records/search", body, limit=1000, include="responses"
        )
        return [item["record"] for item in found["items"]]

    def answer(self, record: Mapping[str, Any], decision: str, **more: Any) -> str:
        """Submit an answer on a record, or change the one that was given; its id."""
        values = {name: {"value": value} for name, value in {"decision": decision, **more}.items()}
        item = {"record_id": record["id"], "status": "submitted", "values": values}
        [said] = self.ask("POST", "/me/responses/bulk", {"items": [item]})["items"]
        assert said["error"] is None, said["error"]
        return str(said["item"]["id"])

    def answer_all(self, dataset: str) -> int:
        """Answer every record of a dataset that nobody needs to answer any more: reject what says BAD."""
        pending = [each for each in self.list_records(dataset) if each["status"] == "pending"]
        for start in range(0, len(pending), 100):
            items = [
                {
                    "record_id": record["id"],
                    "status": "submitted",
                    "values": {"decision": {"value": decide(record)}},
                }
                for record in pending[start : start + 100]
            ]
            said = self.ask("POST", "/me/responses/bulk", {"items": items})["items"]
            assert all(each["error"] is None for each in said)
        return len(pending)


def decide(record: Mapping[str, Any]) -> str:
    """What everybody here makes of a record."""
    return "reject" if "BAD" in json.dumps(record["fields"]) else "release"


def wait_for(what: Any, timeout_s: float = 90) -> Any:
    """The first truthy value of `what()`."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not come")
