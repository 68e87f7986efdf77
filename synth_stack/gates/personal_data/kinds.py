"""What personal data looks like: each kind found in a text, with its offsets, and without its inventions.

    finder = Finder(regions=("US", "DE"))
    finder.find(content, before="", kinds=("email", "phone"))

A text is first folded: Unicode's other digits, spaces and dashes become the plain ones, and invisible
characters are dropped, so that a number in full-width digits or with zero-width spaces inside is found.
Offsets are those of the text as it came. Every pattern is bounded and anchored: hostile text costs linear
time.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Literal, get_args

import numpy as np

from synth_stack.gates.personal_data.addresses import find_addresses
from synth_stack.gates.personal_data.emails import find_mailboxes
from synth_stack.gates.personal_data.national_ids import NATIONAL_IDS
from synth_stack.gates.personal_data.payment_numbers import find_iban_length, is_card, is_iban
from synth_stack.gates.personal_data.phones import (
    DATE,
    PHONE_DIGITS,
    PHONE_SHAPE,
    is_placeholder,
    read_phone,
    weigh_words,
)
from synth_stack.text.ragged import Counts

Kind = Literal[
    "secret", "iban", "card", "national_id", "email", "role_email", "ip", "address", "phone", "hotline"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order of precedence: where two overlap, the earlier one is what is written there."""

MAX_FOUND = 1001
"""Values of one kind that are looked for in one text: one more than a copy is made without."""

BEFORE_CHARS = 80
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

_IBAN_START = re.compile(r"(?<![^\W_])[A-Za-z]{2} ?\d{2}", re.ASCII)
_IP4 = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)", re.ASCII)
_IP6 = re.compile(r"(?<![\w:.])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}(?![\w:])", re.ASCII)
_IP_WORDS = re.compile(
    r"\b(?:ips?|ipv[46]|address|adresse|server|host|ping|dns|gateway|log(?:ged|in|s)?|sign(?:ed)?[ -]in"
    r"|connect\w*|session|firewall|vpn|router|ssh|proxy|subnet|client|remote)\b",
    re.IGNORECASE,
)
_VERSION_WORDS = re.compile(
    r"\b(?:v|ver|version|release|build|firmware|patch|update|section|chapter|figure|table|clause)\.?[ :]*$",
    re.IGNORECASE,
)
_PUBLIC_IPS = frozenset(
    "1.2.3.4 1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220"
    " 2001:4860:4860::8888 2001:4860:4860::8844 2606:4700:4700::1111 2620:fe::fe".split()
)
"""Public resolvers, and the address that people type when any address will do."""

_SECRETS = re.compile(
    r"(?<![\w-])(?:A[KS]IA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{82}|xox[abprs]-[\w-]{20,100}"
    r"|[sr]k_live_[A-Za-z0-9]{24,100}|AIza[\w-]{35}|glpat-[\w-]{20}|hf_[A-Za-z0-9]{34})(?![\w-])"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class PersonalValue:
    """Where a value stands: its kind, what it is in particular (us_ssn), and its offsets; never the value."""

    kind: Kind
    start: int
    end: int
    detail: str | None = None


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
        found = [
            value
            for kind, find in _FINDERS.items()
            if kind in kinds
            for value in islice(find(self, folded, before), MAX_FOUND)
        ]
        taken = bytearray(len(folded))
        kept: list[PersonalValue] = []
        for one in sorted(found, key=lambda f: (KINDS.index(f.kind), f.start, -f.end)):
            if not any(taken[one.start : one.end]):
                taken[one.start : one.end] = b"\1" * (one.end - one.start)
                kept.append(one)
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


def _find_secrets(_: Finder, text: str, before: str) -> Iterator[PersonalValue]:
    for match in _SECRETS.finditer(text):
        if "EXAMPLE" not in match[0]:
            yield PersonalValue("secret", match.start(), match.end())


def _find_ibans(_: Finder, text: str, before: str) -> Iterator[PersonalValue]:
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


def _find_cards(_: Finder, text: str, before: str) -> Iterator[PersonalValue]:
    for match in _CARD_SHAPE.finditer(text):
        near, _after = _look_around(text, before, match.start(), match.end())
        if match[0].isdigit() and _NO_CARD_WORDS.search(near):
            continue
        for end in (match.end(), match.start() + len(match[0][:-4].rstrip(" .-"))):
            digits = re.sub("[ .-]", "", text[match.start() : end])
            if is_card(digits) and not is_placeholder(digits):
                yield PersonalValue("card", match.start(), end)
                break


def _find_national_ids(finder: Finder, text: str, before: str) -> Iterator[PersonalValue]:
    for one in NATIONAL_IDS:
        if one.region in finder.regions:
            for match in one.shape.finditer(text):
                nearby = _look_around(text, before, match.start(), match.end())
                if one.accepts(match[0], " ".join(nearby)):
                    yield PersonalValue("national_id", match.start(), match.end(), one.name)


def _find_emails(finder: Finder, text: str, before: str) -> Iterator[PersonalValue]:
    for start, end, kind in find_mailboxes(text, finder.own):
        yield PersonalValue(kind, start, end)


def _find_ips(_: Finder, text: str, before: str) -> Iterator[PersonalValue]:
    for match in _IP4.finditer(text):
        address = _read_ip(match[0])
        if address is not None and _is_meant(
            match[0], *_look_around(text, before, match.start(), match.end())
        ):
            yield PersonalValue("ip", match.start(), match.end())
    for match in _IP6.finditer(text):
        if _read_ip(match[0]) is not None:
            yield PersonalValue("ip", match.start(), match.end())


def _read_ip(written: str) -> str | None:
    """The address, if it is one that a host on the Internet can have and that is no well-known one.

    Private, loopback, documentation and other reserved ranges (RFC 1918, 5737, 3849, 6890) belong to no one.
    """
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    public = address.is_global and not address.is_multicast
    known = str(address) in _PUBLIC_IPS or is_placeholder(written.replace(".", ""))
    return str(address) if public and not known else None


def _is_meant(written: str, before: str, after: str) -> bool:
    """An address rather than a version: by the word before it, else by numbers that no version has."""
    version = _VERSION_WORDS.search(before)
    if version is not None or _IP_WORDS.search(before) or _IP_WORDS.search(after):
        return version is None
    return sum(int(part) > 31 for part in written.split(".")) >= 2


def _find_addresses(finder: Finder, text: str, before: str) -> Iterator[PersonalValue]:
    for start, end in find_addresses(text, finder.regions):
        yield PersonalValue("address", start, end)


def _find_phones(finder: Finder, text: str, before: str) -> Iterator[PersonalValue]:
    for match in PHONE_SHAPE.finditer(text):
        if DATE.search(match[0]):
            continue
        start, end = match.span()
        if text[start] == "(" and ")" not in match[0]:
            start += 1
        words = weigh_words(*_look_around(text, before, start, end))
        for cut in _cuts(text[start:end]):
            kind = read_phone(text[start : start + cut], words, finder.regions, finder.own)
            if kind is not None and kind != "invented":
                yield PersonalValue(kind, start, start + cut)
            if kind is not None:
                break


def _cuts(written: str) -> list[int]:
    """Where a run of digits may end: at its end, or before its last groups (a year, an extension)."""
    ends = [len(written), *reversed([m.start() for m in re.finditer(r"[ .()/-]+(?=\d)", written)])]
    return [end for end in ends[: _MAX_CUTS + 1] if sum(c.isdigit() for c in written[:end]) >= PHONE_DIGITS]


def _look_around(text: str, before: str, start: int, end: int) -> tuple[str, str]:
    """The text in front (with what was said before, where the text is short) and after."""
    near = text[max(start - BEFORE_CHARS, 0) : start]
    return f"{before}\n{near}"[-BEFORE_CHARS:], text[end : end + _AFTER_CHARS]


_FINDERS: Mapping[Kind, Callable[[Finder, str, str], Iterator[PersonalValue]]] = {
    "secret": _find_secrets,
    "iban": _find_ibans,
    "card": _find_cards,
    "national_id": _find_national_ids,
    "email": _find_emails,
    "ip": _find_ips,
    "address": _find_addresses,
    "phone": _find_phones,
}
