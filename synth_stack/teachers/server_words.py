"""The sentence with which a server says what is wrong, fit to be shown: no address, no key, one line."""

import json
import re
from typing import Any

MAX_CHARS = 240

_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s'\"<>)]+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\[?(?:[0-9a-f]{1,4}:){3,}[0-9a-f:]*\]?(?::\d+)?"
    r"|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|app|cloud|local|internal|lan|lab|corp|home|de|uk|eu|cn)"
    r"(?![a-z])(?::\d+)?(?:/[^\s'\"<>)]*)?"
    r"|\b[a-z0-9.-]+:\d{2,5}\b",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?i:\b(?:bearer|basic)\s+\S+)"
    r"|\b(?i:sk|pk|rk|hf|gsk|xai|key|token|org|proj)[-_][\w*.-]{6,}"
    r"|\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{28,}\b"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")

_SETTINGS = (
    ("max_completion_tokens", "Set teacher.limit_field: max_completion_tokens."),
    ("temperature", "Set teacher.leave_out: [sampling], or temperature: null."),
    ("top_p", "Set teacher.leave_out: [sampling], or top_p: null."),
    ("'seed'", "Set teacher.leave_out: [seed]."),
    ("response_format", "Set teacher.schema_field to what the server takes, or leave it out."),
    ("'stop'", "Set teacher.leave_out: [stop]."),
    ("logprobs", "Set teacher.leave_out: [logprobs]."),
    (
        "context length",
        "Set teacher.max_tokens or teacher.reasoning_tokens lower, or make the prompt shorter.",
    ),
    ("reasoning", "Raise teacher.reasoning_tokens, or switch it off (extra_body, chat_template_kwargs)."),
)
"""What a server speaks of, and the setting that answers it."""


def read_sentence(body: bytes, key: str | None = None) -> str | None:
    """What an error body says, cleaned; None for nothing. `key` is the one that was sent, and is cut out."""
    try:
        found = _find_message(json.loads(body))
    except (ValueError, RecursionError):
        text = body[: 16 * MAX_CHARS].decode("utf-8", "replace").strip()
        found = None if text.startswith(("<", "{", "data:")) else text
    return clean_sentence(found, key) if found else None


def clean_sentence(text: str, key: str | None = None) -> str | None:
    """A text of somebody else's as one line without addresses and keys; None where nothing is left."""
    if key:
        text = text.replace(key, "[key]")
    text = _CONTROL.sub(" ", text[: 16 * MAX_CHARS])
    text = _ADDRESS.sub("[address]", _KEY.sub("[key]", text))
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return (text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS].rstrip()} ...") or None


def tell_exception(exc: Exception) -> str:
    """What code of others raised, without addresses and keys: it stands in rows, which are packed."""
    said = (clean_sentence(str(exc)) or "")[:_TOLD_CHARS]
    return f"{type(exc).__name__}: {said}" if said else type(exc).__name__


_TOLD_CHARS = 200
"""Of what was raised: enough for a sentence."""


def suggest_setting(said: str) -> str | None:
    """The parameter of a teacher that answers what a server said, if there is one."""
    return next((mend for word, mend in _SETTINGS if word in said), None)


def _find_message(value: Any) -> str | None:
    """The message in an error body: OpenAI's, FastAPI's, Ollama's and their like."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _find_message(value[0]) if value else None
    if not isinstance(value, dict):
        return None
    for name in ("error", "message", "detail", "msg", "error_description"):
        if value.get(name):
            return _find_message(value[name])
    return None
