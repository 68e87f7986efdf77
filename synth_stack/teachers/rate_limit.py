"""How fast a server may be asked: its own limits a minute, its pauses, and ours before a retry."""

import asyncio
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any

from synth_stack.teachers.prompt import tell_message

BACKOFF_BASE_S = 0.5
"""First pause before a retry; doubles each time (0.5, 1, 2 s ...), as in AWS's backoff guidance."""
MAX_BACKOFF_S = 30.0
MAX_RETRY_AFTER_S = 300.0
"""A server that wants a longer pause is down for this run: the same command goes on later."""
CHARS_PER_TOKEN = 4
"""Of English, by the rule of thumb of OpenAI's tokenizer page; corrected by what the server counted."""


class Pace:
    """The pace of one server, shared by all batches that ask it; to be used in one event loop.

    Requests, and tokens where there is a limit on them, are spaced evenly over the minute (the generic cell
    rate algorithm of ITU-T I.371 without a burst): services that allow 60 a minute often mean one a second.
    """

    def __init__(
        self, requests_per_minute: int | None = None, tokens_per_minute: int | None = None, *, seed: int = 0
    ) -> None:
        self._request_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._request_at = self._token_at = self._held_until = 0.0
        self._jitter = random.Random(seed)  # noqa: S311  (spreads retries, no secret)

    @property
    def is_held(self) -> bool:
        """Whether the server has asked for a pause that is not over."""
        return self._held_until > monotonic()

    async def admit(self, tokens: int) -> None:
        """Returns when a request of about `tokens` tokens may be sent."""
        now = monotonic()
        start = max(now, self._request_at, self._token_at)
        self._request_at = start + self._request_s
        self._token_at = start + tokens * self._token_s
        if start > now:
            await asyncio.sleep(start - now)

    def correct(self, estimated: int, used: int) -> None:
        """Counts the `used` tokens of an answer instead of the estimate; 0: the server does not count."""
        if used:
            self._token_at += (used - estimated) * self._token_s

    def hold(self, seconds: float) -> None:
        """Keeps every later request back for so long: the server asked one of them to wait."""
        if seconds > 0:
            self._held_until = max(self._held_until, monotonic() + seconds)
            self._request_at = max(self._request_at, self._held_until)

    def backoff(self, attempt: int) -> float:
        """Seconds before try `attempt` (1 is the first retry): half of them certain, half drawn.

        Drawn, so that requests that failed together do not come back together.
        """
        longest: float = min(BACKOFF_BASE_S * 2 ** (attempt - 1), MAX_BACKOFF_S)
        return longest * (1 + self._jitter.random()) / 2


def estimate_tokens(body: Mapping[str, Any]) -> int:
    """About what a request will cost: its text at four characters a token, and all that it may answer."""
    texts = [
        body.get("prompt") or "",
        *[tell_message(message) for message in body.get("messages", ())],
        json.dumps(body["tools"]) if body.get("tools") else "",
    ]
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    return sum(map(len, texts)) // CHARS_PER_TOKEN + int(limit)


def read_retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks us to wait, in either form of RFC 9110, section 10.2.3; 0 for none.

    A date is counted from the server's own clock where it tells it.
    """
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    until = _read_date(text)
    if until is None:
        return 0.0
    now = _read_date(headers.get("date", "")) or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0)


def _read_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
