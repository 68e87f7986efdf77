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

Phone = Literal["phone", "hotline", "invented"]
"""A person's line, one that no person can have (0800), or one kept for fiction or belonging to the house."""

PHONE_DIGITS = 7
"""Fewer are an extension, or a local number that cannot be called from outside its town."""

PHONE_SHAPE = re.compile(
    r"(?<![\w.,/#$€£&+(<*=-])(?:\+ ?)?\(?\d(?:[ ().\-/]{0,2}\d){6,16}(?!\w)(?![.,]\d| ?[%:@=*])", re.ASCII
)
_NORTH_AMERICAN = re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}", re.ASCII)
DATE = re.compile(
    r"(?<![\d./-])(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d\d|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2})(?![\d./-])",
    re.ASCII,
)
_ALONE_DIGITS = 9
"""Fewer digits with a 0 in front, and no word that says telephone, are as often opening hours."""

PHONE_WORDS = re.compile(
    r"\b(?:(?:tele|cell|smart)?phones?|tel|mobile|cell|call(?:ing|ed)?|ring|dial|text|sms|whatsapp|fax|reach"
    r"|contact|(?:my|his|her|their|our|your|this) number|telefon\w*|fon|handy\w*|mobil\w*|rufnummer\w*"
    r"|(?:an|rück)?ruf\w*|téléphon\w*|appel\w*|joindre|tel[ée]fono\w*|m[óo]vil|ll[áa]m\w+|cellulare"
    r"|chiam\w+|telefoon\w*|mobiel\w*|bel(?:len)?|telef\w+|kom[óo]rk\w*|zadzwo\w+)\b",
    re.IGNORECASE,
)
_OTHER_WORDS = re.compile(
    r"\b(?:order|invoice|ref(?:erence)?|ticket|sku|tracking|serial|model|case|account|transaction|booking"
    r"|confirmation|policy|isbn|part|item|product|parcel|shipment|id|iban|card|routing|bestell\w*|rechnung\w*"
    r"|auftrag\w*|kunden\w*|sendung\w*|konto\w*|commande|facture|pedido|factura|ordine|fattura|bestelling"
    r"|factuur|zamówieni\w*|faktur\w*|konta)\b",
    re.IGNORECASE,
)

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
_SENTENCE_ENDS = re.compile(r"[.!?]\s|\n")
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


def weigh_words(before: str, after: str) -> int:
    """1 when the nearest word says telephone, -1 when it says another kind of number, else 0.

    What else a number is, is only said in the same sentence; a question for a telephone number may be as far
    away as the message before.
    """
    sentence = max((m.end() for m in _SENTENCE_ENDS.finditer(before)), default=0)
    phone = max((m.end() for m in PHONE_WORDS.finditer(before)), default=-1)
    other = max((m.end() for m in _OTHER_WORDS.finditer(before, sentence)), default=-1)
    if phone < 0 and other < 0:
        return 1 if PHONE_WORDS.search(after) else 0
    return 1 if phone > other else -1


def read_phone(written: str, words: int, regions: Sequence[str], own: frozenset[str]) -> Phone | None:
    """What `written` is, null for no telephone number.

    `words` is what `weigh_words` says of the text around it, `regions` (ISO 3166) whose national formats
    count, `own` numbers (E.164) that belong to the house. With a plus sign the number has to be valid; in a
    national format it has to be written as one (its groups apart, and a 0 in front outside North America)
    or stand by a word that says telephone; after a word such as order or invoice it is none.
    """
    digits = re.sub(r"\D", "", written)
    abroad = written[0] == "+"
    if not abroad and (words < 0 or (words == 0 and not _is_written_as_phone(written, digits))):
        return None
    if is_placeholder(digits) or (not abroad and _is_fictional(digits)):
        return "invented"
    if abroad or digits.startswith("00"):
        return _classify(f"+{digits.removeprefix('00')}", None, own)
    home = [region for region in regions if digits[0] == "0" or not _dials_0(region)]
    if words == 0 and _NORTH_AMERICAN.fullmatch(written):
        home = [region for region in home if region in {"US", "CA"}]
    found = {_classify(digits, region, own) for region in home}
    return next((phone for phone in _PRECEDENCE if phone in found), None)


def _is_written_as_phone(written: str, digits: str) -> bool:
    """Whether its groups alone say telephone: North American, with a 0 in front, or Spanish and Polish."""
    if _SSN.fullmatch(written):
        return False
    groups = [len(group) for group in re.findall(r"\d+", written)]
    apart = len(groups) > 1 and min(groups) > 1
    if digits[0] == "0":
        return apart and len(digits) >= _ALONE_DIGITS
    return _NORTH_AMERICAN.fullmatch(written) is not None or groups in ([3, 2, 2, 2], [2, 3, 2, 2])


def _is_fictional(digits: str) -> bool:
    """Whether a number in a national format is kept for fiction in one of the countries that do so."""
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
