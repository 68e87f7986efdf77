"""From what a server sent to an answer, or to the trouble that there was instead; nothing here raises."""

import json
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import httpx

from synth_stack.teachers.prompt import Answer
from synth_stack.teachers.rate_limit import MAX_RETRY_AFTER_S, read_retry_after
from synth_stack.teachers.reasoning import join_reasoning, split_reasoning
from synth_stack.teachers.server_words import clean_sentence, read_sentence

RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504, 529})
CONGESTED_STATUS = frozenset({429, 503, 529})
FATAL_STATUS = {
    401: "refuses the API key",
    402: "wants to be paid first",
    403: "refuses access",
    404: "does not know the model or path",
    407: "is behind a proxy that refuses us",
}
MISTAKES = frozenset({401, 403, 404})
"""What is ours to mend when the first answer already says it."""
_MAX_TOKENS = 2**31 - 1
"""More than any answer has: what a server says of tokens goes into signed JSON, which has no larger integers
than 2**53."""

_FINISHES = {
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "function_call": "tool_calls",
}
"""Other servers' words for how an answer ended, and OpenAI's."""

EMPTY = "empty answer: the teacher wrote nothing"
SPENT = "no answer: all that it may write went into reasoning"
SURROGATE = "broken answer: a lone surrogate is not valid Unicode"


class Trouble(NamedTuple):
    """Why one request gave no answer; `unreachable` is worth a retry, and then as final as `fatal`."""

    what: str
    kind: Literal["passing", "unreachable", "fatal", "refusal"] = "passing"
    retry_after_s: float = 0.0
    mistake: bool = False
    congested: bool = False


def read_status(response: httpx.Response, key: str | None = None) -> Trouble | None:
    """The trouble that the status of a response stands for, with the server's own sentence; else None."""
    status = response.status_code
    if response.is_success:
        return None
    if response.is_redirect:
        return Trouble(f"sends us elsewhere, where we do not go (HTTP {status})", "fatal", mistake=True)
    sentence = read_sentence(response.content, key)
    said = f"(HTTP {status}): {sentence}" if sentence else f"(HTTP {status})"
    if status in FATAL_STATUS:
        return Trouble(f"{FATAL_STATUS[status]} {said}", "fatal", mistake=status in MISTAKES)
    if status in RETRIED_STATUS:
        return _read_retry(response, sentence, said)
    if response.is_client_error:
        return Trouble(f"refuses the prompt {said}", "refusal")
    return Trouble(f"answers what is no completion {said}")


def _read_retry(response: httpx.Response, sentence: str | None, said: str) -> Trouble:
    status = response.status_code
    pause_s = read_retry_after(response.headers)
    if pause_s > MAX_RETRY_AFTER_S:
        return Trouble(f"asks us to come back in {pause_s:.0f} s {said}", "fatal")
    what = f"answers HTTP {status}: {sentence}" if sentence else f"answers HTTP {status}"
    return Trouble(what, retry_after_s=pause_s, congested=status in CONGESTED_STATUS)


def read_answer(response: httpx.Response, *, raw: bool, key: str | None = None) -> Answer | Trouble:
    """The answer in a response of status 200: what was said, thought and called, how it ended, its tokens."""
    try:
        body = json.loads(response.content)
        choice = body["choices"][0]
        said = {"content": choice["text"]} if raw else choice["message"]
        content, thought = _read_content(said["content"] if said.keys() <= {"role"} else said.get("content"))
        thought = join_reasoning(*(_as_text(said.get(name)) for name in _REASONING), thought)
        calls = _read_calls(said.get("tool_calls"))
        n_in, n_out, cached = _read_usage(body.get("usage") or {})
        refusal, finish = said.get("refusal"), _read_finish(choice.get("finish_reason"))
        beginnings = _read_beginnings(choice.get("logprobs"))
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ):
        return _no_completion(response, key)
    split = split_reasoning(content or "")
    answer = Answer(
        split.content,
        cut=finish == "length",
        input_tokens=n_in,
        output_tokens=n_out,
        reasoning=join_reasoning(thought, split.reasoning),
        finish=finish,
        tool_calls=calls,
        cached_tokens=cached,
        beginnings=beginnings,
    )
    refused = clean_sentence(refusal, key) if isinstance(refusal, str) and refusal.strip() else None
    return _settle(answer, refused, opened=split.open)


def _settle(answer: Answer, refused: str | None, *, opened: bool) -> Answer:
    """The answer with the reason why it has no text, where it has none."""
    failure = None
    if not _is_unicode(answer.text) or not _is_unicode(answer.reasoning):
        answer = answer._replace(reasoning=None)
        failure = SURROGATE  # JSON can say what no row can hold
    elif refused is not None:
        failure = f"refused by the teacher: {refused}"
    elif answer.finish == "content_filter":
        failure = "content filter: the server held the answer back"
    elif not (answer.text or "").strip():
        spent = not answer.tool_calls and (opened or answer.reasoning is not None)
        nothing = None if answer.tool_calls else SPENT if spent else EMPTY
        cut = answer.cut and bool(answer.tool_calls)
        return answer._replace(text=None, failure=nothing, cut=cut, spent=spent)
    return answer if failure is None else answer._replace(text=None, failure=failure, cut=False)


_REASONING = ("reasoning_content", "reasoning")


def _read_content(content: Any) -> tuple[str | None, str | None]:
    """What was said, and thoughts that stand beside it as parts of their own."""
    if content is None or isinstance(content, str):
        return content, None
    if not isinstance(content, list):
        return None, None
    said = [str(part["text"]) for part in content if part.get("type") in {"text", "output_text"}]
    thoughts = [_as_text(part.get("thinking")) for part in content if part.get("type") == "thinking"]
    return "".join(said) or None, join_reasoning(*thoughts)


def _as_text(value: Any) -> str | None:
    if isinstance(value, list):
        return "".join(str(part.get("text") or "") for part in value if isinstance(part, dict)) or None
    return value if isinstance(value, str) and value.strip() else None


def _read_calls(calls: Any) -> tuple[Mapping[str, str], ...]:
    """Calls of tools as a row has them: their id, name, and arguments as JSON text."""
    found = []
    for number, call in enumerate(calls or ()):
        function = call["function"]
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
        found.append(
            {"id": str(call.get("id") or f"call_{number}"), "name": str(function["name"]), "arguments": text}
        )
    return tuple(found)


def _read_finish(reason: Any) -> str | None:
    return _FINISHES.get(reason, reason) if isinstance(reason, str) and reason.isidentifier() else None


def _read_beginnings(logprobs: Any) -> dict[str, float] | None:
    """How probable likely first tokens were; None where the server does not tell, or tells it otherwise.

    Tokens that differ in case and blanks alone count as one: models begin with " Yes", "yes" and "YES".
    """
    found: dict[str, float] = {}
    try:
        for each in logprobs["content"][0]["top_logprobs"]:
            token, logprob = str(each["token"]).strip().casefold(), float(each["logprob"])
            if logprob <= 0:  # false of NaN as well
                found[token] = min(1.0, found.get(token, 0.0) + math.exp(logprob))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None
    return found


def _read_usage(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    """Tokens in, out, and of those in the cached ones."""
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached)


def _count(value: Any) -> int:
    return min(max(int(value or 0), 0), _MAX_TOKENS)


def _is_unicode(text: str | None) -> bool:
    try:
        (text or "").encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_completion(response: httpx.Response, key: str | None) -> Trouble:
    if response.content.lstrip()[:5] == b"data:":
        return Trouble("answers with a stream, which it was not asked for", "fatal", mistake=True)
    sentence = read_sentence(response.content, key) if b'"error"' in response.content[:2_000] else None
    said = f": {sentence}" if sentence else ""
    return Trouble(f"answers what is no completion (HTTP {response.status_code}){said}")
