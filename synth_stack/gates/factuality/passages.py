"""Passages of sources and their sentences, numbered for retrieval."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple

from synth_stack.gates.factuality.statements import Contact, Statement, read_statements
from synth_stack.inputs.source_texts import SourcePassage


class SourceSentence(NamedTuple):
    """A sentence of a passage; `reach` are its ideas with those of the passage's title, `weight` what its own
    ideas weigh together.
    """

    passage: SourcePassage
    said: Statement
    reach: frozenset[str]
    weight: float


@dataclass(frozen=True, slots=True)
class Shelf:
    """Sentences to compare with, what they have in common, and the weight of an idea among them.

    `words` are all words in lower case, `contacts` all ways to reach somebody.
    """

    sentences: Sequence[SourceSentence]
    words: frozenset[str]
    contacts: frozenset[Contact]
    weights: Mapping[str, float]
    unknown: float

    def weigh(self, ideas: Iterable[str]) -> float:
        """The sum of the weights of ideas; one that no source has weighs as much as the rarest."""
        get, unknown = self.weights.get, self.unknown
        return sum([get(idea, unknown) for idea in ideas])  # a list: a generator takes twice as long


def build_shelf(passages: Iterable[SourcePassage]) -> Shelf:
    """The sentences of passages, with inverse document frequencies (Robertson & Zaragoza 2009, eq. 3.2)."""
    parts: list[tuple[SourcePassage, Statement, frozenset[str]]] = []
    words: set[str] = set()
    contacts: set[Contact] = set()
    for passage in passages:
        titles = read_statements(passage.title)
        heading = {idea for title in titles for idea in title.ideas}
        words.update(*(title.words for title in titles))
        for said in read_statements(passage.text):
            parts.append((passage, said, frozenset(heading.union(said.ideas))))
            words |= said.words
            contacts |= {contact._replace(start=0, end=0) for contact in said.contacts}
    counts = Counter(idea for _, said, _ in parts for idea in said.ideas)
    weights = {idea: log(1 + (len(parts) - n + 0.5) / (n + 0.5)) for idea, n in counts.items()}
    sentences = [SourceSentence(*part, sum(weights[idea] for idea in part[1].ideas)) for part in parts]
    return Shelf(
        sentences, frozenset(words), frozenset(contacts), weights, max(weights.values(), default=1.0)
    )
