"""What a sentence of an answer claims, and how it stands to the sources."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from synth_stack.gates.factuality.passages import SourceSentence
from synth_stack.gates.factuality.quantities import Quantity

Standing = Literal["supported", "contradicted", "not_found", "in_doubt"]
Sort = Literal["number", "unit", "polarity", "name", "condition", "contact", "statement"]

FLOOR = 0.5
"""Below it two sentences do not speak of the same: no contradiction is told, and none is stored for
replay."""
SUPPORTED_COVER = 0.55
"""From this share of its ideas on a sentence is borne out by one of a source. This, and the shares below,
were fitted on the developing half of benchmarks/grounding.py."""
UNFOUND_COVER = 0.4
"""Below it nothing in the sources speaks of what is claimed; between the two a rule cannot tell."""


class Claim(NamedTuple):
    """A claim with its standing: where it is in the sentence, and the sentence of a source that decides.

    `strength` says how surely it is contradicted, from 0 to 1; `said` what the source has in its place.
    """

    sort: Sort
    standing: Standing
    text: str
    start: int
    end: int
    strength: float
    source: SourceSentence | None
    said: str
    against: SourceSentence | None = None
    """Another source that says the opposite as clearly: the sources disagree."""


@dataclass(frozen=True, slots=True)
class Context:
    """What else is known when a sentence is checked: ideas, words and numbers of the question and the
    answer.
    """

    prompt_ideas: frozenset[str]
    query_ideas: frozenset[str]
    prompt_words: frozenset[str]
    prompt_quantities: tuple[Quantity, ...]
    prompt_contacts: frozenset[str]
    answer_ideas: frozenset[str]
