"""Numbers of an answer held against those of the sources."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from synth_stack.gates.factuality.agreement import Agreement, cover_clause, find_clause
from synth_stack.gates.factuality.claims import FLOOR, UNFOUND_COVER, Claim, Context, Sort
from synth_stack.gates.factuality.passages import Shelf
from synth_stack.gates.factuality.quantities import Quantity
from synth_stack.gates.factuality.statements import Statement
from synth_stack.gates.factuality.units import UNITS

_ELSEWHERE = 0.7
"""A number that stands in a sentence of so much less cover than one with another number is not borne out."""
_OTHER_COUNT = 0.6
"""What a sentence with the same number of something else counts for."""
_FRAGMENT_COVER = 0.2
"""An answer of a number alone is compared by its question, which has its own words for what it asks."""
_CLAUSE_ALONE = 0.45
"""What a sentence with the number counts for that has the clause around it, and little of the rest."""
_RIVAL_COVER = 0.3
_SAME_SENTENCE = 0.8
_MIN_SHARED = 2


class _Conflict(NamedTuple):
    """A sentence with another number, how surely that stands in the place of the answer's, and the number."""

    agreement: Agreement
    strength: float
    other: Quantity


def check_numbers(
    shelf: Shelf, said: Statement, compared: Sequence[Agreement], context: Context
) -> Iterator[Claim]:
    """A claim for each number of the sentence that is not the question's own."""
    for quantity in said.quantities:
        if not any(quantity.equals(other) for other in context.prompt_quantities):
            yield _check_number(shelf, said, quantity, compared, context)


def _check_number(
    shelf: Shelf, said: Statement, quantity: Quantity, compared: Sequence[Agreement], context: Context
) -> Claim:
    support, borne = _find_equal(shelf, said, quantity, compared)
    conflict = _find_conflict(shelf, said, quantity, compared, context)
    place = said.text[quantity.start : quantity.end], quantity.start, quantity.end
    if support is not None and conflict is not None:
        apart = support.source.passage.id != conflict.agreement.source.passage.id
        if apart and min(support.closeness, conflict.agreement.closeness) >= _SAME_SENTENCE:
            against = conflict.agreement.source
            return Claim("number", "in_doubt", *place, 0.0, support.source, "", against)
        same = conflict.agreement is support  # two numbers of one sentence: one of them is wrong
        if not same and borne >= _ELSEWHERE * conflict.agreement.cover:
            conflict = None
    if conflict is not None and conflict.strength >= FLOOR:
        sort: Sort = "unit" if _is_unit_change(quantity, conflict.other) else "number"
        source = conflict.agreement.source
        theirs = source.said.text[conflict.other.start : conflict.other.end]
        return Claim(sort, "contradicted", *place, conflict.strength, source, theirs)
    if support is not None:
        return Claim("number", "supported", *place, 0.0, support.source, place[0])
    return Claim("number", "not_found", *place, 0.0, None, "")


def _find_equal(
    shelf: Shelf, said: Statement, quantity: Quantity, compared: Sequence[Agreement]
) -> tuple[Agreement | None, float]:
    """The sentence that most surely has the number, and how much of the claim it covers."""
    clause = find_clause(said, quantity.start)
    best: tuple[Agreement | None, float] = (None, 0.0)
    for agreement in compared:
        for other in agreement.source.said.quantities:
            if not _bears_out(quantity, other):
                continue
            apart = quantity.dimension == "count" and not quantity.ideas & other.ideas
            least = _FRAGMENT_COVER if said.fragment else UNFOUND_COVER
            cover = agreement.reach if agreement.reach >= least else 0.0
            if clause is not None and clause.ideas and quantity.dimension == other.dimension and not apart:
                near = cover_clause(shelf, clause, agreement.source.reach)
                cover = max(cover, _CLAUSE_ALONE * near if near >= FLOOR else 0.0)
            cover *= _OTHER_COUNT if apart else 1.0
            if cover > best[1]:
                best = (agreement, cover)
    return best


def _bears_out(quantity: Quantity, other: Quantity) -> bool:
    if quantity.bound * other.bound < 0:
        return False
    loose = {"count", "year"}
    if quantity.dimension in loose and other.dimension in loose:
        return quantity.low in {other.low, other.high} or quantity.high in {other.low, other.high}
    return quantity.equals(other)


def _find_conflict(
    shelf: Shelf, said: Statement, quantity: Quantity, compared: Sequence[Agreement], context: Context
) -> "_Conflict | None":
    """The sentence that most surely has another number in this one's place."""
    if _is_worked_out(said):
        return None
    clause = find_clause(said, quantity.start)
    known = context.prompt_ideas.union(said.ideas)
    best: _Conflict | None = None
    for agreement in compared:
        misplaced = _find_misplaced(said, quantity, agreement)
        if misplaced is not None and (best is None or agreement.closeness > best.strength):
            best = _Conflict(agreement, agreement.closeness, misplaced)
        if not _may_conflict(agreement, quantity):
            continue
        cover = agreement.cover
        if clause is not None and len(clause.ideas) >= _MIN_SHARED:
            cover = (cover * cover_clause(shelf, clause, agreement.source.reach)) ** 0.5
        for other in agreement.source.said.quantities:
            # what the answer says too is not in this number's place
            if any(_bears_out(mine, other) for mine in said.quantities):
                continue
            if not _is_rival(quantity, other, agreement, said):
                continue
            around = find_clause(agreement.source.said, other.start)
            near = cover_clause(shelf, around, known) if around is not None else agreement.held
            strength = float((cover * max(near, agreement.held)) ** 0.5)
            if best is None or strength > best.strength:
                best = _Conflict(agreement, strength, other)
    return best


def _find_misplaced(said: Statement, quantity: Quantity, agreement: Agreement) -> Quantity | None:
    """The number of a nearly equal sentence that is missing in this one and stands at the place of
    `quantity`.

    "Four on iOS and four on Android" has no number that "four on iOS and six on Android" does not have.
    """
    mine = [q for q in said.quantities if q.dimension == quantity.dimension]
    theirs = [q for q in agreement.source.said.quantities if q.dimension == quantity.dimension]
    if agreement.closeness < _SAME_SENTENCE or len(mine) != len(theirs) or len(mine) < 2:
        return None
    other = theirs[mine.index(quantity)]
    return None if any(_bears_out(each, other) for each in mine) else other


def _may_conflict(agreement: Agreement, quantity: Quantity) -> bool:
    """Whether a sentence speaks of the same and has numbers, none of them this one."""
    theirs = agreement.source.said.quantities
    if agreement.cover < _RIVAL_COVER or not theirs:
        return False
    if agreement.shared < _MIN_SHARED and agreement.cover < 1:
        return False
    return not any(_bears_out(quantity, other) for other in theirs)


def _is_rival(quantity: Quantity, other: Quantity, agreement: Agreement, said: Statement) -> bool:
    """Whether the two numbers cannot both be true of one thing."""
    if quantity.dimension == other.dimension:
        if quantity.dimension != "count":
            return True
        if quantity.ideas & other.ideas:
            return True
        alone = sum(q.dimension == "count" for q in said.quantities) == 1 and (
            sum(q.dimension == "count" for q in agreement.source.said.quantities) == 1
        )
        return alone and agreement.cover >= _SAME_SENTENCE
    money = quantity.dimension.startswith("money") and other.dimension.startswith("money")
    return _is_unit_change(quantity, other) or (
        money and agreement.cover >= _SAME_SENTENCE and _alone(agreement)
    )


def _alone(agreement: Agreement) -> bool:
    return len(agreement.source.said.quantities) == 1


def _is_unit_change(quantity: Quantity, other: Quantity) -> bool:
    """Whether the two are one number with different units: "15 cm" and "15 inches", "£40" and "$40"."""
    if not quantity.unit or not other.unit or quantity.unit == other.unit:
        return False
    return _read_face(quantity) == _read_face(other) and not quantity.equals(other)


def _read_face(quantity: Quantity) -> float | None:
    """The number as it was said, before it was brought to base units."""
    known = UNITS.get(quantity.unit)
    return None if known is None else round(quantity.high / known[1], 6)


def _is_worked_out(said: Statement) -> bool:
    """Whether a sentence reckons: its results stand in no source."""
    return bool(said.words & {"=", "×", "total", "altogether", "sum", "minus", "multiply", "divided"})
