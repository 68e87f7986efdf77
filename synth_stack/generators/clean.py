"""From what a teacher wrote to the text of a message; nothing is repaired that a gate should see."""

import re
from collections.abc import Iterable

_NUMBERING = re.compile(
    r"^(?:\(?\d{1,3}[.):](?:\s+|$)|[-*•](?:\s+|$)|(?:Customer|Message|User|Agent|Assistant)\s*\d*:\s*)"
)
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s|$)")
_QUOTES = {('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’")}


def clean_line(text: str) -> str:
    """A single message without list numbering, speaker label, or quotes around the whole of it."""
    line = " ".join(text.split())
    line = _NUMBERING.sub("", line)
    if len(line) > 1 and (line[0], line[-1]) in _QUOTES and line[0] not in line[1:-1]:
        line = line[1:-1]
    return line.strip()


def trim_to_sentence(text: str) -> str:
    """The text up to its last finished sentence: what a token limit cut off is dropped. May be empty."""
    ends = list(_SENTENCE_END.finditer(text))
    return text[: ends[-1].end()] if ends else ""


def draw_fence(texts: Iterable[str]) -> str:
    """A line of equals signs that is longer than any in the texts that it encloses."""
    longest = max((len(run) for text in texts for run in re.findall(r"=+", text)), default=0)
    return "=" * max(8, longest + 1)
