"""The claims of answers held against the row's own documents first, and then against the sources."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synth_stack.gates.factuality.answers import Answered
from synth_stack.gates.factuality.claims import Claim, Context
from synth_stack.gates.factuality.passages import Shelf, SourceSentence
from synth_stack.gates.factuality.retrieval import CANDIDATES, Query, SentenceIndex
from synth_stack.gates.factuality.statement_claims import check_statement
from synth_stack.gates.factuality.statements import Statement, read_statements

MAX_SENTENCES = 60
"""Sentences of one answer that are checked: twice as many as the longest answer of a support desk has."""
_QUESTION_IDEAS = 40


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim and where it stands: the path of its message and its place there; `by` says who decided."""

    claim: Claim
    path: str
    start: int
    end: int
    sentence: str
    candidates: tuple[SourceSentence, ...] = ()
    by: str = "rules"


@dataclass(frozen=True, slots=True)
class _Sentence:
    row: int
    path: str
    said: Statement
    context: Context


_SOURCE = (
    r"(?:document|documents|text|policy|policies|handbook|manual|source|sources|passage|guide|page|context)"
)
_SILENT = re.compile(
    rf"(?i)(?:(?:i(?:['’]m| am) )?sorry,? (?:but )?)?(?:the|this|these|our|your|its) {_SOURCE} (?:does|do) ?"
    r"(?:not|n['’]t) (?:say|mention|state|tell|specify|answer|cover)(?: (?:it|that|this|so))?[.!]?"
)
"""That a source is silent is no claim that stands in it. Only the bare sentence: one that goes on to say on
what ("does not say that refunds take a week") is read as any other."""


def check_answers(index: SentenceIndex | None, rows: Sequence[Answered]) -> list[list[Checked]]:
    """The claims of each answer in the order in which they are made, with their standing by rules."""
    sentences = [sentence for row, answered in enumerate(rows) for sentence in _read_sentences(row, answered)]
    found: list[list[Checked]] = [[] for _ in rows]
    own = [_check_own(rows[sentence.row].shelf, sentence) for sentence in sentences]
    open_ = [k for k, claims in enumerate(own) if claims is None or any(_is_open(c.claim) for c in claims)]
    beyond: dict[int, list[Checked]] = {}
    if index is not None and index.shelf.sentences:
        queries = [_ask(sentences[k]) for k in open_]
        for k, candidates in zip(open_, index.find(queries), strict=True):
            beyond[k] = _check(index.shelf, sentences[k], candidates)
    for k, sentence in enumerate(sentences):
        found[sentence.row] += _merge(own[k], beyond.get(k))
    return found


def _read_sentences(row: int, answered: Answered) -> Iterator[_Sentence]:
    statements = [
        (said.path, one)
        for said in answered.said
        for one in read_statements(said.content)
        if not _SILENT.fullmatch(one.text.strip())
    ]
    if not statements:
        return
    asked = read_statements(answered.prompt)
    ideas = dict.fromkeys(idea for one in asked for idea in one.ideas)
    context = Context(
        prompt_ideas=frozenset(ideas),
        query_ideas=frozenset(list(ideas)[-_QUESTION_IDEAS:]),
        prompt_words=frozenset(word for one in asked for word in one.words),
        prompt_quantities=tuple(q for one in asked for q in one.quantities),
        prompt_contacts=frozenset(c.value for one in asked for c in one.contacts),
        answer_ideas=frozenset(idea for _, one in statements for idea in one.ideas),
    )
    for path, one in statements[:MAX_SENTENCES]:
        yield _Sentence(row, path, one, context)


def _ask(sentence: _Sentence) -> Query:
    return Query(sentence.said.text, frozenset(sentence.said.ideas), sentence.context.query_ideas)


def _check_own(shelf: Shelf | None, sentence: _Sentence) -> list[Checked] | None:
    """The claims against the row's documents; None where it has none."""
    if shelf is None or not shelf.sentences:
        return None
    ideas = sentence.said.ideas.keys()
    near = sorted(
        range(len(shelf.sentences)),
        key=lambda k: -shelf.weigh(ideas & shelf.sentences[k].reach),
    )
    return _check(shelf, sentence, [shelf.sentences[k] for k in near[:CANDIDATES]])


def _check(shelf: Shelf, sentence: _Sentence, candidates: Sequence[SourceSentence]) -> list[Checked]:
    said = sentence.said
    return [
        Checked(
            claim,
            sentence.path,
            said.start + claim.start,
            said.start + claim.end,
            said.text,
            tuple(candidates),
        )
        for claim in check_statement(shelf, said, candidates, sentence.context)
    ]


def _is_open(claim: Claim) -> bool:
    return claim.standing in {"not_found", "in_doubt"}


def _merge(own: list[Checked] | None, beyond: list[Checked] | None) -> list[Checked]:
    """What the row's documents settle stands; of the rest what the sources say, where they settle it."""
    if own is None or beyond is None:
        return own or beyond or []
    settled = {(c.start, c.end, c.claim.sort == "condition"): c for c in beyond if not _is_open(c.claim)}
    return [
        settled.get((c.start, c.end, c.claim.sort == "condition"), c) if _is_open(c.claim) else c for c in own
    ]
