"""An asynchronous client for any OpenAI-compatible server, with retries and a notion of "down".

A single bad answer is that row's failure; a server that refuses connections, refuses the key or the model,
or fails many requests in a row is down, and the run must stop instead of rejecting every row that is left.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import httpx

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.teachers.prompt import Answer

MAX_FAILURES_IN_A_ROW = 8
"""Requests in a row, each already retried, after which a server counts as down."""
BACKOFF_BASE_S = 0.5
"""First pause before a retry; doubles each time (0.5, 1, 2 s ...), as in AWS's backoff guidance."""
MAX_BACKOFF_S = 30.0
_RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_FATAL_STATUS = {
    401: "refuses the API key",
    402: "wants to be paid first",
    403: "refuses access",
    404: "does not know the model or path",
    407: "is behind a proxy that refuses us",
}
_MAX_TOKENS = 2**31 - 1
"""More than any answer has: what a server says of tokens goes into signed JSON, which has no larger integers
than 2**53."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is and how it is asked. `base_url` ends in /v1; `api_key` is never written anywhere."""

    base_url: str
    model: str
    timeout_s: float
    retries: int
    api_key: str | None = None
    trust_env: bool = True


@dataclass(slots=True)
class Health:
    """What the last requests say of a server: `down` is None or the sentence that stops the run."""

    down: str | None = None
    failures_in_a_row: int = 0
    refusals: int = 0
    answers: int = 0

    def note_answer(self) -> None:
        self.failures_in_a_row = 0
        self.answers += 1

    def note_refusal(self, what: str) -> None:
        """A refused prompt is that prompt's matter, unless nothing was answered yet: then it is ours."""
        self.failures_in_a_row = 0
        self.refusals += 1
        if self.down is None and not self.answers and self.refusals >= MAX_FAILURES_IN_A_ROW:
            self.down = f"{what} of the first {self.refusals}"

    def note_failure(self, what: str, *, fatal: bool) -> None:
        self.failures_in_a_row += 1
        if self.down is None and (fatal or self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW):
            self.down = what


def make_client(endpoint: Endpoint, concurrency: int) -> httpx.AsyncClient:
    """A client with as many connections as requests in flight; redirects are not followed."""
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    return httpx.AsyncClient(
        headers=headers, timeout=endpoint.timeout_s, limits=limits, trust_env=endpoint.trust_env
    )


async def ask(
    client: httpx.AsyncClient, endpoint: Endpoint, health: Health, body: Mapping[str, Any], *, raw: bool
) -> Answer:
    """One answer, retried with exponential backoff; never raises for what a server does.

    After this `health` tells whether the server is down; a later request is not sent once it is.
    """
    if health.down is not None:
        return Answer(None, f"teacher down: {health.down}")
    trouble = _Trouble("was never asked")
    for attempt in range(endpoint.retries + 1):
        if attempt:
            pause_s = max(BACKOFF_BASE_S * 2 ** (attempt - 1), trouble.retry_after_s)
            await asyncio.sleep(min(pause_s, MAX_BACKOFF_S))
        answer = await _ask_once(client, endpoint, body, raw=raw)
        if isinstance(answer, Answer):
            health.note_answer()
            return answer
        trouble = answer
        if trouble.kind in {"fatal", "refusal"}:  # the same would be said again
            break
    if trouble.kind == "refusal":
        health.note_refusal(trouble.what)
    else:
        health.note_failure(trouble.what, fatal=trouble.kind != "passing")
    return Answer(None, f"teacher error: {trouble.what}")


class _Trouble(NamedTuple):
    """Why one request gave no answer; `unreachable` is worth a retry, and then as final as `fatal`."""

    what: str
    kind: Literal["passing", "unreachable", "fatal", "refusal"] = "passing"
    retry_after_s: float = 0.0


async def _ask_once(
    client: httpx.AsyncClient, endpoint: Endpoint, body: Mapping[str, Any], *, raw: bool
) -> Answer | _Trouble:
    url = f"{endpoint.base_url}/{'completions' if raw else 'chat/completions'}"
    try:
        # httpx's own timeout is between two bytes: a server that trickles would never end
        async with asyncio.timeout(endpoint.timeout_s):
            response = await client.post(url, json=body)
    except (httpx.TimeoutException, TimeoutError):
        return _Trouble(f"gives no answer within {endpoint.timeout_s:g} s")
    except httpx.ConnectError as exc:
        return _Trouble(f"cannot be reached ({exc})", "unreachable")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return _Trouble(f"breaks the connection ({type(exc).__name__})")
    except UnicodeEncodeError:
        return _Trouble("cannot be sent a prompt that is not valid Unicode", "refusal")
    return _read_status(response) or _read_answer(response, raw=raw)


def _read_status(response: httpx.Response) -> _Trouble | None:
    status = response.status_code
    if status in _FATAL_STATUS:
        return _Trouble(f"{_FATAL_STATUS[status]} (HTTP {status})", "fatal")
    if status in _RETRIED_STATUS:
        return _Trouble(f"answers HTTP {status}", retry_after_s=_read_retry_after(response))
    if response.is_client_error:
        return _Trouble(f"refuses the prompt (HTTP {status})", "refusal")
    return None


def check_server(endpoint: Endpoint) -> None:
    """Ask the server for its models, before anything is spent.

    Raises TeacherError when it cannot be reached, ConfigError when it lists models and ours is not one.
    A server without a list is taken at its word.
    """
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    url = f"{endpoint.base_url}/models"
    try:
        with httpx.Client(
            headers=headers, timeout=endpoint.timeout_s, trust_env=endpoint.trust_env
        ) as client:
            response = client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise TeacherError(
            f"the teacher at {endpoint.base_url} cannot be reached: {str(exc) or type(exc).__name__}",
            mend="Start it, or mend teacher.base_url, and run the same command again.",
        ) from exc
    if response.status_code in {401, 403}:
        raise ConfigError(
            f"the teacher at {endpoint.base_url} refuses the API key (HTTP {response.status_code})",
            mend="Set the environment variable that teacher.api_key_env names.",
        )
    known = _listed_models(response)
    if known and endpoint.model not in known:
        raise ConfigError(
            f"the teacher at {endpoint.base_url} has no such model",
            seen=endpoint.model,
            allowed=", ".join(sorted(known)[:10]),
        )


def _listed_models(response: httpx.Response) -> set[str]:
    if response.status_code != httpx.codes.OK:
        return set()
    try:
        data = response.json()["data"]
        return {str(item["id"]) for item in data}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, RecursionError):
        return set()


def _read_retry_after(response: httpx.Response) -> float:
    """Seconds; 0 for no such header and for its other form, a date (RFC 9110, section 10.2.3)."""
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else 0.0


def _read_answer(response: httpx.Response, *, raw: bool) -> Answer | _Trouble:
    try:
        body = response.json()
        choice = body["choices"][0]
        text = choice["text"] if raw else choice["message"]["content"]
        usage = body.get("usage") or {}
        tokens = _count_tokens(usage, "prompt_tokens"), _count_tokens(usage, "completion_tokens")
    except (
        json.JSONDecodeError,
        UnicodeDecodeError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ):
        return _Trouble(f"answers what is no completion (HTTP {response.status_code})")
    if not isinstance(text, str) or not text.strip():
        return Answer(None, "empty answer: the teacher wrote nothing", False, *tokens)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # JSON can say what no row can hold
        return Answer(None, "broken answer: a lone surrogate is not valid Unicode", False, *tokens)
    return Answer(text, None, choice.get("finish_reason") == "length", *tokens)


def _count_tokens(usage: dict[str, Any], name: str) -> int:
    return min(max(int(usage.get(name) or 0), 0), _MAX_TOKENS)
