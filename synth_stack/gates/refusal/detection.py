"""How an answer sounds: whether it refuses, whether it complies, and what of another text it is about.

Read by phrases (refusals.txt), as string-matching judges of jailbreak studies do; where the phrases
say two things, or none, that is said too.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from synth_stack.gates.word_lists import read_sections

Kind = Literal["refusal", "apology", "compliance", "offer", "mention"]

READ_CHARS = 20_000
"""What is read of an answer: more than the longest that the structure gate lets through by default."""

OPENING_CHARS = 120
"""A refusal that starts later, after a sentence or two, may be a remark inside an answer."""

_OFFER_CHARS = 120
"""So near a sign of compliance, a word such as "protect" says that what is given is what is allowed."""

_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'"})
_STEM_CHARS = 5
_STOP_WORDS = frozenset(
    """about after also another anybody anyone anything because been before being both could does doing
    each else even every everybody from give have help here into just know like make many more most much
    must need nobody only other over people person please same should some somebody someone something
    such tell than that their them then there these they thing this those through under until very want
    were what when where which while whom will with without would your yours""".split()
)


@dataclass(frozen=True, slots=True)
class Sign:
    """A phrase in an answer and what it is a sign of; offsets are characters."""

    kind: Kind
    start: int
    end: int
    phrase: str


@dataclass(frozen=True, slots=True)
class Sound:
    """What the phrases of an answer say.

    `refusal`: the first phrase that refuses; `apology`: the first that only often comes with a refusal;
    `compliance`: the first that gives what was asked for, after the refusal where there is one; not counted
    is one near a word of what may be offered instead. `offers`: whether such a word is in it at all. `words`:
    how many the answer has.
    """

    refusal: Sign | None
    apology: Sign | None
    compliance: Sign | None
    offers: bool
    words: int

    @property
    def refuses(self) -> bool:
        """Whether it opens with a refusal."""
        return self.refusal is not None and self.refusal.start < OPENING_CHARS

    @property
    def signs(self) -> tuple[Sign, ...]:
        return tuple(sign for sign in (self.refusal, self.apology, self.compliance) if sign is not None)


def read_sound(answer: str) -> Sound:
    """What the phrases of an answer say; of a long one its first READ_CHARS characters are read."""
    text = answer[:READ_CHARS].translate(_STRAIGHT)
    refusal = _find(text, "refusal")
    after = refusal.end if refusal is not None and refusal.start < OPENING_CHARS else 0
    compliance = None
    for found in _compile("compliance").finditer(text, after):
        near = text[max(after, found.start() - _OFFER_CHARS) : found.end() + _OFFER_CHARS]
        if not _compile("offer").search(near):
            compliance = Sign("compliance", found.start(), found.end(), found[0])
            break
    offers = _find(text, "offer") is not None
    return Sound(refusal, _find(text, "apology"), compliance, offers, len(text.split()))


def find_mention(answer: str) -> Sign | None:
    """The first phrase that speaks of an order as of something that is not followed, or None."""
    return _find(answer[:READ_CHARS].translate(_STRAIGHT), "mention")


def list_content_words(text: str) -> frozenset[str]:
    """The stems of the words that carry a text: from four letters or two digits on, without stop words."""
    words = re.findall(r"[^\W\d_]{4,}|\d{2,}", text[:READ_CHARS].lower())
    return frozenset(word[:_STEM_CHARS] for word in words if word not in _STOP_WORDS)


def share_content(text: str, of: str) -> float | None:
    """The share of the content words of `text` that stand in `of` too; None where `text` has none."""
    words = list_content_words(text)
    return len(words & list_content_words(of)) / len(words) if words else None


def _find(text: str, kind: Kind) -> Sign | None:
    found = _compile(kind).search(text)
    return None if found is None else Sign(kind, found.start(), found.end(), found[0])


@cache
def _compile(kind: Kind) -> re.Pattern[str]:
    phrases = "|".join(f"(?:{phrase})" for phrase in read_sections(__package__, "refusals")[kind])
    return re.compile(phrases, re.IGNORECASE | re.MULTILINE)
