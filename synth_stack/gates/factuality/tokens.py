"""A text cut into sentences and these into tokens, each with its place in the text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_SENTENCE_CHARS = 1_000
"""A longer one is a list, a table or noise; it is read up to here."""

_TOKEN = re.compile(r"\d[\d,.:]*\d|\d|[^\W\d_]+\d[^\W_]*|[^\W\d_]+(?:['’][^\W\d_]+)*|[^\w\s]", re.UNICODE)
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9£$€])|\n+|(?<=[。！？])")
_BULLET = re.compile(r"\s*(?:[-*+•·]|\d{1,2}[.)]|#{1,6}|>)\s+")
_NUMBERED = re.compile(r"\s*\d{1,2}\.")
_ABBREVIATED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nos|vs|approx|Inc|Ltd|Jr|Sr|Fig|Sec|cf|etc|[A-Z])|e\.g|i\.e|U\.S)\.$"
)
_FENCE = re.compile(
    r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1[`~]*[ \t]*$|^ {0,3}(?:`{3,}|~{3,}).*\Z", re.DOTALL | re.MULTILINE
)


class Token(NamedTuple):
    """A word, number or sign: as it came, in lower case, and from where to where it stands."""

    text: str
    low: str
    start: int
    end: int

    @property
    def is_digit(self) -> bool:
        """Whether it begins with a digit."""
        return self.text[0].isdecimal()


def tokenise(text: str) -> list[Token]:
    """The tokens of a text: "15cm" are two, "C3" and "don't" are one each."""
    return [Token(m[0], m[0].lower(), m.start(), m.end()) for m in _TOKEN.finditer(text)]


def split_sentences(text: str) -> Iterator[tuple[int, str]]:
    """Each sentence with its start in the text, the marks of lists and headings left out."""
    for start, end in _find_bounds(text):
        bullet = _BULLET.match(text, start, end)
        first = bullet.end() if bullet else start
        said = text[first:end]
        stripped = said.lstrip()
        first += len(said) - len(stripped)
        if stripped := stripped.rstrip():
            yield first, stripped[:MAX_SENTENCE_CHARS]


def mask_code(text: str) -> str:
    """The text with its fenced blocks blanked out, so that every offset stays."""
    if "```" not in text and "~~~" not in text:
        return text
    return _FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)


def _find_bounds(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in _END.finditer(text):
        if "\n" not in gap[0] and _ABBREVIATED.search(text, max(start, gap.start() - 8), gap.start()):
            continue
        if _NUMBERED.fullmatch(text, start, gap.start()):
            continue
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)
