"""All claims of a sentence: its numbers, names and contact routes, and what it says as a whole."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from synth_stack.gates.factuality.agreement import Agreement, compare, cover_clause
from synth_stack.gates.factuality.claims import FLOOR, SUPPORTED_COVER, UNFOUND_COVER, Claim, Context
from synth_stack.gates.factuality.name_claims import check_contacts, check_names
from synth_stack.gates.factuality.number_claims import check_numbers
from synth_stack.gates.factuality.passages import Shelf, SourceSentence
from synth_stack.gates.factuality.statements import Statement

_CONDITION_COVER = 0.6
_CONDITION_KEPT = 0.8
_CONDITION_MENTIONED = 0.34
_SAME_SENTENCE = 0.8
_FIRST_PERSON = frozenset({"i", "i'm", "i'd", "i'll", "i've", "i’m", "i’d", "i’ll", "i’ve"})
"""Who says "I'd be happy to help", or announces a list, promises nothing that a source could bear out."""
_AS_SURE = 0.95
_MIN_SHARED = 2


def check_statement(
    shelf: Shelf, said: Statement, candidates: Sequence[SourceSentence], context: Context
) -> list[Claim]:
    """Every checkable claim of a sentence, in the order of its kinds; none for a sentence without any."""
    if said.fragment:
        said = replace(said, ideas=dict.fromkeys(context.query_ideas, 1) | dict(said.ideas))
    weight = shelf.weigh(said.ideas)
    found = [compare(shelf, said, weight, source) for source in candidates]
    compared = [agreement for agreement in found if agreement is not None]
    compared.sort(key=lambda agreement: -agreement.cover)  # stable: of equals the better found comes first
    claims = list(check_numbers(shelf, said, compared, context))
    claims += check_names(shelf, said, compared, context)
    claims += check_contacts(shelf, said, compared, context)
    if said.fragment:
        return claims
    polarity = _check_polarity(said, compared, context)
    if polarity is not None:
        borne_out = any(claim.sort == "number" and claim.standing == "supported" for claim in claims)
        if borne_out and polarity.standing == "not_found":  # a part of it is found
            polarity = polarity._replace(standing="in_doubt")
        claims.append(polarity)
    if not any(claim.standing == "contradicted" for claim in claims):
        claims += _check_condition(shelf, said, compared, context)
    return claims


def _check_polarity(said: Statement, compared: Sequence[Agreement], context: Context) -> Claim | None:
    """What the sentence says as a whole: borne out, denied or spoken of nowhere.

    A plain sentence that no source speaks of claims nothing that is known here: None.
    """
    if said.question or not said.ideas:
        return None
    place = said.text, 0, len(said.text)
    best = max(compared, key=lambda a: (a.cover * max(a.held, 0.05), a.reach), default=None)
    talk = not _FIRST_PERSON.isdisjoint(said.words) or said.text.endswith(":")
    firm = bool(said.quantities) or ((said.modal or said.negated) and not talk)
    if best is None or best.reach < UNFOUND_COVER:
        return Claim("statement", "not_found", *place, 0.0, None, "") if firm else None
    denied = max(compared, key=lambda a: a.denied)
    if denied.denied >= FLOOR:
        agreeing = [a for a in compared if a.affirmed.get(denied.clause, 0.0) >= _AS_SURE * denied.denied]
        if not agreeing:
            return Claim(
                "polarity", "contradicted", *place, denied.denied, denied.source, denied.source.said.text
            )
        if min(agreeing[0].closeness, denied.closeness) >= _SAME_SENTENCE and (
            agreeing[0].source.passage.id != denied.source.passage.id
        ):
            return Claim("polarity", "in_doubt", *place, 0.0, agreeing[0].source, "", denied.source)
        best = agreeing[0]
    if best.reach >= SUPPORTED_COVER:
        return Claim("statement", "supported", *place, 0.0, best.source, best.source.said.text)
    return Claim("statement", "in_doubt", *place, 0.0, best.source, "") if firm else None


def _check_condition(
    shelf: Shelf, said: Statement, compared: Sequence[Agreement], context: Context
) -> Iterator[Claim]:
    """A promise whose condition in the source the whole answer leaves out."""
    if said.question or not said.ideas or any(clause.condition for clause in said.clauses):
        return
    known = context.prompt_ideas | context.answer_ideas
    for agreement in compared:
        theirs = agreement.source.said
        conditions = [clause for clause in theirs.clauses if clause.condition and clause.ideas]
        if agreement.cover < _CONDITION_COVER or agreement.shared < _MIN_SHARED or not conditions:
            continue
        main = [clause for clause in theirs.clauses if not clause.condition]
        kept = max((cover_clause(shelf, clause, said.ideas) for clause in main), default=0.0)
        for clause in conditions:
            if kept >= _CONDITION_KEPT and cover_clause(shelf, clause, known) < _CONDITION_MENTIONED:
                dropped = theirs.text[clause.start : clause.end]
                strength = float((agreement.cover * kept) ** 0.5)
                yield Claim(
                    "condition",
                    "contradicted",
                    said.text,
                    0,
                    len(said.text),
                    strength,
                    agreement.source,
                    dropped,
                )
                return
