"""An asynchronous client for any OpenAI-compatible server, with retries and a notion of "down".

A single bad answer is that row's failure; a server that refuses connections, refuses the key or the model,
or fails many requests in a row is down, and the run must stop instead of rejecting every row that is left.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import httpx

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.teachers.health import Health
from synth_stack.teachers.prompt import Answer
from synth_stack.teachers.rate_limit import MAX_RETRY_AFTER_S, Pace, estimate_tokens, read_retry_after

_RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_FATAL_STATUS = {
    401: "refuses the API key",
    402: "wants to be paid first",
    403: "refuses access",
    404: "does not know the model or path",
    407: "is behind a proxy that refuses us",
}
_MISTAKES = frozenset({401, 403, 404})
"""What is ours to mend when the first answer already says it."""
_MAX_TOKENS = 2**31 - 1
"""More than any answer has: what a server says of tokens goes into signed JSON, which has no larger integers
than 2**53."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is and how it is asked. `base_url` ends in /v1; `api_key` is never written anywhere.

    `host` is what a `base_url` with an address that was looked up before was called: the server is told it,
    and its certificate must bear it.
    """

    base_url: str
    model: str
    timeout_s: float
    retries: int
    api_key: str | None = None
    trust_env: bool = True
    host: str | None = None

    def headers(self) -> dict[str, str]:
        """What every request says."""
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {**key, "Host": self.host} if self.host else key

    def extensions(self) -> dict[str, str]:
        """The name that a certificate is asked for, where the address does not say it."""
        return {"sni_hostname": self.host.partition(":")[0]} if self.host else {}


class Connections:
    """As many connections as requests may be in flight, each in a client of its own.

    httpx looks through every connection of a pool for each request: with 64 in one pool that takes longer
    than all the rest (benchmarks/generation.py prints both). They are made as they are needed; redirects are
    not followed.
    """

    def __init__(self, endpoint: Endpoint, concurrency: int) -> None:
        self._endpoint = endpoint
        self._slots = asyncio.Semaphore(concurrency)
        self._certificates = httpx.create_ssl_context(trust_env=endpoint.trust_env)
        self._made: list[httpx.AsyncClient] = []
        self._free: list[httpx.AsyncClient] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of its own until the block ends, the one that was used last."""
        async with self._slots:
            client = self._free.pop() if self._free else self._make()
            try:
                yield client
            finally:
                self._free.append(client)

    async def aclose(self) -> None:
        """Closes every connection."""
        for client in self._made:
            await client.aclose()

    def _make(self) -> httpx.AsyncClient:
        endpoint = self._endpoint
        client = httpx.AsyncClient(
            headers=endpoint.headers(),
            timeout=endpoint.timeout_s,
            verify=self._certificates,
            trust_env=endpoint.trust_env,
        )
        self._made.append(client)
        return client


async def ask(
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    health: Health,
    pace: Pace,
    body: Mapping[str, Any],
    *,
    raw: bool,
) -> Answer:
    """One answer, retried with exponential backoff; never raises for what a server does.

    After this `health` tells whether the server is down; a later request is not sent once it is.
    """
    trouble = _Trouble("was never asked")
    estimated = estimate_tokens(body)
    began = 0
    for attempt in range(endpoint.retries + 1):
        if attempt and health.down is None:
            await asyncio.sleep(pace.backoff(attempt))
        if health.down is None:
            await pace.admit(estimated)
        if health.down is not None:
            return Answer(None, f"teacher down: {health.down}")
        began = health.failures
        answer = await _ask_once(client, endpoint, body, raw=raw)
        if isinstance(answer, Answer):
            pace.correct(estimated, answer.input_tokens + answer.output_tokens)
            health.note_answer(began)
            return answer
        trouble = answer
        if trouble.kind in {"fatal", "refusal"}:  # the same would be said again
            break
        pace.hold(trouble.retry_after_s)
    if trouble.kind == "refusal":
        health.note_refusal(trouble.what, began)
    else:
        health.note_failure(trouble.what, fatal=trouble.kind != "passing", mistake=trouble.mistake)
    return Answer(None, f"teacher error: {trouble.what}")


class _Trouble(NamedTuple):
    """Why one request gave no answer; `unreachable` is worth a retry, and then as final as `fatal`."""

    what: str
    kind: Literal["passing", "unreachable", "fatal", "refusal"] = "passing"
    retry_after_s: float = 0.0
    mistake: bool = False


async def _ask_once(
    client: httpx.AsyncClient, endpoint: Endpoint, body: Mapping[str, Any], *, raw: bool
) -> Answer | _Trouble:
    url = f"{endpoint.base_url}/{'completions' if raw else 'chat/completions'}"
    try:
        # httpx's own timeout is between two bytes: a server that trickles would never end
        async with asyncio.timeout(endpoint.timeout_s):
            response = await client.post(url, json=body, extensions=endpoint.extensions())
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
        return _Trouble(f"{_FATAL_STATUS[status]} (HTTP {status})", "fatal", mistake=status in _MISTAKES)
    if response.is_redirect:
        return _Trouble(f"sends us elsewhere, where we do not go (HTTP {status})", "fatal", mistake=True)
    if status in _RETRIED_STATUS:
        pause_s = read_retry_after(response.headers)
        if pause_s > MAX_RETRY_AFTER_S:
            return _Trouble(f"asks us to come back in {pause_s:.0f} s (HTTP {status})", "fatal")
        return _Trouble(f"answers HTTP {status}", retry_after_s=pause_s)
    if response.is_client_error:
        return _Trouble(f"refuses the prompt (HTTP {status})", "refusal")
    return None


def check_server(endpoint: Endpoint) -> None:
    """Ask the server for its models, before anything is spent.

    Raises TeacherError when it cannot be reached, ConfigError when it lists models and ours is not one.
    A server without a list is taken at its word.
    """
    try:
        with httpx.Client(
            headers=endpoint.headers(), timeout=endpoint.timeout_s, trust_env=endpoint.trust_env
        ) as client:
            response = client.get(f"{endpoint.base_url}/models", extensions=endpoint.extensions())
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise TeacherError(
            f"the teacher at {endpoint.base_url} cannot be reached: {str(exc) or type(exc).__name__}",
            mend="Start it, or mend teacher.base_url, and run the same command again.",
        ) from exc
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
