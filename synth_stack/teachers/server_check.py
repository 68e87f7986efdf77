"""What a server says of its models, before anything is spent."""

import fnmatch
import json
from typing import Any

import httpx

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.teachers.endpoints import Endpoint


def ask_server(endpoint: Endpoint, path: str) -> httpx.Response:
    """What the server answers at `path` under its address. Raises TeacherError when it cannot be reached."""
    try:
        with httpx.Client(
            headers=endpoint.headers(), timeout=endpoint.timeout_s, trust_env=endpoint.trust_env
        ) as client:
            return client.get(endpoint.url(path), extensions=endpoint.extensions())
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise TeacherError(
            f"the teacher at {endpoint.base_url} cannot be reached: {str(exc) or type(exc).__name__}",
            mend="Start it, or mend teacher.base_url, and run the same command again.",
        ) from exc


def check_server(endpoint: Endpoint) -> None:
    """Ask the server for its models.

    Raises TeacherError when it cannot be reached, ConfigError when it lists models and ours is not one.
    A server without a list is taken at its word.
    """
    response = ask_server(endpoint, "models")
    if response.is_redirect:
        raise ConfigError(
            f"the teacher at {endpoint.base_url} sends us elsewhere, where we do not go",
            seen=f"HTTP {response.status_code}",
            mend="Write the address that it sends to into teacher.base_url, if you trust it.",
        )
    if response.status_code in {401, 403}:
        raise ConfigError(
            f"the teacher at {endpoint.base_url} refuses the API key (HTTP {response.status_code})",
            mend="Set the environment variable that teacher.api_key_env names.",
        )
    listed = _list_models(response)
    if listed and not _is_served(endpoint.model, listed):
        raise ConfigError(
            f"the teacher at {endpoint.base_url} has no such model",
            seen=endpoint.model,
            allowed=", ".join(sorted({str(item["id"]) for item in listed})[:10]),
        )


def _is_served(model: str, listed: list[dict[str, Any]]) -> bool:
    """Whether a server answers to this name.

    Beside the names that it lists these do: an alias that it lists beside one, a pattern (litellm's
    `openai/*`), a tag or folder that is left out (Ollama's `:latest`, Google's `models/`), and any name at a
    llama.cpp that serves one model.
    """
    if len(listed) == 1 and listed[0].get("owned_by") == "llamacpp":
        return True
    names = {str(item["id"]) for item in listed}
    for item in listed:
        aliases = item.get("aliases")
        names.update(str(alias) for alias in aliases if alias) if isinstance(aliases, list) else None
    if {model, f"{model}:latest", f"models/{model}"} & names:
        return True
    return any("*" in name and fnmatch.fnmatchcase(model, name) for name in names)


def _list_models(response: httpx.Response) -> list[dict[str, Any]]:
    if response.status_code != httpx.codes.OK:
        return []
    try:
        listed = json.loads(response.content)["data"]
        return [item for item in listed if item["id"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
