"""Which sentences of a passage answer a question, by their vectors and by how the sentences hang together.

The bars are cosines of MiniLM. They were set on the demo's policies (pipelines/support_intents), of which two
hundred answers were read; other passages were not tried.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.factuality.tokens import split_sentences

Scores = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Scores]

FOCUSED_MARGIN = 0.2
"""How much less near than the best a sentence of the answer may be, where one thing is asked."""
OPEN_MARGIN = 0.35
"""The same where a way, a reason or advice is asked for, which takes several sentences."""
CONTINUED_MARGIN = 0.15
"""So much more is allowed to a sentence that goes on from the chosen one before it."""

_ASKS = (
    "how|what|when|where|which|who|whose|why|can|could|may|do|does|did|is|are|was|will|would|must|should|has"
    "|have"
)
_CLAUSE_GAP = re.compile(rf",?\s+(?:and|or|but|so)\s+(?=(?:{_ASKS})\b)", re.IGNORECASE)
_ASKING = re.compile(rf"\s*(?:{_ASKS})\b", re.IGNORECASE)
_OPEN = re.compile(
    r"\s*(?:how (?:do|can|should|does|did|could|is|are)|why"
    r"|what (?:can|could|should|do|does|is|are|happens|helps))\b",
    re.IGNORECASE,
)
_LEANS = re.compile(
    r"(?:it|its|they|their|this|that|these|those|he|she|neither|either|otherwise|then|instead"
    r"|also|afterwards|together|such|if (?:so|not|it|they|that|this|neither|nothing|either)"
    r"|(?:with(?:out)?|after|before|until|beyond|later than|with neither of|in)"
    r" (?:it|that|this|them|these|those|either|neither|both|then)"
    r"|the (?:rest|others?|same)|still nothing)\b",
    re.IGNORECASE,
)
"""How a sentence begins that is not understood without the one before it."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A sentence of a passage: its number from 0 on, and where it stands."""

    number: int
    start: int
    end: int
    text: str
    nearness: float


def cite(question: str, title: str, passage: str, embed: Embed, max_sentences: int) -> list[Citation]:
    """The sentences of `passage` that answer `question`, in the order in which they are to be said.

    `embed` gives unit vectors, (n, d). Each thing that is asked gets the sentence nearest to it and those
    almost as near, `max_sentences` in all; a sentence that leans on the one before it brings that one along.
    They stand as in the passage. Where a way or a reason is asked for, a single sentence between two that
    are said is said too, and else the run of neighbours with the nearest sentence comes first. Empty for a
    passage without a sentence.
    """
    sentences = list(split_sentences(passage))
    if not sentences:
        return []
    texts = [text for _, text in sentences]
    asked = _list_asked(question)
    near = _measure(read_asks(question), asked, title, texts, embed)
    best = near.max(axis=0)
    chosen = _choose(near, asked, texts, max_sentences)
    if any(map(_OPEN.match, asked)):
        runs = [sorted({*chosen, *(k + 1 for k in chosen if k + 2 in chosen)})]
    else:
        runs = sorted(_join_runs(chosen), key=lambda run: int(best.argmax()) not in run)
    return [
        Citation(k, sentences[k][0], sentences[k][0] + len(texts[k]), texts[k], float(best[k]))
        for run in runs
        for k in run
    ]


def read_asks(message: str) -> str:
    """The sentences of a message that ask; the whole of it where none does."""
    asks = [text for _, text in split_sentences(message) if text.rstrip("\"'”’)").endswith("?")]
    return " ".join(asks) or message


def _list_asked(question: str) -> list[str]:
    """What is asked, one by one: "how do I cancel, and what does it cost?" asks two things."""
    clauses = [clause for text in [read_asks(question)] for clause in _CLAUSE_GAP.split(text)]
    return [clause for clause in clauses if _ASKING.match(clause)] or [read_asks(question)]


def _measure(
    whole_asked: str, asked: Sequence[str], title: str, texts: Sequence[str], embed: Embed
) -> Scores:
    """(asked, sentences): how near each sentence is to each thing asked, half of it as part of the whole."""
    titled = [f"{title}. {text}" for text in texts]
    vectors = embed([whole_asked, *asked, *texts, *titled])
    whole, parts = vectors[:1], vectors[1 : 1 + len(asked)]
    rest = vectors[1 + len(asked) :]
    plain, with_title = rest[: len(texts)], rest[len(texts) :]
    return (((whole + parts) / 2) @ ((plain + with_title) / 2).T).astype(np.float32)


def _choose(near: Scores, asked: Sequence[str], texts: Sequence[str], max_sentences: int) -> list[int]:
    chosen: set[int] = set()
    for row, clause in zip(near, asked, strict=True):
        margin = OPEN_MARGIN if _OPEN.match(clause) else FOCUSED_MARGIN
        bar = float(row.max()) - margin
        order = np.argsort(-row, kind="stable")[:max_sentences]
        kept = {int(k) for k in order if row[k] >= bar}
        kept |= {
            k + 1
            for k in kept
            if k + 1 < len(texts) and _leans(texts, k + 1) and row[k + 1] >= bar - CONTINUED_MARGIN
        }
        chosen |= kept
    best = near.max(axis=0)
    chosen = set(sorted(chosen, key=lambda k: (-best[k], k))[:max_sentences])
    for k in range(len(texts) - 1, 0, -1):
        if k in chosen and _leans(texts, k):
            chosen.add(k - 1)
    return sorted(chosen)


def _leans(texts: Sequence[str], k: int) -> bool:
    """Whether sentence `k` is not understood without the one before it, such as an answer to a question."""
    return k > 0 and (texts[k - 1].endswith("?") or _LEANS.match(texts[k]) is not None)


def _join_runs(numbers: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for k in numbers:
        if runs and runs[-1][-1] == k - 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    return runs
