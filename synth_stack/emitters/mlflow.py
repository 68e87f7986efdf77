"""A run in MLflow: metrics, parameters and two artefacts, over its REST API (2.0), without its package.

MLflow's own client brings twenty packages, none of which has a place beside a signing key; the calls that
are made here are its documented interface.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from synth_stack.emitters.run_facts import RunFacts
from synth_stack.errors import ConfigError, ServerError

TIMEOUT_S = 30.0
MAX_PARAM_CHARS = 6_000
"""What every store of MLflow takes for one value (MAX_PARAM_VAL_LENGTH)."""
IDENTITY_TAG, ROOT_TAG = "synth_stack.identity", "synth_stack.root"
_PROXIED = "mlflow-artifacts:"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run as MLflow knows it; `again` says that it was there already, so that nothing was written."""

    experiment_id: str
    run_id: str
    again: bool


def emit_mlflow(
    facts: RunFacts, server: str, experiment: str, *, environment: Mapping[str, str] = os.environ
) -> TrackedRun:
    """The run of `facts` in an experiment of the server, which is made where it is missing.

    A finished run of the same identity and root is taken for this one. Who asks is in the variables that
    MLflow's client reads: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    Raises ConfigError for an address that is none, ServerError where the server is down or refuses.
    """
    if not server.startswith(("http://", "https://")):
        raise ConfigError("a server of MLflow has an address", seen=server, allowed="http://..., https://...")
    with httpx.Client(
        base_url=server.rstrip("/"), timeout=TIMEOUT_S, auth=_find_auth(environment), trust_env=False
    ) as client:
        client.headers.update(_find_token(environment))
        experiment_id = _find_experiment(client, experiment)
        if (found := _find_run(client, experiment_id, facts)) is not None:
            return TrackedRun(experiment_id, found, again=True)
        return TrackedRun(experiment_id, _write_run(client, experiment_id, facts), again=False)


def _find_auth(environment: Mapping[str, str]) -> httpx.BasicAuth | None:
    name, password = (environment.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    return httpx.BasicAuth(name, password) if name and password else None


def _find_token(environment: Mapping[str, str]) -> dict[str, str]:
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _find_experiment(client: httpx.Client, name: str) -> str:
    asked = _call(client, "GET", "experiments/get-by-name", params={"experiment_name": name}, missing=True)
    if asked is None:
        asked = {"experiment": _call(client, "POST", "experiments/create", json={"name": name})}
    return _read_text(asked, "experiment", "experiment_id")


def _find_run(client: httpx.Client, experiment_id: str, facts: RunFacts) -> str | None:
    wanted = [f"tags.`{IDENTITY_TAG}` = '{facts.identity}'", "attributes.status = 'FINISHED'"]
    wanted.append(f"tags.`{ROOT_TAG}` = '{facts.root or 'none'}'")
    query = {"experiment_ids": [experiment_id], "filter": " and ".join(wanted), "max_results": 1}
    found = _call(client, "POST", "runs/search", json=query) or {}
    runs = found.get("runs") or []
    return _read_text(runs[0], "info", "run_id") if runs else None


def _write_run(client: httpx.Client, experiment_id: str, facts: RunFacts) -> str:
    began = int(time.time() * 1000)
    tags = {IDENTITY_TAG: facts.identity, ROOT_TAG: facts.root or "none"}
    made = _call(
        client,
        "POST",
        "runs/create",
        json={
            "experiment_id": experiment_id,
            "run_name": facts.name[:250],
            "start_time": began,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        },
    )
    run_id = _read_text(made, "run", "info", "run_id")
    where = _read_text(made, "run", "info", "artifact_uri")
    metrics = [
        {"key": key, "value": value, "timestamp": began, "step": 0}
        for key, value in facts.list_metrics().items()
    ]
    params = [{"key": key, "value": value[:MAX_PARAM_CHARS]} for key, value in facts.list_params().items()]
    _call(client, "POST", "runs/log-batch", json={"run_id": run_id, "metrics": metrics, "params": params})
    artefacts = {"figures.json": orjson.dumps(facts.to_json(), option=orjson.OPT_INDENT_2)}
    if facts.root is not None:
        artefacts["root.txt"] = f"{facts.root}\n".encode()
    for name, data in artefacts.items():
        _put_artefact(client, where, name, data)
    end = {"run_id": run_id, "status": "FINISHED", "end_time": int(time.time() * 1000)}
    _call(client, "POST", "runs/update", json=end)
    return run_id


def _put_artefact(client: httpx.Client, where: str, name: str, data: bytes) -> None:
    if not where.startswith(_PROXIED):
        raise ServerError(
            "MLflow keeps the artefacts of this experiment elsewhere, and takes none itself",
            seen=where.partition(":")[0],
            allowed="mlflow-artifacts",
            mend="Start it with --serve-artifacts (its default), and name a new experiment.",
        )
    path = quote(where.removeprefix(_PROXIED).strip("/"))
    _send(client, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}/{name}", content=data)


def _call(client: httpx.Client, method: str, what: str, *, missing: bool = False, **sent: Any) -> Any:
    """The answer as JSON; with `missing` None for what the server does not have."""
    answer = _send(client, method, f"/api/2.0/mlflow/{what}", missing=missing, **sent)
    if answer is None:
        return None
    try:
        return answer.json()
    except ValueError as exc:
        raise ServerError(
            "what answers is no server of MLflow", seen=answer.headers.get("content-type")
        ) from exc


def _send(
    client: httpx.Client, method: str, path: str, *, missing: bool = False, **sent: Any
) -> httpx.Response | None:
    try:
        answer = client.request(method, path, **sent)
    except httpx.HTTPError as exc:
        raise ServerError(
            f"MLflow does not answer: {type(exc).__name__}", mend="Check the address, and that it runs."
        ) from exc
    if missing and answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.is_success:
        return answer
    raise ServerError(
        f"MLflow refuses {path.rpartition('/')[2] if method != 'PUT' else 'an artefact'}",
        seen=f"{answer.status_code} {answer.text[:200]}",
    )


def _read_text(value: Any, *keys: str) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise ServerError("what answers is no server of MLflow", seen=f"no {'.'.join(keys)}")
    return value
