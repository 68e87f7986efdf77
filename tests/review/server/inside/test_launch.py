"""What runs inside the environment of the server, seen over the API that it serves."""

import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from synth_stack.review.server.local_server import LocalServer
from tests.argilla_server import Person

pytestmark = [pytest.mark.review, pytest.mark.slow]

TEXTS = ("The parcel came late", "Ein Päckchen KAM spät", "No parcel: concatenate", "late late parcel")
LABELS = [{"value": value, "text": value} for value in ("good", "bad")]


@pytest.fixture(scope="module")
def dataset(argilla: LocalServer) -> str:
    """A dataset of four records with metadata, vectors and a suggestion."""
    owner = Person(argilla, "owner")
    workspace = owner.ask("GET", "/me/workspaces")["items"][0]["id"]
    made = str(owner.ask("POST", "/datasets", {"name": "searched", "workspace_id": workspace})["id"])
    parts: dict[str, list[dict[str, Any]]] = {
        "fields": [{"name": "text", "title": "T", "required": True, "settings": {"type": "text"}}],
        "questions": [
            {
                "name": "label",
                "title": "L",
                "required": True,
                "settings": {"type": "label_selection", "options": LABELS},
            }
        ],
        "metadata-properties": [
            {"name": "slice", "title": "S", "settings": {"type": "terms"}},
            {"name": "score", "title": "C", "settings": {"type": "float"}},
            {"name": "n", "title": "N", "settings": {"type": "integer"}},
        ],
        "vectors-settings": [{"name": "v", "title": "V", "dimensions": 2}],
    }
    for kind, items in parts.items():
        for item in items:
            owner.ask("POST", f"/datasets/{made}/{kind}", item)
    owner.ask("PUT", f"/datasets/{made}/publish")
    records = [
        {
            "fields": {"text": text},
            "external_id": f"r{n}",
            "metadata": {
                "slice": ["a", "b"] if n == 3 else "ab"[n % 2],
                "score": n / 4,
                **({"n": n} if n else {}),
            },
            "vectors": {"v": [math.cos(n), math.sin(n)]},
        }
        for n, text in enumerate(TEXTS)
    ]
    owner.ask("POST", f"/datasets/{made}/records/bulk", {"items": records})
    ann = Person(argilla, "ann")
    for record in ann.list_records(made):
        if record["external_id"] == "r0":
            values = {"label": {"value": "good"}}
            item = {"record_id": record["id"], "status": "submitted", "values": values}
            ann.ask("POST", "/me/responses/bulk", {"items": [item]})
    return made


def search(argilla: LocalServer, dataset: str, who: str = "owner", **body: Any) -> list[str]:
    """The external ids of the records found, in order."""
    path = "/me/datasets" if who != "owner" else "/datasets"
    found = Person(argilla, who).ask("POST", f"{path}/{dataset}/records/search", body)
    assert found["total"] >= len(found["items"])
    return [item["record"]["external_id"] for item in found["items"]]


def on(entity: str, **scope: Any) -> dict[str, Any]:
    return {"entity": entity, **scope}


def terms(scope: dict[str, Any], *values: str) -> dict[str, Any]:
    return {"filters": {"and": [{"type": "terms", "scope": scope, "values": list(values)}]}}


def between(scope: dict[str, Any], **ends: Any) -> dict[str, Any]:
    return {"filters": {"and": [{"type": "range", "scope": scope, **ends}]}}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("parcel", ["r0", "r2", "r3"]),
        ("LATE parcel", ["r0", "r3"]),
        ("päckchen kam", ["r1"]),
        ("cat", []),
        ("conc*", ["r2"]),
        ('"late parcel"', ["r3"]),
        ("parcel -late", ["r2"]),
        ("' OR 1=1 --", []),
        ("%", ["r0", "r1", "r2", "r3"]),
    ],
)
def test_a_text_is_found_by_whole_words(
    argilla: LocalServer, dataset: str, query: str, found: list[str]
) -> None:
    for text in ({"q": query}, {"q": query, "field": "text"}):
        assert search(argilla, dataset, query={"text": text}) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (terms(on("metadata", metadata_property="slice"), "a"), ["r0", "r2", "r3"]),
        (terms(on("metadata", metadata_property="slice"), "b"), ["r1", "r3"]),
        (terms(on("metadata", metadata_property="n"), "2"), ["r2"]),
        (between(on("metadata", metadata_property="score"), ge=0.25, le=0.5), ["r1", "r2"]),
        (between(on("metadata", metadata_property="n"), ge=2), ["r2", "r3"]),
        (terms(on("record", property="external_id"), "r1", "nobody"), ["r1"]),
        (terms(on("record", property="status"), "completed"), ["r0"]),
        (between(on("record", property="inserted_at"), ge="2020-01-01T00:00:00Z"), ["r0", "r1", "r2", "r3"]),
        (terms(on("response", question="label"), "good"), ["r0"]),
        (terms(on("response", question="label"), "bad"), []),
        (terms(on("response", property="status"), "pending"), ["r1", "r2", "r3"]),
        (terms(on("response", property="status"), "submitted", "pending"), ["r0", "r1", "r2", "r3"]),
        (terms(on("suggestion", question="label", property="value"), "good"), []),
    ],
)  # fmt: skip
def test_records_are_filtered_by_what_they_are(
    argilla: LocalServer, dataset: str, body: dict[str, Any], found: list[str]
) -> None:
    assert search(argilla, dataset, **body) == found


@pytest.mark.parametrize(
    ("scope", "order", "found"),
    [
        (on("metadata", metadata_property="score"), "desc", ["r3", "r2", "r1", "r0"]),
        (on("metadata", metadata_property="n"), "asc", ["r1", "r2", "r3", "r0"]),
        (on("metadata", metadata_property="n"), "desc", ["r3", "r2", "r1", "r0"]),
        (on("record", property="external_id"), "desc", ["r3", "r2", "r1", "r0"]),
        (on("response", question="label"), "asc", ["r0", "r1", "r2", "r3"]),
    ],
)
def test_records_are_sorted_and_those_without_a_value_come_last(
    argilla: LocalServer, dataset: str, scope: dict[str, Any], order: str, found: list[str]
) -> None:
    assert search(argilla, dataset, sort=[{"scope": scope, "order": order}]) == found


def test_a_filter_is_about_the_answers_of_whoever_asks(argilla: LocalServer, dataset: str) -> None:
    mine = terms(on("response", property="status"), "submitted")
    assert search(argilla, dataset, "ann", **mine) == ["r0"]
    assert search(argilla, dataset, "ben", **mine) == []


def test_every_person_has_an_order_of_their_own_that_stays(argilla: LocalServer, dataset: str) -> None:
    orders = {who: search(argilla, dataset, who) for who in ("ann", "ben", "cleo")}
    assert all(sorted(order) == ["r0", "r1", "r2", "r3"] for order in orders.values())
    assert {who: search(argilla, dataset, who) for who in orders} == orders


def test_the_most_and_the_least_similar_records_come_first(argilla: LocalServer, dataset: str) -> None:
    vector = {"name": "v", "value": [1.0, 0.0]}
    assert search(argilla, dataset, query={"vector": vector}) == ["r0", "r1", "r2", "r3"]
    assert search(argilla, dataset, query={"vector": {**vector, "order": "least_similar"}})[0] == "r3"
    filtered = search(
        argilla, dataset, query={"vector": vector}, **terms(on("metadata", metadata_property="slice"), "b")
    )
    assert filtered == ["r1", "r3"]


@pytest.mark.parametrize(
    "body",
    [
        terms(on("record", property="inserted_at"), "yesterday"),
        terms(on("record", property="id"), "x"),
        terms(on("metadata", metadata_property="nothing"), "x"),
        between(on("response", property="status"), ge=1),
    ],
)
def test_a_filter_of_no_sense_is_refused(argilla: LocalServer, dataset: str, body: dict[str, Any]) -> None:
    headers = {"X-Argilla-Api-Key": argilla.address.api_key}
    url = f"{argilla.url}/api/v1/datasets/{dataset}/records/search"
    assert httpx.post(url, json=body, headers=headers, trust_env=False).status_code == 422


def test_progress_and_terms_are_counted(argilla: LocalServer, dataset: str) -> None:
    owner, ann = Person(argilla, "owner"), Person(argilla, "ann")
    progress = owner.ask("GET", f"/datasets/{dataset}/progress")
    assert progress == {"total": 4, "completed": 1, "pending": 3, "users": [{"username": "ann"}]}
    said = ann.ask("GET", f"/me/datasets/{dataset}/metrics")["responses"]
    assert said == {"total": 4, "submitted": 1, "discarded": 0, "draft": 0, "pending": 3}
    ids = {
        each["name"]: each["id"]
        for each in owner.ask("GET", f"/me/datasets/{dataset}/metadata-properties")["items"]
    }
    counted = owner.ask("GET", f"/metadata-properties/{ids['slice']}/metrics")
    assert (counted["total"], counted["values"]) == (
        5,
        [{"term": "a", "count": 3}, {"term": "b", "count": 2}],
    )
    assert owner.ask("GET", f"/metadata-properties/{ids['n']}/metrics") == {
        "type": "integer",
        "min": 1,
        "max": 3,
    }


def test_it_imports_nothing_of_this_package() -> None:
    inside = Path(__file__).parents[4] / "synth_stack" / "review" / "server" / "inside"
    assert "synth_stack." not in "".join(p.read_text() for p in inside.glob("*.py")).replace(
        "synth_stack_", ""
    )


def test_the_jobs_of_the_server_are_done(argilla: LocalServer, dataset: str) -> None:
    from tests.argilla_server import wait_for

    owner = Person(argilla, "owner")
    for needed, done in ((2, 0), (1, 1)):
        owner.ask(
            "PATCH",
            f"/datasets/{dataset}",
            {"distribution": {"strategy": "overlap", "min_submitted": needed}},
        )

        def is_done(done: int = done) -> bool:
            return bool(owner.ask("GET", f"/datasets/{dataset}/progress")["completed"] == done)

        wait_for(is_done, 30)
