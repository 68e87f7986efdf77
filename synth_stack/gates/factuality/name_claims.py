"""Names and contact routes of an answer held against those of the sources."""

from collections.abc import Iterator, Sequence

from synth_stack.gates.factuality.agreement import Agreement
from synth_stack.gates.factuality.claims import FLOOR, Claim, Context
from synth_stack.gates.factuality.passages import Shelf, SourceSentence
from synth_stack.gates.factuality.statements import Contact, Name, Statement
from synth_stack.gates.factuality.word_forms import read_idea

_SWAPPED = 0.7
"""Two sentences say the same of two names where, these aside, each has so much of what the other is about."""
_SWAPPED_COVER, _SWAPPED_HELD = 0.5, 0.75
"""The same for a name that no source has at all: the answer may say more beside it."""


def check_names(
    shelf: Shelf, said: Statement, compared: Sequence[Agreement], context: Context
) -> Iterator[Claim]:
    """Names that no source has, and identifiers in the place of others."""
    for name in said.names:
        if name.low in context.prompt_words:
            continue
        place = said.text[name.start : name.end], name.start, name.end
        unknown = name.low not in shelf.words
        if not unknown and not name.coded:
            continue
        swapped = _find_swapped(shelf, said, name, compared)
        holder = next((a.source for a in compared if name.low in a.source.said.words), None)
        if swapped is not None:
            strength, source, other = swapped
            yield Claim("name", "contradicted", *place, strength, source, other)
        elif unknown:
            yield Claim("name", "not_found", *place, 0.0, None, "")
        elif holder is not None:
            yield Claim("name", "supported", *place, 0.0, holder, place[0])


def _find_swapped(
    shelf: Shelf, said: Statement, name: Name, compared: Sequence[Agreement]
) -> tuple[float, SourceSentence, str] | None:
    """How surely a sentence says just this of another name; that sentence and the other name."""
    for agreement in compared:
        theirs = agreement.source.said
        if name.low in theirs.words:
            return None
        rivals = [n for n in theirs.names if n.coded == name.coded and n.low not in said.words]
        if not rivals:
            continue
        mine = shelf.weigh(said.ideas.keys() - _list_ideas(said, theirs))
        other = shelf.weigh(theirs.ideas.keys() - _list_ideas(theirs, said))
        shared = shelf.weigh(said.ideas.keys() & theirs.ideas.keys())
        least = (_SWAPPED_COVER, _SWAPPED_HELD) if name.low not in shelf.words else (_SWAPPED, _SWAPPED)
        if min(mine, other) and shared / mine >= least[0] and shared / other >= least[1]:
            strength = float((shared / mine * shared / other) ** 0.5)
            return strength, agreement.source, theirs.text[rivals[0].start : rivals[0].end]
    return None


def _list_ideas(said: Statement, other: Statement) -> set[str]:
    """The ideas behind the names that the other sentence does not have."""
    names = (read_idea(name.low) for name in said.names if name.low not in other.words)
    return {idea.name for idea in names if idea is not None}


def check_contacts(
    shelf: Shelf, said: Statement, compared: Sequence[Agreement], context: Context
) -> Iterator[Claim]:
    for contact in said.contacts:
        if contact.value in context.prompt_contacts:
            continue
        place = said.text[contact.start : contact.end], contact.start, contact.end
        if _is_known(contact, shelf):
            holder = next(
                (a.source for a in compared if any(c.value == contact.value for c in a.source.said.contacts)),
                None,
            )
            yield Claim("contact", "supported", *place, 0.0, holder, place[0])
            continue
        yield _find_rival_contact(contact, place, compared)


def _is_known(contact: Contact, shelf: Shelf) -> bool:
    """Whether a source has it, or an address of which it is the beginning."""
    return any(
        (
            contact.sort == other.sort
            and (
                contact.value == other.value
                or (contact.sort == "address" and other.value.startswith(contact.value + "/"))
            )
        )
        or (contact.sort == "address" and other.sort == "mail" and other.value.endswith("@" + contact.value))
        or (contact.sort == other.sort == "phone" and contact.value[-9:] == other.value[-9:])
        for other in shelf.contacts
    )


def _find_rival_contact(
    contact: Contact, place: tuple[str, int, int], compared: Sequence[Agreement]
) -> Claim:
    for agreement in compared:
        rivals = [other for other in agreement.source.said.contacts if other.sort == contact.sort]
        if rivals and agreement.closeness >= FLOOR:
            theirs = agreement.source.said.text[rivals[0].start : rivals[0].end]
            return Claim("contact", "contradicted", *place, agreement.closeness, agreement.source, theirs)
    return Claim("contact", "not_found", *place, 0.0, None, "")
