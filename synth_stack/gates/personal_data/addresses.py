"""Postal addresses of eight countries: a street with its number, and the postcode after it.

Only the whole counts. A street alone is in every story, and a town alone in every second one; street, number
and postcode together are where a person lives.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

_UP = "[A-ZÀ-ÖØ-ÞĄĆĘŁŃŚŹŻ]"
_NAME = rf"{_UP}[\w'’.-]{{0,30}}"
_TOWN = rf"{_UP}[\w'’-]{{0,30}}"
_STREETS = (
    r"(?:Street|St|Avenue|Ave|Boulevard|Blvd|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Way|Terrace|Close"
    r"|Crescent|Circle|Cir|Parkway|Pkwy|Highway|Hwy|Square|Sq|Trail|Loop|Gardens|Grove|Mews|Row|Hill"
    r"|Walk)\b\.?"
)
_RUES = r"rue|avenue|av\.|boulevard|bd|place|chemin|allée|impasse|quai|route|cours"
_STATES = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT"
    "|V[AT]|W[AIVY]"
)

_SHAPES: Mapping[str, str] = {
    "US": rf"\b\d{{1,6}} (?:{_NAME} |\d{{1,3}}(?:st|nd|rd|th) ){{1,4}}{_STREETS}"
    rf"(?:,? (?:Apt|Apartment|Unit|Suite|Ste|#)\.? ?\w{{1,6}})?[,\s]{{1,3}}{_TOWN}(?: {_TOWN}){{0,3}}"
    rf",?\s(?:{_STATES}) \d{{5}}(?:-\d{{4}})?\b",
    "GB": rf"\b\d{{1,4}}[A-Za-z]? (?:{_NAME} ){{1,4}}{_STREETS}[^\d]{{0,60}}"
    r"[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}\b",
    "DE": rf"\b(?:{_NAME}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer)"
    rf"|(?:{_NAME} ){{1,3}}(?:Straße|Strasse|Str\.|Weg|Platz|Allee|Ring|Damm|Ufer)) \d{{1,4}} ?[a-z]?"
    rf"[,\s]{{1,3}}(?:D-)?\d{{5}} {_TOWN}",
    "FR": rf"\b\d{{1,4}}(?: ?(?:bis|ter))?,? (?i:{_RUES}) [^\d\n]{{2,50}}?[,\s]{{1,3}}\d{{5}} {_TOWN}",
    "ES": r"(?i:\b(?:calle|avenida|avda?\.|plaza|paseo|camino|carrer)|\bc/) ?[^\d\n]{2,40}? ?\d{1,4}\b"
    rf"[^\n]{{0,25}}?[,\s]{{1,3}}\d{{5}} {_TOWN}",
    "IT": r"\b(?i:via|viale|piazza|corso|largo|vicolo|strada) [^\d\n]{2,40}?,? \d{1,4}(?:/?[A-Za-z])?"
    rf"[,\s-]{{1,4}}\d{{5}} {_TOWN}",
    "NL": rf"\b(?:{_NAME} ){{0,3}}{_NAME}(?:straat|laan|weg|plein|gracht|kade|dijk|singel|hof|steeg|pad"
    rf"|dreef) \d{{1,5}} ?[a-zA-Z]?(?:-\d{{1,4}})?[,\s]{{1,3}}\d{{4}} ?[A-Z]{{2}}\b(?: {_TOWN})?",
    "PL": r"\b(?i:ul|al|os|pl)\. ?[^\d\n]{2,40}? \d{1,4}[A-Za-z]?(?:/\d{1,4}| m\. ?\d{1,4})?[,\s]{1,3}"
    rf"\d{{2}}-\d{{3}} {_TOWN}",
}
"""By region (ISO 3166). Each part ends where the next begins, so that no text is tried in many ways."""

POSTCODES = r"\d{2}-\d{3} |\d{5}|\d{4} ?[A-Z]{2}|[A-Z]\d[A-Z\d]? ?\d[A-Z]{2}"
STREETS = (
    rf" {_STREETS}|(?i:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer) \d"
    r"|(?:straat|laan|weg|plein|gracht|kade|dijk|singel|hof|steeg|pad|dreef) \d"
    r"|\b(?i:via|viale|piazza|corso|largo|vicolo|strada|(?:ul|al|os|pl)\.|calle|avenida|avda?\.|plaza|paseo"
    r"|camino|carrer|c/) ?[^\d\n]{2,50}\d"
    rf"|\b\d{{1,4}}(?: ?(?:bis|ter))?,? (?i:{_RUES}) "
)
"""A text with an address holds a postcode and a street: both in Rust's syntax, for polars."""

_COMPILED = {region: re.compile(shape) for region, shape in _SHAPES.items()}
FICTIONAL = re.compile(
    r"muster|max-?mustermann|main st(?:reet)?\b|evergreen terrace|any ?(?:town|city|where)|fake st"
    r"|baker street|sample|example",
    re.IGNORECASE,
)


def find_addresses(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(start, end) of every address in the form of one of `regions`, but not of the well-known inventions
    (123 Main Street, Musterstraße 1, 742 Evergreen Terrace).
    """
    for region in regions:
        if region in _COMPILED:
            for match in _COMPILED[region].finditer(text):
                if not FICTIONAL.search(match[0]):
                    yield match.start(), match.end()
