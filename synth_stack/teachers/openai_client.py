"""Asks any OpenAI-compatible server, with retries, over several servers, and with a notion of "down".

A single bad answer is that row's failure; a server that refuses connections, refuses the key or the model,
or fails many requests in a row is down: the others answer for it, and without others the run must stop
instead of rejecting every row that is left.
"""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

import httpx
import orjson

from synth_stack.teachers.endpoints import MAX_ANSWER_BYTES, Connection, Endpoint, Fleet, Server, TooLongError
from synth_stack.teachers.health import MAX_FAILURES_IN_A_ROW, Health
from synth_stack.teachers.openai_replies import Trouble, read_answer, read_status
from synth_stack.teachers.prompt import Answer
from synth_stack.teachers.rate_limit import estimate_tokens


async def ask(fleet: Fleet, health: Health, body: Mapping[str, Any], *, raw: bool) -> Answer:
    """One answer, retried with exponential backoff; never raises for what a server does.

    After this `health` tells whether the last server is down; a later request is not sent once it is.
    """
    estimated = estimate_tokens(body)
    attempt = waited = answered = 0
    failed: Server | None = None
    while True:
        if health.down is None:
            async with fleet.take(failed) as server:
                if server is not None:
                    await server.pace.admit(estimated)
                began = health.failures
                if server is not None and health.down is None:
                    answer = await _ask_server(server, body, raw=raw)
        if health.down is not None or server is None:
            return Answer(None, f"teacher down: {health.down or fleet.servers[-1].down}")
        if isinstance(answer, Answer):
            server.pace.correct(estimated, answer.input_tokens + answer.output_tokens)
            _note(health, answer, began)
            return answer
        if _drains(server, answer) and fleet.drain(server, answer.what):
            continue  # another one is asked at once: this was no try of it
        if answer.kind in {"fatal", "refusal"} or attempt == server.endpoint.retries:
            break
        attempt += 1
        # a server that goes on answering others is full, not down: its lower limit is enough
        waited = 1 if answer.congested and server.answers > answered else waited + 1
        answered, failed = server.answers, server
        await asyncio.sleep(server.pace.backoff(waited))
    if answer.kind == "refusal":
        health.note_refusal(answer.what, began)
    else:
        health.note_failure(answer.what, fatal=answer.kind != "passing", mistake=answer.mistake)
    return Answer(None, f"teacher error: {answer.what}")


def _note(health: Health, answer: Answer, began: int) -> None:
    if answer.text is None and not answer.tool_calls:
        health.note_empty(answer.failure or "an empty answer", began)
    else:
        health.note_answer(began)


def _drains(server: Server, trouble: Trouble) -> bool:
    """Whether a server has failed for good, as far as can be told while others answer."""
    return trouble.kind in {"fatal", "unreachable"} or server.failures_in_a_row >= MAX_FAILURES_IN_A_ROW


async def _ask_server(server: Server, body: Mapping[str, Any], *, raw: bool) -> Answer | Trouble:
    sent = monotonic()
    connection = server.take_connection()
    try:
        answer = await _ask_once(connection, server.endpoint, body, raw=raw)
    finally:
        server.give_connection(connection)
    if isinstance(answer, Answer):
        server.failures_in_a_row = 0
        server.answers += 1
        server.congestion.note_answer(sent)
        return answer
    if answer.kind != "refusal":
        server.failures_in_a_row += 1
    if answer.congested:
        server.congestion.note_congestion(sent)
    server.pace.hold(answer.retry_after_s)
    return answer


async def _ask_once(
    connection: Connection, endpoint: Endpoint, body: Mapping[str, Any], *, raw: bool
) -> Answer | Trouble:
    path = "completions" if raw else "chat/completions"
    try:
        # httpx's own timeout is between two bytes: a server that trickles would never end
        async with asyncio.timeout(endpoint.timeout_s):
            response = await connection.post(path, orjson.dumps(dict(body)))
    except (httpx.TimeoutException, TimeoutError):
        return Trouble(f"gives no answer within {endpoint.timeout_s:g} s", congested=True)
    except httpx.ConnectError as exc:
        return Trouble(f"cannot be reached ({exc})", "unreachable")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return Trouble(f"breaks the connection ({type(exc).__name__})")
    except TooLongError:
        return Trouble(f"answers more than {MAX_ANSWER_BYTES // 2**20} MiB", "refusal")
    except (UnicodeEncodeError, orjson.JSONEncodeError):
        return Trouble("cannot be sent a prompt that is not valid Unicode", "refusal")
    key = endpoint.api_key
    return read_status(response, key) or read_answer(response, raw=raw, key=key)
