"""How far a sentence of an answer says the same as one of a source, clause by clause, and with which
polarity.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from synth_stack.gates.factuality.passages import Shelf, SourceSentence
from synth_stack.gates.factuality.statements import Clause, Statement

_SAME_CLAUSE = 0.5
"""Half of what a clause is about stands in the other: fitted on the developing half of
benchmarks/grounding.py, as are the other shares of this file."""
_DELICATE = 0.6
"""What is left of an agreement where one side alone has "only", "except", "until" or the like."""
_MIN_SHARED = 2
"""Of one idea alone ("The answer is no") it cannot be told what is denied."""
_AS_CLOSE = 0.6
_VERBATIM = 0.9
_PLAIN_MARKS = frozenset({"not", "nor", "neither", "without", "both", "than", "rather", "instead", "either"})


class Agreement(NamedTuple):
    """A sentence of a source beside one of an answer.

    `cover` is the share of the answer's ideas, by weight, that the source has, and `held` the share of the
    source's that the answer has. `denied` is how surely the source says the opposite of `clause`, a clause of
    the answer, 0 where it does not; `affirmed` how surely it says the same of clauses, by their number.
    """

    source: SourceSentence
    cover: float
    held: float
    shared: int
    affirmed: Mapping[int, float]
    denied: float
    clause: int

    @property
    def reach(self) -> float:
        """The greater share: an answer may say more than its source in one sentence, and less."""
        return max(self.cover, self.held) if self.shared > 1 else self.cover

    @property
    def closeness(self) -> float:
        """The geometric mean of both shares."""
        return float((self.cover * self.held) ** 0.5)


_Polarity = tuple[Mapping[int, float], float, int]


class _Pair(NamedTuple):
    number: int
    said: Clause
    source: Clause
    shared: frozenset[str]
    closeness: float


def compare(shelf: Shelf, said: Statement, weight: float, source: SourceSentence) -> Agreement | None:
    """How far the two say the same; None where no idea of the answer's, which weigh `weight`, is in the
    source.
    """
    reach = source.reach
    common = [idea for idea in said.ideas if idea in reach]
    if not common:
        return None
    theirs = source.said.ideas
    own = [idea for idea in common if idea in theirs]
    cover = shelf.weigh(common) / weight
    held = shelf.weigh(own) / source.weight if source.weight else 0.0
    polarity: _Polarity = ({}, 0.0, 0)
    if cover >= _SAME_CLAUSE and own and not said.question and not source.said.question:
        polarity = _rate_polarity(shelf, said, source.said, cover)
    return Agreement(source, cover, held, len(common), *polarity)


def cover_clause(shelf: Shelf, clause: Clause, ideas: Collection[str]) -> float:
    """The share of a clause's ideas, by weight, that are among `ideas`."""
    whole = shelf.weigh(clause.ideas)
    return shelf.weigh([idea for idea in clause.ideas if idea in ideas]) / whole if whole else 0.0


def find_clause(said: Statement, start: int) -> Clause | None:
    """The clause in which a place of the sentence stands."""
    return next((clause for clause in said.clauses if clause.start <= start < clause.end), None)


def _rate_polarity(shelf: Shelf, said: Statement, source: Statement, cover: float) -> _Polarity:
    """How surely the two say the same, clause by clause, and how surely the opposite, in which clause.

    They say the opposite where a clause is opposed to the clause of the source that it is closest to, none
    that is about as close agrees with that one, and the two sentences deny a different number of times, odd
    or even. A clause that is denied twice is not judged.
    """
    pairs = [
        pair for pair in _align(shelf, said, source) if max(pair.said.negations, pair.source.negations) <= 1
    ]
    agreeing = [pair for pair in pairs if not _is_opposed(pair)]
    affirmed = {pair.number: float((pair.closeness * cover) ** 0.5) for pair in agreeing}
    opposed = [
        pair
        for pair in pairs
        if len(pair.shared) >= _MIN_SHARED and _is_opposed(pair) and not _is_settled(pair, agreeing)
    ]
    if len(opposed) % 2 == 0:
        return affirmed, 0.0, 0
    worst = max(opposed, key=lambda pair: pair.closeness)
    mine = sum(clause.negations for clause in said.clauses)
    theirs = sum(
        clause.negations
        for clause in source.clauses
        if cover_clause(shelf, clause, said.ideas) >= _SAME_CLAUSE
        or any(pair.source is clause for pair in pairs)
    )
    if not _turns(worst) and (mine - theirs) % 2 == 0:
        return affirmed, 0.0, 0
    closeness = worst.closeness
    unlike = (worst.said.marks ^ worst.source.marks) - _PLAIN_MARKS
    if unlike and not (cover >= _VERBATIM and closeness >= _VERBATIM):
        closeness *= _DELICATE
    return affirmed, float((closeness * cover) ** 0.5), worst.number


def _is_settled(pair: _Pair, agreeing: Sequence[_Pair]) -> bool:
    """Whether another clause of the answer agrees with the clause that this one is opposed to."""
    return any(
        other.source is pair.source and other.closeness >= _AS_CLOSE * pair.closeness for other in agreeing
    )


def _align(shelf: Shelf, said: Statement, source: Statement) -> Iterator[_Pair]:
    """Each clause of the answer's sentence with the clause of the source that it is closest to."""
    for number, clause in enumerate(said.clauses):
        best: _Pair | None = None
        for other in source.clauses:
            shared = frozenset(clause.ideas).intersection(other.ideas)
            if not shared or (len(shared) == 1 and len(clause.ideas) > 1 and len(other.ideas) > 1):
                continue
            weight = shelf.weigh(shared)
            mine, theirs = weight / shelf.weigh(clause.ideas), weight / shelf.weigh(other.ideas)
            closeness = float((mine * theirs) ** 0.5)
            if mine >= _SAME_CLAUSE and (best is None or closeness > best.closeness):
                best = _Pair(number, clause, other, shared, closeness)
        if best is not None:
            yield best


def _is_opposed(pair: _Pair) -> bool:
    return bool((pair.said.negations + pair.source.negations) % 2) != _turns(pair)


def _turns(pair: _Pair) -> bool:
    """Whether an odd number of words of one clause stands for the opposite of those of the other."""
    side = 1
    for idea in pair.shared:
        side *= pair.said.ideas[idea] * pair.source.ideas[idea] or 1
    return side < 0
