"""A sentence as it is compared: what it is about, its clauses with their polarity, its numbers and names.

The same reading serves an answer and its sources.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from synth_stack.gates.factuality.quantities import Quantity, read_quantities
from synth_stack.gates.factuality.tokens import Token, mask_code, split_sentences, tokenise
from synth_stack.gates.factuality.word_forms import FUNCTION_WORDS, is_modal, is_negator, read_idea

ContactSort = Literal["mail", "address", "phone"]

_SUBORDINATORS = frozenset("if unless when whenever while because although though until once".split())
_CONDITIONS = frozenset("if unless only until except without provided when".split())
_OPENERS = frozenset(
    """i you he she it we they this that these those there which who can could may might must shall should
    will would do does did is are was were has have had not never no then so but if unless when
    please""".split()
)
"""Words that begin a clause of its own after a comma or "and"."""
_VERBS = frozenset(
    """can cannot could may might must shall should will would do does did is are was were has have had
    can't won't don't doesn't isn't aren't needn't mustn't""".split()
)
_ACTORS = frozenset("i you he she it we they".split())
_VERB_AHEAD = 4
"""So many words after "and" or a comma a verb shows that a clause of its own begins: "and agents cannot"."""
_ASIDES = frozenset({"without", "except"})
"""They deny the few words after them, and the clause goes on where these end: "a phone without internet
can"."""
_PREFERS = (("rather", ["than"]), ("instead", ["of"]))
_ASIDE_WORDS = 4
_JOINTS = frozenset({"but", "whereas", "yet"})
_PARTS = frozenset({";", ":", "—", "(", ")", "–"})
_MARKS = frozenset("only except unless until either rather instead not both neither nor than without".split())
"""Words by which a sentence can say the same with another polarity: such pairs are compared with more
care."""
_POWER = frozenset("switch turn turned switched is are be was were left keep kept stay stays".split())
_AFFIRMED = (
    ("not", "only"), ("no", "matter"), ("no", "doubt"), ("no", "longer", "than"), ("no", "later"),
    ("no", "more", "than"), ("not", "more", "than"), ("no", "less", "than"), ("no", "fewer", "than"),
    ("not", "exceed"), ("whether", "or", "not"), ("not", "just"), ("don't", "worry"), ("no", "worries"),
    ("no", "sooner"), ("no", "problem"), ("why", "not"), ("not", "least"),
)  # fmt: skip
"""Runs with a negator that deny nothing."""
_CONTACT = re.compile(
    r"(?P<mail>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6})"
    r"|(?P<address>(?:https?://|www\.)[^\s<>\"'`)\]]{1,300}"
    r"|\b(?:[A-Za-z0-9-]{1,63}\.){1,4}(?:com|org|net|io|gov|edu|example|test|dev|app|info|biz|eu|uk|de|fr|es|it|nl"
    r"|us|ca|au|ie|ch|at|co)\b(?:/[^\s<>\"'`)\]]{0,200})?)"
    r"|(?P<phone>(?<![\w.])(?:\+|00)?\(?\d[\d ()./-]{5,18}\d(?![\w]))"
)
_COMPARES = re.compile(r"\b(?:than|exceeds?)\b", re.IGNORECASE)
_SENTENCE_WORDS = 4
_PHONE_DIGITS = 7
_NAME = re.compile(r"[A-Z][\w'’]*|[a-z]+[A-Z]\w*|[A-Za-z]+\d\w*")
_CACHED = 10_000
"""Readings of sentences that are kept, some 7 kB each."""


class Contact(NamedTuple):
    """A way to reach somebody, in one form whatever it was written in."""

    sort: ContactSort
    value: str
    start: int
    end: int


class Name(NamedTuple):
    """A proper name or identifier; `low` is what it is compared by, `coded` whether it holds a digit."""

    low: str
    coded: bool
    start: int
    end: int


class Clause(NamedTuple):
    """Ideas of a clause with their sides (0: both), how often it is denied, and whether it is a condition.

    `marks` are its words of exception ("only", "until").
    """

    ideas: Mapping[str, int]
    negations: int
    condition: bool
    marks: frozenset[str]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of a text, from `start` on in it."""

    text: str
    start: int
    ideas: Mapping[str, int]
    clauses: tuple[Clause, ...]
    quantities: tuple[Quantity, ...]
    names: tuple[Name, ...]
    contacts: tuple[Contact, ...]
    marks: frozenset[str]
    words: frozenset[str]
    modal: bool
    negated: bool
    question: bool
    fragment: bool

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.start + len(self.text)


def read_statements(text: str) -> list[Statement]:
    """The sentences of a text that say something, code blocks left out."""
    found = []
    for start, sentence in split_sentences(mask_code(text)):
        said = _read(sentence)
        if said.ideas or said.quantities or said.contacts:
            found.append(said if start == said.start else _place(said, start))
    return found


def _place(said: Statement, start: int) -> Statement:
    return Statement(
        said.text, start, said.ideas, said.clauses, said.quantities, said.names, said.contacts, said.marks,
        said.words, said.modal, said.negated, said.question, said.fragment,
    )  # fmt: skip


@lru_cache(maxsize=_CACHED)
def _read(sentence: str) -> Statement:
    """The reading of one sentence, as if it stood at 0. Answers of one batch share many."""
    contacts = tuple(_read_contacts(sentence))
    plain = sentence
    for contact in contacts:
        plain = plain[: contact.start] + " " * (contact.end - contact.start) + plain[contact.end :]
    tokens = tokenise(plain)
    quantities = tuple(read_quantities(plain, tokens))
    counted = {k for q in quantities for k in range(q.start, q.end)}
    words = [token if token.start not in counted else None for token in tokens]
    clauses, quantities = _turn_bounds(plain, list(_read_clauses(tokens, words)), quantities)
    ideas: dict[str, int] = {}
    for clause in clauses:
        for name, side in clause.ideas.items():
            ideas[name] = side if ideas.get(name, side) == side else 0
    lows = frozenset(token.low for token in tokens)
    bare = frozenset(re.sub(r"['’]s?$", "", low) for low in lows)
    return Statement(
        sentence, 0, ideas, clauses, quantities, tuple(_read_names(words)), contacts, lows & _MARKS, bare,
        any(is_modal(low) for low in lows), any(clause.negations for clause in clauses),
        sentence.rstrip("\"'”’) ").endswith("?"), _is_fragment(sentence, tokens),
    )  # fmt: skip


def _is_fragment(sentence: str, tokens: Sequence[Token]) -> bool:
    """Whether a text is no sentence, as in an answer of a word or two: it says something with its question
    only.
    """
    words = [token for token in tokens if token.low[0].isalnum()]
    whole = sentence.rstrip("\"'”’) ").endswith((".", "!", "?", ":", ";"))
    return len(words) < _SENTENCE_WORDS or not (whole or any(token.low in _VERBS for token in tokens))


def _turn_bounds(
    sentence: str, clauses: Sequence[Clause], quantities: Sequence[Quantity]
) -> tuple[tuple[Clause, ...], tuple[Quantity, ...]]:
    """So "no client can pin more than 100" is "at most 100", and denies nothing."""
    turned = list(quantities)
    found = []
    for clause in clauses:
        inside = [k for k, q in enumerate(turned) if clause.start <= q.start < clause.end and q.bound]
        compares = inside and clause.negations % 2 and _COMPARES.search(sentence, clause.start, clause.end)
        if compares:
            for k in inside:
                turned[k] = turned[k]._replace(bound=-turned[k].bound)
        found.append(clause._replace(negations=clause.negations - 1) if compares else clause)
    return tuple(found), tuple(turned)


def _read_contacts(sentence: str) -> Iterator[Contact]:
    if not any(sign in sentence for sign in ".@/") and sum(c.isdecimal() for c in sentence) < _PHONE_DIGITS:
        return
    for match in _CONTACT.finditer(sentence):
        sort: ContactSort = "mail" if match["mail"] else "address" if match["address"] else "phone"
        value = match[0].rstrip(".,;:!?/").lower()
        if sort == "phone":
            value = "".join(c for c in value if c.isdecimal())
            if len(value) < _PHONE_DIGITS or re.fullmatch(r"[\d,.]*|\d{4} ?[-–/] ?\d{4}", match[0].strip()):
                continue  # a number, or a span of years
        if sort == "address":
            value = re.sub(r"^(https?://)?(www\.)?", "", value)
        yield Contact(sort, value, match.start(), match.start() + len(match[0].rstrip(".,;:!?")))


def _read_names(words: Sequence[Token | None]) -> Iterator[Name]:
    """Capitalised words that do not begin the sentence, and identifiers anywhere; headings have none."""
    real = [token for token in words if token is not None and token.text[0].isalpha()]
    capitals = sum(token.text[0].isupper() for token in real)
    title = len(real) > 3 and capitals > 0.6 * len(real)
    for k, token in enumerate(real):
        if not _NAME.fullmatch(token.text) or len(token.text) < 2:
            continue
        coded = any(c.isdecimal() for c in token.text)
        shaped = coded or (not token.text[1:].islower() and not token.text.isupper())
        if not shaped and (k == 0 or title or token.low in FUNCTION_WORDS):
            continue
        yield Name(re.sub(r"['’]s?$", "", token.low), coded, token.start, token.end)


def _read_clauses(tokens: Sequence[Token], words: Sequence[Token | None]) -> Iterator[Clause]:
    """The clauses of a sentence, and apart from them its asides ("without a chime", ", not Larkmoor,")."""
    bounds = [0, *_find_joints(tokens), len(tokens)]
    subject: list[int] = []
    for first, last in pairwise(bounds):
        if first == last:  # a sentence that is an address and nothing else
            continue
        places = list(range(first, last))
        for aside in _find_asides(tokens, first, last):
            inside = range(aside[0], aside[1])
            places = [k for k in places if k not in inside]
            yield from _read_clause(tokens, words, list(inside))
        verb = next((k for k in places if tokens[k].low in _VERBS), last)
        opened = first + (tokens[first].low in {"and", "or", "but"})
        if verb <= opened < last:  # "and cannot be changed": of what the clause before speaks of
            places = subject + places
        else:
            subject = [k for k in places if k < verb] if verb < last else []
        yield from _read_clause(tokens, words, places)


def _read_clause(
    tokens: Sequence[Token], words: Sequence[Token | None], places: Sequence[int]
) -> Iterator[Clause]:
    if not places:
        return
    ideas, negations = _read_ideas([words[k] for k in places])
    lows = [tokens[k].low for k in places]
    while lows and not lows[0][0].isalnum():
        lows.pop(0)
    condition = bool(_CONDITIONS.intersection(lows[:2])) or lows[:2] == ["as", "long"]
    if ideas or negations:
        start, end = tokens[places[0]].start, tokens[places[-1]].end
        yield Clause(ideas, negations, condition, _MARKS.intersection(lows), start, end)


def _find_joints(tokens: Sequence[Token]) -> Iterator[int]:
    """The tokens at which a new clause begins."""
    fronted = bool(tokens) and tokens[0].low in _SUBORDINATORS
    for k in range(1, len(tokens)):
        low, before = tokens[k].low, tokens[k - 1].low
        low, following = _bare(low), _bare(tokens[k + 1].low) if k + 1 < len(tokens) else ""
        if low in _SUBORDINATORS or low in _JOINTS or before in _PARTS:
            yield k
        elif (
            before == ","
            and low not in {"not", "and"}
            and (fronted or low in _OPENERS or (_has_verb(tokens, k) and _says_something(tokens[:k])))
        ):
            fronted = False
            yield k
        elif (
            (
                low in {"and", "or"}
                and (following in _OPENERS or (_has_verb(tokens, k + 1) and _says_something(tokens[:k])))
            )
            or (low == "provided" and following == "that")
            or (low == "as" and following == "long")
        ):
            yield k


def _says_something(tokens: Sequence[Token]) -> bool:
    """Whether a clause is whole already: it has a verb, or somebody who acts."""
    return any(token.low in _VERBS or _bare(token.low) in _ACTORS for token in tokens)


def _bare(word: str) -> str:
    """A word without what is run together with it: "we'll" begins as "we" does."""
    return re.sub(r"['’](ll|re|ve|d|m|s)$", "", word)


def _prefers(tokens: Sequence[Token], k: int) -> bool:
    """Whether "rather than" or "instead of" begins at k: what follows is what is not so."""
    following = tokens[k + 1].low if k + 1 < len(tokens) else ""
    return (tokens[k].low, [following]) in _PREFERS


def _has_verb(tokens: Sequence[Token], k: int) -> bool:
    """Whether a verb follows within a few words, before any other sign."""
    for token in tokens[k : k + _VERB_AHEAD]:
        if not token.low[0].isalnum() or token.low in {"and", "or", "that", "which", "who"}:
            return False
        if token.low in _VERBS:
            return True
    return False


def _find_asides(tokens: Sequence[Token], first: int, last: int) -> Iterator[tuple[int, int]]:
    """From where to where the asides between two tokens go."""
    k = first
    while k < last:
        low = tokens[k].low
        contrast = low == "not" and k > first and tokens[k - 1].low == ","
        if low in _ASIDES or contrast or _prefers(tokens, k):
            end = k + 1
            while end < min(last, k + 1 + _ASIDE_WORDS) and tokens[end].low not in _VERBS | {",", ";", "."}:
                end += 1
            yield k, end
            k = end
        k += 1


def _read_ideas(words: Sequence[Token | None]) -> tuple[dict[str, int], int]:
    ideas: dict[str, int] = {}
    negations = 0
    lows = [token.low if token is not None else "" for token in words]
    for k, low in enumerate(lows):
        if not low or not low[0].isalpha():
            continue
        if is_negator(low) or (low, lows[k + 1 : k + 2]) in _PREFERS:
            negations += not _is_affirmed(lows, k)
            continue
        if low == "on" and k and lows[k - 1] in _POWER:
            name, side = "off", -1
        else:
            idea = read_idea(low)
            if idea is None:
                continue
            name, side = idea
        ideas[name] = side if ideas.get(name, side) == side else 0
    return ideas, negations


def _is_affirmed(lows: Sequence[str], k: int) -> bool:
    """Whether the negator at k denies nothing: "not only", "No, ..." at the beginning."""
    if lows[k] == "no" and k == 0 and lows[1:2] == [","]:
        return True
    return any(
        tuple(lows[k - at : k - at + len(run)]) == run
        for run in _AFFIRMED
        for at in range(len(run))
        if run[at] == lows[k] and k >= at
    )
