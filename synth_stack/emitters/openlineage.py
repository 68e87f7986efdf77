"""A run as OpenLineage events (2-0-2), sent to a collector or added to a file, a line each."""

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from synth_stack import __version__
from synth_stack.emitters.run_facts import RunFacts
from synth_stack.errors import ConfigError, ServerError
from synth_stack.files import require_regular, store_errors

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET = "https://openlineage.io/spec/facets/1-0-0"
PRODUCER = f"urn:synth-stack:{__version__}"
TIMEOUT_S = 30.0
API_KEY = "OPENLINEAGE_API_KEY"
"""The variable that OpenLineage's own clients read."""


def build_events(facts: RunFacts, namespace: str, at: datetime) -> list[dict[str, Any]]:
    """The events of a run that is done: one that it began, and one that it is complete.

    The id of the run follows from its identity and root, so the same run told twice is one run.
    """
    run_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{facts.identity}/{facts.root}"))
    event = {
        "eventTime": at.isoformat(timespec="milliseconds"),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run_id, "facets": {"synthStack_run": _facet("RunFacet", **_tell_run(facts))}},
        "job": {"namespace": namespace, "name": facts.name},
        "inputs": [_tell_source(namespace, facts, name) for name in facts.sources],
    }
    output = {
        "namespace": namespace,
        "name": f"{facts.name}/accepted",
        "facets": {} if facts.root is None else {"version": _version(facts.root)},
        "outputFacets": {
            "outputStatistics": {
                "_producer": PRODUCER,
                "_schemaURL": f"{FACET}/OutputStatisticsOutputDatasetFacet.json",
                "rowCount": facts.figures.accepted,
            }
        },
    }
    return [
        {**event, "eventType": "START", "outputs": []},
        {**event, "eventType": "COMPLETE", "outputs": [output]},
    ]


def _tell_run(facts: RunFacts) -> dict[str, Any]:
    return {**facts.list_params(), "metrics": facts.list_metrics()}


def _tell_source(namespace: str, facts: RunFacts, name: str) -> dict[str, Any]:
    digest = facts.sources[name]
    facets = {} if digest is None else {"version": _version(digest)}
    return {"namespace": namespace, "name": f"{facts.name}/{name}", "facets": facets}


def _version(digest: str) -> dict[str, Any]:
    schema = f"{FACET}/DatasetVersionDatasetFacet.json"
    return {"_producer": PRODUCER, "_schemaURL": schema, "datasetVersion": digest}


def _facet(kind: str, **values: Any) -> dict[str, Any]:
    schema = f"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": schema, **values}


def emit_openlineage(
    facts: RunFacts, target: str, namespace: str, *, environment: Mapping[str, str] = os.environ
) -> list[dict[str, Any]]:
    """The events of a run, sent to an address (`/api/v1/lineage` below it) or added to a file.

    Raises ConfigError for a target that is neither, ServerError where the server is down or refuses,
    StoreError for a file that cannot be written.
    """
    events = build_events(facts, namespace, datetime.now(UTC))
    if target.startswith(("http://", "https://")):
        _send(events, target, environment)
    elif "://" in target:
        raise ConfigError(
            "events go to an address or a file", seen=target, allowed="http://..., https://..., a path"
        )
    else:
        lines = b"".join(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE) for event in events)
        path = Path(target)
        with store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                require_regular(path)
            with path.open("ab") as file:
                file.write(lines)
    return events


def _send(events: list[dict[str, Any]], server: str, environment: Mapping[str, str]) -> None:
    key = environment.get(API_KEY)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(timeout=TIMEOUT_S, headers=headers, trust_env=False) as client:
        for event in events:
            try:
                answer = client.post(f"{server.rstrip('/')}/api/v1/lineage", json=event)
            except httpx.HTTPError as exc:
                raise ServerError(
                    f"the collector of lineage does not answer: {type(exc).__name__}",
                    mend="Check the address, and that it runs.",
                ) from exc
            if not answer.is_success:
                said = f"{answer.status_code} {answer.text[:200]}"
                raise ServerError("the collector of lineage refuses an event", seen=said)
