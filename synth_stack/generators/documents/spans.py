"""Where a quotation stands in a passage, and whether two of them are the same words."""

import re
from collections import Counter
from dataclasses import dataclass

_QUOTES = "\"'“”‘’«»`"
_POINTS = re.compile(
    r"(?i)\bthis passage\b"
    r"|\b(?:according to|in|from|by|of|per) (?:the|this|that) (?:given |provided |above )?"
    r"(?:passage|text|excerpt|document|section|paragraph|article|context|extract)\b"
    r"|\b(?:the|this) (?:passage|text|excerpt|paragraph|section|extract) (?:say|state|mention|describe)"
    r"|\bdoes the (?:passage|text|excerpt|paragraph|section|extract)\b"
)
"""A question that cannot be asked by someone who has not the passage before them."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of a passage: `start` to `end`, which is the first one after it."""

    start: int
    end: int


def find_span(passage: str, quote: str) -> Span | None:
    """Where `quote` stands in the passage, word for word; None where it does not.

    White space may differ, and quotation marks around the whole of it are taken off: a passage has line
    breaks that nobody copies. Nothing else may: a changed word is no quotation.
    """
    words = quote.strip().strip(_QUOTES).split()
    if not words:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), passage)
    return None if found is None else Span(found.start(), found.end())


def measure_overlap(said: str, other: str) -> float:
    """Token F1 of two answers: SQuAD's measure, its normalisation (Rajpurkar et al. 2016, section 6.1)."""
    a, b = (Counter(_normalise(text)) for text in (said, other))
    shared = sum((a & b).values())
    return 2 * shared / (a.total() + b.total()) if shared else 0.0


def points_at_passage(question: str) -> bool:
    """Whether a question speaks of "the passage", which who asks has not seen."""
    return _POINTS.search(question) is not None


def _normalise(text: str) -> list[str]:
    words = re.sub(r"[^\w\s]", " ", text.lower()).split()
    return [word for word in words if word not in {"a", "an", "the"}]
