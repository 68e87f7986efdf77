"""Telephone numbers: which run of digits is one, and whether a person can own it.

What is a valid number of a country is phonenumbers' business (Google's libphonenumber, the numbering plans
of every country). What it cannot know is whether a run of digits was meant as a number at all: an order
number of ten digits is a valid American line three times in five. That is read from how it is written, and
from the words before it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from synth_stack.gates.personal_data.phone_evidence import Evidence

Phone = Literal["phone", "hotline", "invented"]
"""A person's line, one that no person can have (0800), or one kept for fiction or belonging to the house."""

PHONE_DIGITS = 7
"""Fewer are an extension, or a local number that cannot be called from outside its town."""

PHONE_SHAPE = re.compile(
    r"(?<![\w,/#$€£&+(<*=^-])(?<!\d\.)(?<!\d:)(?<!0x)(?:\+ ?)?\(?\d(?:[ ().\-/]{0,2}\d){6,16}"
    r"(?: ?(?:x|ext\.?) ?\d{1,5})?(?!\w)(?![.,]\d| ?[%:@=*^<>]\d?| {0,2}[-+/×÷] {0,2}\d)",
    re.ASCII,
)
_EXTENSION = re.compile(r" ?(?:x|ext\.?) ?\d{1,5}$", re.ASCII)
_NORTH_AMERICAN = re.compile(
    r"(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?[2-9]\d\d[-. ]|[2-9]\d\d-[2-9]\d\d-|[2-9]\d\d\.[2-9]\d\d\.)\d{4}",
    re.ASCII,
)
DATE = re.compile(
    r"(?<![\d./-])(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d\d|(?:19"
    r"|20)\d\d[./-]\d{1,2}[./-]\d{1,2})(?![\d./-])",
    re.ASCII,
)
_ALONE_DIGITS = 9
"""Fewer digits with a 0 in front, and no word that says telephone, are as often opening hours."""

_AMOUNT = re.compile(r"\d{1,3}(?:([ .])\d{3})(?:\1\d{3})*")
_GROUPED_DIGITS = (7, 12)
"""Digits of a number that is announced and written in groups, whatever country's it is (ITU-T E.164: at most
15).
"""

_CONSTANTS = frozenset(
    "2147483647 2147483648 4294967295 4294967296 2166136261 16777619 3735928559 2654435761 1103515245"
    " 1000000007"
    " 1000000009 998244353 1812433253 1664525 1013904223 6364136223846793005 9223372036854775807 2038074743"
    " 3141592653 31415926535 2718281828 1414213562 1618033988 1732050807".split()
)
"""Limits of integers, constants of hash functions and random generators, moduli, and the digits of π, e, √2,
φ, √3: valid lines of somewhere, and never meant as such."""

_FICTIONAL = re.compile(
    r"\+(?:1\d{3}555\d{4}"  # NANPA: 555-0100 to 555-0199 are for fiction, the rest of 555 has no lines
    # Ofcom, "Telephone numbers for use in TV and radio drama programmes"
    r"|44(?:1632960|7700900|3069990|8081570|2079460|2920180|2896496|1914980|9098790)\d+"
    r"|441(?:1[3-8]|[2-6]1)4960\d+"
    # Bundesnetzagentur, Mitteilung 148/2021, "Drama Numbers"
    r"|49(?:3023125|6990009|4066969|2214710|8999998)\d{3}|49(?:17139200|176040690)\d\d|4915228817386"
    # Arcep, décision 2018-0881, 2.5.12: numéros pour les œuvres audiovisuelles
    r"|33(?:19900|26191|35301|46571|53649|63998)\d{4})"
)
_PRECEDENCE: tuple[Phone, ...] = ("invented", "phone", "hotline")
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}", re.ASCII)
_RUNS = tuple(run[k : k + 7] for run in ("0123456789" * 2, "9876543210" * 2) for k in range(10))
_EQUAL = re.compile(r"(\d)\1{6}", re.ASCII)


_LOCALE = re.compile(r"([A-Za-z]{2})(?:[-_]([A-Za-z]{2}))?")
_MAIN_REGIONS = {
    "en": ("US", "GB"),
    "cs": ("CZ",),
    "da": ("DK",),
    "el": ("GR",),
    "et": ("EE",),
    "ja": ("JP",),
    "ko": ("KR",),
    "sl": ("SI",),
    "sv": ("SE",),
    "uk": ("UA",),
    "zh": ("CN",),
}
"""Where a language without a country is spoken, unless the country has the language's own two letters."""


def find_regions(locale: str) -> tuple[str, ...]:
    """The countries (ISO 3166) that a locale such as de, de-AT or en_GB speaks of; none for others."""
    from phonenumbers import SUPPORTED_REGIONS

    parts = _LOCALE.fullmatch(locale)
    if parts is None:
        return ()
    language = parts[1].lower()
    regions = (parts[2].upper(),) if parts[2] else _MAIN_REGIONS.get(language, (language.upper(),))
    return tuple(region for region in regions if region in SUPPORTED_REGIONS)


def is_placeholder(digits: str) -> bool:
    """Whether it is typed without thought: seven digits in sequence or seven times the same.

    Such numbers are not issued; 0123456789 and 030 1234567 are what people invent.
    """
    return any(run in digits for run in _RUNS) or _EQUAL.search(digits) is not None


def read_phone(written: str, evidence: Evidence, regions: Sequence[str], own: frozenset[str]) -> Phone | None:
    """What `written` is, null for no telephone number.

    `regions` (ISO 3166) whose national formats count, `own` numbers (E.164) that belong to the house. What
    words say of another number is none. With a plus sign it has to be valid. In a national format that
    nothing announces it has to be written as that country writes it, and be valid there; announced, it has
    to be valid in one of the regions, or written in groups, or valid somewhere.
    """
    bare = _EXTENSION.sub("", written)
    digits = re.sub(r"\D", "", bare)
    if evidence is Evidence.OTHER or digits in _CONSTANTS:
        return None
    abroad = written[0] == "+"
    if is_placeholder(digits) or (not abroad and _is_fictional(digits)):
        return "invented"
    if abroad or (digits.startswith("00") and (evidence > Evidence.NONE or _count_groups(bare) > 2)):
        return _classify(f"+{digits.removeprefix('00')}", None, own)
    if evidence is not Evidence.ANNOUNCED and not _is_written_as_phone(bare, digits, evidence):
        return None
    home = [region for region in regions if digits[0] == "0" or not _dials_0(region)]
    if evidence is Evidence.NONE:
        home = [region for region in home if _is_national_form(bare, digits, region)]
    found = {_classify(digits, region, own) for region in home}
    named = next((phone for phone in _PRECEDENCE if phone in found), None)
    if named is None and evidence is Evidence.ANNOUNCED:
        return _read_elsewhere(bare, digits)
    return named


def is_international(written: str) -> bool:
    """Whether it has a plus and three groups or more: nothing else is written so, whatever stands around
    it.
    """
    return written[0] == "+" and _count_groups(written) > 2


def _read_elsewhere(written: str, digits: str) -> Phone | None:
    """What an announced number is that is valid in none of the regions: written in groups, or valid
    somewhere.
    """
    groups = [len(group) for group in re.findall(r"\d+", written)]
    low, high = _GROUPED_DIGITS
    if len(groups) > 1 and min(groups) > 1 and max(groups) < 9:
        if "/" in written and digits[0] != "0":
            return None
        plausible = low <= len(digits) <= high and not (_AMOUNT.fullmatch(written) and digits.endswith("000"))
        return "phone" if plausible else None
    return "phone" if _is_valid_somewhere(digits) else None


@lru_cache(maxsize=1024)
def _is_valid_somewhere(digits: str) -> bool:
    import phonenumbers

    for region in phonenumbers.SUPPORTED_REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _count_groups(written: str) -> int:
    return len(re.findall(r"\d+", written))


def _is_written_as_phone(written: str, digits: str, evidence: Evidence) -> bool:
    """Whether its groups alone say telephone: North American, or with a 0 in front; nine digits in three or
    more groups (Spain, Poland) where the sentence is about telephones.
    """
    if _SSN.fullmatch(written):
        return False
    if _NORTH_AMERICAN.fullmatch(written):
        return True
    groups = [len(group) for group in re.findall(r"\d+", written)]
    apart = len(groups) > 1 and min(groups) > 1
    if digits[0] == "0" and len(digits) >= _ALONE_DIGITS and apart:
        return evidence is Evidence.TOPIC or (max(groups) > 2 and groups[0] > 2) or "." in written
    known = groups in ([3, 3, 3], [3, 2, 2, 2], [2, 3, 2, 2], [3, 3, 4])
    return evidence is Evidence.TOPIC and known


def _is_national_form(written: str, digits: str, region: str) -> bool:
    """Whether the groups are those in which `region` writes this number (libphonenumber's national format).

    A bracket or stroke round the area code stands for the space after it; numbers in one run after the area
    code, and in pairs after it, are written everywhere.
    """
    import phonenumbers

    if _NORTH_AMERICAN.fullmatch(written):
        return region in {"US", "CA"}
    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return False
    known = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    groups, usual = ([len(group) for group in re.findall(r"\d+", one)] for one in (written, known))
    return (
        groups == usual
        or (len(groups) == 2 and groups[0] == usual[0])
        or (len(groups) > 2 and groups[0] == usual[0] and set(groups[1:]) <= {2, 3})
    )


def _is_fictional(digits: str) -> bool:
    """Whether a number in a national format is kept for fiction in one of the countries that do so."""
    if len(digits) == 7 and digits.startswith("555"):
        return True
    bare = digits.removeprefix("0")
    candidates = [f"+{code}{bare}" for code in (44, 49, 33)] + [f"+1{digits.removeprefix('1')}"]
    return any(_FICTIONAL.fullmatch(candidate) for candidate in candidates)


@lru_cache
def _dials_0(region: str) -> bool:
    """Whether a national number is written with a 0 that is no part of it (Germany), or without (Spain)."""
    import phonenumbers

    return phonenumbers.ndd_prefix_for_region(region, True) == "0"


def _classify(number: str, region: str | None, own: frozenset[str]) -> Phone | None:
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if e164 in own or _FICTIONAL.fullmatch(e164):
        return "invented"
    if not phonenumbers.is_valid_number(parsed):
        return None
    shared = {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
    }
    return "hotline" if phonenumbers.number_type(parsed) in shared else "phone"
