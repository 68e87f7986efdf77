"""Postal addresses of any country: by a flat or a box beside a street with its number, or by words that
announce one.

Street names of the world have no common form, so a number beside a few words counts only with one of three
kinds of evidence: a unit that only addresses have (Apt. 12, P.O. Box 7, APO AE 09012), or a turn of phrase
that says where somebody lives or gets mail.
"""

import re
from collections.abc import Iterator

from synth_stack.gates.personal_data.addresses import FICTIONAL

_GAP = r"[\s,;>|?]{1,8}"
_W = r"[^\W\d_][\w'’./-]{0,30}"
_NUMBER = r"\d{1,6}[A-Za-z]?(?:[-/]\d{1,5}[A-Za-z]?)?"
_UNIT = (
    r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Flat|Appartement|Apto|Apartamento|Piso|Wohnung|Whg|Lgh"
    r"|lok)\b\.? ?(?:#|No\.? ?)?\d{1,5}[A-Za-z]?\b"
    r"|P\.? ?O\.? ?Box \d{1,6}\b|Post(?:fach|bus|boks|box)\b \d{1,6}\b)"
)
_MILITARY = (
    r"(?:(?:PSC|Unit|CMR) \d{1,5},? Box \d{1,5}|US(?:S|NS|NV|CGC) [^\W\d_]{2,30})"
    r"[\s,>|?]{1,8}(?:[AFD]PO),? A[AEP],? \d{5}\b"
)
_TAIL = (
    rf"(?:{_GAP}(?:{_W} ?){{1,5}}(?:{_GAP}[A-Z]{{2,3}}\b)?(?:{_GAP}(?:{_W} ?){{1,4}})?"
    rf"{_GAP}?\d{{4,6}}(?:-\d{{3,4}})?\b"
    rf"|{_GAP}(?:[A-Z]{{1,2}}-?)?\d{{4,6}}(?:-\d{{3,4}})? {_W})"
)
"""What may come after the street: town, region, country and postcode, or postcode and town."""

_BY_UNIT = re.compile(
    rf"(?:(?:\b{_NUMBER}{_GAP}){{1,2}}(?:{_W} ){{0,4}}{_W}(?: {_NUMBER})?{_GAP}"
    rf"|(?:{_W} ){{1,4}}{_NUMBER}{_GAP})?"
    rf"(?<![\w-]){_UNIT}(?:{_GAP}{_NUMBER} (?:{_NUMBER} )?(?:{_W} ?){{1,4}}(?:{_NUMBER})?)?(?:{_TAIL})?",
    re.IGNORECASE,
)
_BY_BOX = re.compile(rf"\b{_MILITARY}", re.IGNORECASE)
_STREETLIKE = re.compile(rf"\b{_NUMBER}\b")
_CUE = re.compile(
    r"(?:\b(?:live[sd]?|living|reside[sd]?|residing|stay(?:s|ing)?) (?:at|on)"
    r"|\b(?:my|his|her|their|our|'s|your) (?:new |old |home |current |billing |mailing |postal |delivery "
    r"|shipping |street |work )*address"
    r"(?: is| was| to|:|,)+|\b(?:billing |mailing |postal |delivery |shipping |home "
    r"|street )?address(?: of [^\n.]{1,40}?)?(?: is| to|:)"
    r"|\b(?:deliver|ship|send|post|mail|forward)(?:ed)?(?: (?:it|them|this|that|the \w+|a \w+|a new one"
    r"|my \w+))? to"
    r"|\b(?:moved|moving|move|relocat\w+) (?:in)?to|\b(?:adresse|anschrift|dirección|indirizzo|adres"
    r"|endereço)(?: ist| est| es| è| is| to)?:?"
    r"|\bwohn\w* (?:in der|in|am)|\bhabite (?:au|à)?|\bvivo en|\babito in|\bwoon (?:op|aan)"
    r"|\bmieszkam (?:przy|na))\s{0,4}",
    re.IGNORECASE,
)
_STREET = re.compile(
    rf"(?:(?:\d{{1,6}}[A-Za-z]?(?:[-/]\d{{1,4}})?,? (?:\d{{1,5}} )?"
    rf"(?:{_W} ){{0,4}}{_W}(?: \d{{1,5}}[A-Za-z]?\b)?)"
    rf"|(?:{_W} ){{1,4}}\d{{1,5}}[A-Za-z]?\b)(?:{_GAP}{_UNIT})?(?:{_TAIL}"
    rf"|(?:, ?{_W}(?: {_W}){{0,2}}){{1,2}})?"
)
_NO_STREET = re.compile(
    r"^\d+ (?:(?-i:[a-zß-öø-ÿ]{1,9}\b)|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|am\b|pm\b|in\b|at\b"
    r"|on\b|of\b|and\b|or\b|for\b|to\b|percent\b|dollars\b|mbps|bits?"
    r"|bytes?|km|miles?|years?|days?)|^(?:19|20)\d\d\b"
    r"|^(?:the|a|an|no|not|be|it|this|that|page|chapter|level|version|step|room|port)\b",
    re.IGNORECASE,
)

_SMALL_WORDS = frozenset(
    "de del della di da do dos das du des la le les el los las al van von der den het of the and e y i ul u"
    " utca út útja ulica rua rue via".split()
)
_FIRST_WORDS, _MIN_LETTERS = 3, 3
_UPPER = re.compile(r"(?<!\w)[A-ZÀ-ÖØ-ÞĀ-ŽΆ-ΫА-Я]")


def _is_street(written: str, text: str) -> bool:
    """Whether its words have capitals (or all the text has none), and it is no date, length, page or
    invention.
    """
    capitals = _UPPER.search(text) is not None
    words = [word for word in re.findall(r"[^\W\d_][\w'’.-]*", written) if word.lower() not in _SMALL_WORDS]
    named = any(len(word) >= _MIN_LETTERS and (word[0].isupper() or not capitals) for word in words)
    small = capitals and any(word[0].islower() for word in words[:_FIRST_WORDS])
    whole = capitals or len(re.findall(r"\d+", written)) > 1  # "stay at 17, please" has no capitals either
    return named and not small and whole and not _NO_STREET.match(written if capitals else written.title())


def find_blocks(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every address in `text` with a unit in it, or right after words that announce one."""
    for cue in _CUE.finditer(text):
        match = _STREET.match(text, cue.end())
        if match and _is_street(match[0], text) and not FICTIONAL.search(match[0]):
            yield match.start(), match.end()
    for match in _BY_UNIT.finditer(text):
        rest = re.sub(_UNIT, " ", match[0], flags=re.IGNORECASE)
        if _STREETLIKE.search(rest) and not FICTIONAL.search(match[0]):
            yield match.start(), match.end()
    for match in _BY_BOX.finditer(text):
        yield match.start(), match.end()
