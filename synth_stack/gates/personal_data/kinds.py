"""What personal data looks like: each kind found in a text, with its offsets, and without its inventions.

    finder = Finder(regions=("US", "DE"))
    finder.find(content, before="", kinds=("email", "phone"))

A text is first folded: Unicode's other digits, spaces and dashes become the plain ones, and invisible
characters are dropped, so that a number in full-width digits or with zero-width spaces inside is found.
Offsets are those of the text as it came. Every pattern is bounded and anchored: hostile text costs linear
time.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from typing import Literal, get_args

import numpy as np

from synth_stack.gates.personal_data.address_blocks import find_blocks
from synth_stack.gates.personal_data.addresses import find_addresses
from synth_stack.gates.personal_data.emails import find_mailboxes
from synth_stack.gates.personal_data.ip_addresses import find_ips
from synth_stack.gates.personal_data.names import find_birth_dates, find_names
from synth_stack.gates.personal_data.national_ids import NATIONAL_IDS
from synth_stack.gates.personal_data.payment_numbers import find_iban_length, is_card, is_iban
from synth_stack.gates.personal_data.phone_evidence import Evidence, is_desk, weigh
from synth_stack.gates.personal_data.phones import (
    DATE,
    PHONE_DIGITS,
    PHONE_SHAPE,
    is_international,
    is_placeholder,
    read_phone,
)
from synth_stack.gates.personal_data.surroundings import Setting, Surroundings
from synth_stack.text.ragged import Counts

Kind = Literal[
    "secret",
    "iban",
    "card",
    "national_id",
    "email",
    "role_email",
    "ip",
    "address",
    "place",
    "phone",
    "hotline",
    "birth_date",
    "name",
    "mention",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order of precedence: where two overlap, the earlier one is what is written there."""

MAX_FOUND = 1001
"""Values of one kind that are looked for in one text: one more than a copy is made without."""

BEFORE_CHARS = 240
"""How much of the message before is read: what was asked for, and whose shop it was about."""

NEAR_CHARS = 240
_WORD_CHARS = 80
_AFTER_CHARS = 25
_MAX_CUTS = 3
_UNSEEN = {"Cf", "Mn", "Me"}
"""Zero-width characters, and marks that others carry."""

_CARD_SHAPE = re.compile(
    r"(?<![\w.,+-])(?<![A-Za-z]{2}\d\d[ .-])(?<!\d{4}[ .-])"
    r"(?:\d{4}([ .-]?)\d{4}\1\d{4}\1\d{1,4}(?:\1\d{3})?|\d{4}([ .-]?)\d{6}\2\d{4,5})(?![\w-])",
    re.ASCII,
)
_NO_CARD_WORDS = re.compile(
    r"\b(?:order|tracking|parcel|shipment|serial|barcode|imei)(?: (?:number|no|id|code|is))*[ .:#]*$",
    re.IGNORECASE,
)
"""One in thirty numbers of sixteen digits passes for a card: right after such a word it is not one."""

_CARD_WORDS = re.compile(
    r"card|visa|maestro|amex|american express|credit|debit|carte|tarjeta|carta|karte|karta|kaart|\bpan\b"
    r"|payment|\bcc\b",
    re.IGNORECASE,
)
"""In code, logs and tables a bare number of a card's length is a card beside such a word only."""

_IBAN_START = re.compile(r"(?<![^\W_])[A-Za-z]{2} ?\d{2}", re.ASCII)
_SECRETS = re.compile(
    r"(?<![\w-])(?:A[KS]IA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{82}|xox[abprs]-[\w-]{20,100}"
    r"|[sr]k_live_[A-Za-z0-9]{24,100}|AIza[\w-]{35}|glpat-[\w-]{20}|hf_[A-Za-z0-9]{34})(?![\w-])"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class PersonalValue:
    """Where a value stands: its kind, its offsets, what it is in particular (us_ssn), and what is around it;
    never the value.
    """

    kind: Kind
    start: int
    end: int
    detail: str | None = None
    setting: Setting = "prose"


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds personal data in the formats of `regions`; `own` domains and E.164 numbers are the house's."""

    regions: tuple[str, ...]
    own: frozenset[str] = frozenset()

    def find(self, content: str, before: str, kinds: Collection[Kind]) -> list[PersonalValue]:
        """Every value of one of `kinds` in `content`, in order, none overlapping another.

        `before` is the end of what was said before: the question that the content answers. A role_email is
        found with email, a hotline with phone.
        """
        folded, offsets = fold(content)
        around = Surroundings(folded)
        found = [
            value
            for kind, find in _FINDERS.items()
            if kind in kinds
            for value in islice(find(self, folded, before, around), MAX_FOUND)
        ]
        taken = bytearray(len(folded))
        kept: list[PersonalValue] = []
        for one in sorted(found, key=lambda f: (KINDS.index(f.kind), f.start, -f.end)):
            if not any(taken[one.start : one.end]):
                taken[one.start : one.end] = b"\1" * (one.end - one.start)
                kept.append(one)
        kept = [replace(one, setting=around.tell(one.start, one.end)) for one in kept]
        kept.sort(key=lambda f: f.start)
        if offsets is None:
            return kept
        return [
            replace(one, start=int(offsets[one.start]), end=int(offsets[one.end - 1]) + 1) for one in kept
        ]


def fold(text: str) -> tuple[str, Counts | None]:
    """The text in plain digits, spaces, dashes and Latin letters, without invisible characters.

    With it, where each character of the folded text stood, (n,); null when all stand where they stood.
    """
    if text.isascii():
        return text, None
    parts = [_fold_char(c) for c in text]
    folded = "".join(parts)
    if len(folded) == len(text):
        return folded, None
    return folded, np.flatnonzero(np.fromiter(map(bool, parts), dtype=np.bool_, count=len(parts)))


@lru_cache(maxsize=4096)
def _fold_char(char: str) -> str:
    """One character or none, so that offsets can be led back: of several (½ is 1, ⁄, 2) the last."""
    seen = [c for c in unicodedata.normalize("NFKC", char) if unicodedata.category(c) not in _UNSEEN]
    if not seen:
        return ""
    category = unicodedata.category(seen[-1])
    if category == "Nd":
        return str(unicodedata.decimal(seen[-1]))
    if category == "Zs":
        return " "
    return "-" if category == "Pd" or seen[-1] == "\u2212" else seen[-1]


def _find_secrets(_: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for match in _SECRETS.finditer(text):
        if "EXAMPLE" not in match[0]:
            yield PersonalValue("secret", match.start(), match.end())


def _find_ibans(_: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for start in _IBAN_START.finditer(text):
        length = find_iban_length(start[0][:2].upper())
        match = _iban_of(length - 4).match(text, start.start()) if length else None
        if match and is_iban(re.sub("[ .-]", "", match[0]).upper()):
            yield PersonalValue("iban", match.start(), match.end())


@lru_cache
def _iban_of(n: int) -> re.Pattern[str]:
    """An IBAN with n characters after its check digits; small letters only in one run or groups of four."""
    head, groups, rest = r"[A-Za-z]{2} ?\d\d", n // 4, n % 4
    return re.compile(
        rf"(?:{head}(?:[ .-]?[A-Z0-9]){{{n}}}|{head}[A-Za-z0-9]{{{n}}}"
        rf"|[A-Za-z]{{2}}\d\d(?:[ .-][A-Za-z0-9]{{4}}){{{groups}}}[ .-]?[A-Za-z0-9]{{{rest}}})(?!\w)",
        re.ASCII,
    )


def _find_cards(_: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for match in _CARD_SHAPE.finditer(text):
        near, _after = _look_around(text, before, match.start(), match.end())
        if match[0].isdigit() and _NO_CARD_WORDS.search(near):
            continue
        bare = match[0].isdigit() and around.tell(match.start(), match.end()) != "prose"
        if bare and not _CARD_WORDS.search(near):
            continue
        for end in (match.end(), match.start() + len(match[0][:-4].rstrip(" .-"))):
            digits = re.sub("[ .-]", "", text[match.start() : end])
            if is_card(digits) and not is_placeholder(digits):
                yield PersonalValue("card", match.start(), end)
                break


def _find_national_ids(
    finder: Finder, text: str, before: str, around: Surroundings
) -> Iterator[PersonalValue]:
    for one in NATIONAL_IDS:
        if one.region in finder.regions:
            for match in one.shape.finditer(text):
                nearby = _look_around(text, before, match.start(), match.end())
                in_prose = around.tell(match.start(), match.end()) == "prose"
                if one.accepts(match[0], " ".join(nearby), in_prose=in_prose):
                    yield PersonalValue("national_id", match.start(), match.end(), one.name)


def _find_emails(finder: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for start, end, kind in find_mailboxes(text, finder.own, around):
        yield PersonalValue(kind, start, end)


def _find_ips(_: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for start, end in find_ips(text, lambda start, end: _look_around(text, before, start, end)):
        yield PersonalValue("ip", start, end)


def _find_addresses(finder: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for start, end in chain(find_addresses(text, finder.regions), find_blocks(text)):
        yield PersonalValue("place" if is_desk(text, start, end, before) else "address", start, end)


def _find_names(_: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for start, end, kind in find_names(text):
        if around.tell(start, end) in {"prose", "data"}:
            yield PersonalValue(kind, start, end)


def _find_birth_dates(_: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for start, end in find_birth_dates(text):
        yield PersonalValue("birth_date", start, end)


def _find_phones(finder: Finder, text: str, before: str, around: Surroundings) -> Iterator[PersonalValue]:
    for match in PHONE_SHAPE.finditer(text):
        start, end = match.span()
        if DATE.search(match[0]) or _is_in_address(text, start):
            continue
        if text[start] == "(" and ")" not in match[0]:
            start += 1
        evidence = weigh(around, start, end, before)
        if evidence is Evidence.OTHER and is_international(match[0]):
            evidence = Evidence.NONE
        for cut in _cuts(text[start:end]):
            kind = read_phone(text[start : start + cut], evidence, finder.regions, finder.own)
            if kind is not None and kind != "invented":
                yield PersonalValue(
                    "hotline" if is_desk(text, start, end, before) else kind, start, start + cut
                )
            if kind is not None:
                break


def _is_in_address(text: str, start: int) -> bool:
    """Whether a number is a part of a web address, tel: aside: an id, a time, a page."""
    word = text[max(start - NEAR_CHARS, 0) : start].rsplit(None, 1)
    return bool(word) and not text[start - 1 : start].isspace() and ("://" in word[-1] or "www." in word[-1])


def _cuts(written: str) -> list[int]:
    """Where a run of digits may end: at its end, or before its last groups (a year, an extension)."""
    ends = [len(written), *reversed([m.start() for m in re.finditer(r"[ .()/-]+(?=\d)", written)])]
    return [end for end in ends[: _MAX_CUTS + 1] if sum(c.isdigit() for c in written[:end]) >= PHONE_DIGITS]


def _look_around(text: str, before: str, start: int, end: int) -> tuple[str, str]:
    """The text in front (with what was said before, where the text is short) and after."""
    near = text[max(start - _WORD_CHARS, 0) : start]
    return f"{before}\n{near}"[-_WORD_CHARS:], text[end : end + _AFTER_CHARS]


_FINDERS: Mapping[Kind, Callable[[Finder, str, str, Surroundings], Iterator[PersonalValue]]] = {
    "secret": _find_secrets,
    "iban": _find_ibans,
    "card": _find_cards,
    "national_id": _find_national_ids,
    "email": _find_emails,
    "ip": _find_ips,
    "address": _find_addresses,
    "phone": _find_phones,
    "birth_date": _find_birth_dates,
    "name": _find_names,
}
