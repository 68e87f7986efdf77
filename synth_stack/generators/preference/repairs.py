"""Minimal repairs: what a reviser's reply holds, and how much of an answer it has changed."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_PARTS = re.compile(
    r"(?is)^[\W\d]*why\W*?:[*_]*\s*(?P<why>.*?)\s*^[\W\d]*answer\W*?:[*_]*\s*(?P<answer>.*)$", re.MULTILINE
)
"""The two parts of a reply; models put their names in bold, or number them."""

MAX_WORDS = 4_000
"""An alignment takes the product of both lengths: two answers of 1,024 tokens have some 800 words each."""


class Repair(NamedTuple):
    """A revised answer, and what the reviser says that it mended."""

    answer: str
    why: str


def read_repair(reply: str) -> Repair | None:
    """The parts of a reviser's reply; None where one is missing or the answer is empty."""
    parts = _PARTS.match(reply.strip())
    if parts is None or not parts["answer"].strip():
        return None
    return Repair(parts["answer"].strip(), " ".join(parts["why"].split()))


def measure_change(before: str, after: str) -> float:
    """How much was changed, from 0 (nothing) to 1 (all of it): the edit distance of words (Levenshtein 1966)
    by the length of the longer text.

    Of texts of more than MAX_WORDS words only so many are compared.
    """
    a, b = before.split()[:MAX_WORDS], after.split()[:MAX_WORDS]
    longer = max(len(a), len(b))
    return count_edits(a, b) / longer if longer else 0.0


def count_edits(a: Sequence[str], b: Sequence[str]) -> int:
    """The words that have to be put in, taken out or replaced to make `b` of `a`."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    a, b = a[start : len(a) - end], b[start : len(b) - end]
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != other))
    return row[-1]
