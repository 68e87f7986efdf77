"""Batches whose rows share text: passages, templates, system prompts, stock answers. All words are made up."""

from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row

VOCABULARY = [
    f"{a}{b}{c}" for a in "bdfklmnprst" for b in ("a", "ei", "o", "u") for c in ("ng", "r", "lt", "sh", "m")
]


class Speaker:
    """Says so many words drawn from a vocabulary; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def say(self, low: int, high: int | None = None) -> str:
        """Some words."""
        count = low if high is None else int(self._rng.integers(low, high))
        return " ".join(self._rng.choice(VOCABULARY, count))

    def choose(self, *some: str) -> str:
        """One of them."""
        return str(self._rng.choice(some))


STOCK = Speaker(7).say(120)
"""A stock answer."""


def make_pairs(pairs: list[tuple[str, str]], system: str | None = None, **fields: Any) -> pa.Table:
    """Rows of a question and an answer each."""
    before = [("system", system)] if system else []
    return build_candidates(
        make_row(*before, ("user", asked), ("assistant", answered), draw=draw, **fields)
        for draw, (asked, answered) in enumerate(pairs)
    )


def list_reading(passages: int, questions: int = 5, seed: int = 1) -> list[tuple[str, str]]:
    """Questions on passages; three in four are answered yes or no."""
    speaker = Speaker(seed)
    texts = [
        f"Answer from the passage.\n\nPassage: {speaker.say(90, 160)}.\n\nQuestion:" for _ in range(passages)
    ]
    return [
        (f"{text} {speaker.say(9, 14)}?", speaker.choose("yes", "no", "Yes.", speaker.say(3)))
        for text in texts
        for _ in range(questions)
    ]


def list_classified(rows: int, seed: int = 2, label: str | None = None) -> list[tuple[str, str]]:
    """Messages under one template, with one of three labels (or one alone)."""
    speaker = Speaker(seed)
    template = f"Give the message one of these labels: {speaker.say(200)}.\n\nMessage:"
    labels = ("order", "refund", "other") if label is None else (label,)
    return [(f"{template} {speaker.say(8, 14)}\n\nLabel:", speaker.choose(*labels)) for _ in range(rows)]


def make_dialogues(rows: int, seed: int = 3) -> pa.Table:
    """Dialogues of two turns under one long system prompt."""
    speaker = Speaker(seed)
    system = speaker.say(200)
    roles = ("user", "assistant", "user", "assistant")
    return build_candidates(
        make_row(
            ("system", system), *[(role, speaker.say(25, 45)) for role in roles], kind="dialogue", draw=draw
        )
        for draw in range(rows)
    )


def list_refusals(rows: int, seed: int = 4) -> list[tuple[str, str]]:
    """Questions with one stock answer."""
    speaker = Speaker(seed)
    return [(speaker.say(4, 7), STOCK) for _ in range(rows)]


def list_instructions(rows: int, seed: int = 5) -> list[tuple[str, str]]:
    """Questions and answers that share nothing."""
    speaker = Speaker(seed)
    return [(speaker.say(10, 30), speaker.say(70, 140)) for _ in range(rows)]
