"""True sentences made false in one way, and said in other words: for canaries and controls.

Nothing here uses how the gate reads a sentence, so that a reading that fails is noticed.
"""

import random
import re
from collections.abc import Mapping
from typing import Protocol

_NUMBER = re.compile(r"(?<![\w.,:/#-])(\d{1,4})(?![\w,:/-]|\.\d)")
_SMALL = "zero one two three four five six seven eight nine ten eleven twelve".split()
_UNITS = {
    "seconds": "hours", "minutes": "days", "hours": "weeks", "days": "months", "weeks": "hours",
    "months": "days", "years": "weeks", "day": "year", "hour": "week", "minute": "day", "month": "hour",
    "year": "day", "cm": "km", "m": "km", "km": "m", "metres": "kilometres", "meters": "kilometers",
    "miles": "feet", "feet": "miles", "kg": "g", "grams": "kilograms", "MB": "GB", "GB": "MB",
    "kilobytes": "gigabytes", "megabytes": "kilobytes", "gigabytes": "kilobytes", "W": "kW",
    "GHz": "MHz", "V": "kV",
}  # fmt: skip
_UNIT = re.compile(rf"(?<=\d )(?:{'|'.join(sorted(_UNITS, key=len, reverse=True))})\b(?! \()")
_DENIALS = (
    (r"\bcannot\b", "can"), (r"\bcan't\b", "can"), (r"\bcan\b", "cannot"), (r"\bmust not\b", "must"),
    (r"\bmay not\b", "may"), (r"\bmay\b", "may not"), (r"\bdo not\b", "do"), (r"\bdon't\b", "do"),
    (r"\bdoes not\b", "does"), (r"\bis not\b", "is"), (r"\bare not\b", "are"), (r"\bwill not\b", "will"),
    (r"\bis\b", "is not"), (r"\bare\b", "are not"), (r"\bwill\b", "will not"),
)  # fmt: skip
_DELICATE = re.compile(
    r"\b(?:if|unless|when|only|until|without|except|nor|neither|no|never|not .* not)\b", re.IGNORECASE
)
_FRONTED = re.compile(r"(?:If|Unless|As long as) [^,;:]{3,80}, (?P<main>[^;:]{15,200})")
_FINAL = re.compile(r"(?P<main>[^;:]{15,200}?),? (?:if|unless|only if|as long as) (?P<rest>[^;:]{3,80})\.?")
_NAME = re.compile(r"(?<=[a-z] )(?:[A-Z][a-z]+[A-Z]?\w*|[A-Z]{1,3}\d{1,2})\b")
_CONTACT = re.compile(
    r"[\w.+-]{1,40}@(?P<mail>[\w-]{1,40})\.|(?:https?://|www\.)(?P<host>[\w-]{1,40})\."
    r"|\b0[\d ]{7,12}(?P<digits>\d{3})\b"
)
_INVENTED = ("Zorvex", "Quillane", "Bramblix", "Tolvaro")
_LEADS = (
    "Just so you know, ", "Thanks for asking: ", "As far as we can tell, ", "To put it simply, ",
    "As my colleagues say, ",
)  # fmt: skip
"""Within the sentence, so that a false one is never an exact copy of its source but for what is false."""
_OPENERS = frozenset(
    "a an the you we it this that these if when each all our your to as only without one no after".split()
)
_SHORTER = {
    "cannot": "can't",
    "do not": "don't",
    "does not": "doesn't",
    "is not": "isn't",
    "are not": "aren't",
    "will not": "won't",
}
_SAME = {
    "14 days": "two weeks", "7 days": "one week", "24 hours": "one day", "60 minutes": "one hour",
    "30 minutes": "half an hour", "12 months": "one year", "48 hours": "two days",
}  # fmt: skip


class Change(Protocol):
    """A sentence to another; None where it does not lend itself to that."""

    def __call__(self, text: str, rng: random.Random) -> str | None: ...


def change_number(text: str, rng: random.Random) -> str | None:
    """The sentence with one of its numbers replaced, never by another of its own."""
    spots = [m for m in _NUMBER.finditer(text) if not re.search(r"[A-Z]\w*[ -]?$", text[: m.start()])]
    if not spots:
        return None
    spot = rng.choice(spots)
    old = int(spot[1])
    others = [n for n in (old * 2 + 1, old * 3, old + 7) if str(n) not in text and n != old]
    return text[: spot.start()] + str(rng.choice(others)) + text[spot.end() :] if others else None


def change_unit(text: str, rng: random.Random) -> str | None:
    """The sentence with one of its units replaced by one of another size."""
    spots = list(_UNIT.finditer(text))
    if not spots:
        return None
    spot = rng.choice(spots)
    return text[: spot.start()] + _UNITS[spot[0]] + text[spot.end() :]


def deny(text: str, rng: random.Random) -> str | None:
    """The sentence with a verb denied, or no longer denied. Sentences that do it in several places are
    left.
    """
    if _DELICATE.search(text):
        return None
    for pattern, new in _DENIALS:
        spots = list(re.finditer(pattern, text))
        if len(spots) == 1:
            return text[: spots[0].start()] + new + text[spots[0].end() :]
    return None


def drop_condition(text: str, rng: random.Random) -> str | None:
    """The sentence without its condition."""
    fronted = _FRONTED.fullmatch(text)
    if fronted:
        return fronted["main"][0].upper() + fronted["main"][1:]
    final = _FINAL.fullmatch(text)
    return f"{final['main']}." if final else None


def invent_name(text: str, rng: random.Random) -> str | None:
    """The sentence with one of its names replaced by a made-up one."""
    spots = list(_NAME.finditer(text))
    if not spots:
        return None
    spot = rng.choice(spots)
    return text.replace(spot[0], rng.choice(_INVENTED))


def change_contact(text: str, rng: random.Random) -> str | None:
    """The sentence with another mailbox, address or number."""
    spot = _CONTACT.search(text)
    if spot is None:
        return None
    group = spot.lastgroup or "mail"
    new = f"{rng.randrange(100, 1000)}" if group == "digits" else rng.choice(_INVENTED).lower()
    return text[: spot.start(group)] + new + text[spot.end(group) :]


def reword(text: str, rng: random.Random) -> str:
    """The sentence in other words: contracted, units and small numbers said otherwise, with a word before
    it.
    """
    for old, new in {**_SHORTER, **_SAME}.items():
        text = re.sub(rf"(?<![\w.,-]){old}\b", new, text)
    text = re.sub(
        r"(?<![\w.,£$€:/-])(\d{1,2})(?= [a-z]{4,})",
        lambda m: _SMALL[int(m[1])] if int(m[1]) < len(_SMALL) else m[1],
        text,
    )
    first, _, rest = text.partition(" ")
    return f"{rng.choice(_LEADS)}{first.lower() if first.lower() in _OPENERS else first} {rest}"


FALSE: Mapping[str, tuple[str, Change]] = {
    "number_changed": ("a number of the source is changed", change_number),
    "unit_changed": ("a unit of the source is changed", change_unit),
    "negated": ("it says the opposite of the source", deny),
    "condition_dropped": ("a condition of the source is left out", drop_condition),
    "invented_name": ("a name of the source is replaced by a made-up one", invent_name),
    "contact_changed": ("it names a contact route that no source has", change_contact),
}
"""Ways to be false, by kind of canary, each with what is wrong in words."""
