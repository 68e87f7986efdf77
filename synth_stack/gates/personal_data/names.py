"""Names of people, and dates of birth.

A name that somebody is given (My name is ..., Patient: ..., Dear Mrs ...) is announced. Without that, a name
is told by its first word, which is a given name of one of some sixty locales (given_names.txt), and written
with a capital. Which tells a person, and not whether that is a customer or Marie Curie: hence two kinds.
"""

import re
from collections.abc import Iterator, Set
from functools import cache
from typing import Literal

from synth_stack.gates.word_lists import read_sections

Named = Literal["name", "mention"]
"""A name that is announced as somebody's, and one that is merely mentioned."""

_WORD = r"[^\W\d_][^\W\d_'’-]{0,24}(?:['’-][^\W\d_]{1,24}){0,2}"
_PARTICLE = r"(?:van|von|der|den|de|del|della|di|da|dos|du|la|le|el|al|bin|ibn|ter|ten|zu|af|av|y)"
_TITLE = (
    r"(?:Mrs?|Ms|Miss|Mx|Dr|Prof|Sir|Madam|Herrn?|Frau|Monsieur|Madame|Mme|Mlle|Señora?|Sra?|Sig(?:nora"
    r"|\.ra)?|Dott|Pan[ia]?|Mevrouw"
    r"|Meneer|Dhr|Mw)\b\.?"
)
_CAP = r"[^\W\d_a-zß-öø-ÿ][^\W\d_'’-]{0,24}(?:['’-][^\W\d_]{1,24}){0,2}"
_REST = rf"(?:[ ](?:{_PARTICLE}[ ]){{0,2}}(?:{_WORD}|[A-Z]\.)){{0,3}}"
_FULL = rf"{_WORD}{_REST}"

_INTRODUCED = re.compile(
    rf"\b(?i:my (?:full |last |first |real |maiden )?name(?: is|'s|:)|(?:partner|wife|husband|child|son"
    rf"|daughter|mother|father|friend|boss"
    rf"|manager)(?:'s)? (?:full )?name(?: is|:)?|(?:his|her|their|the customer's"
    rf"|the patient's) (?:full )?name(?: is|:)"
    rf"|what'?s (?:your|his|her)(?: \w+)? name\?|mein name ist|ich heiße|je m'appelle|mon nom est|me llamo"
    rf"|mi nombre es|mi chiamo|il mio nome è"
    rf"|mijn naam is|ik heet|nazywam się|mam na imię|jag heter|mitt namn är|meu nome é|named (?:him|her"
    rf"|them))"
    rf"[ \t*_\"]{{1,4}}(?:{_TITLE} )?({_FULL})",
)
"""Turns of phrase after which a name comes, whatever it is."""
_LABELLED = re.compile(
    rf"(?:(?:^|[,;|.!?])[ \t*_-]{{0,6}}(?i:patient|customer|client|employee|applicant|tenant|cardholder"
    rf"|account holder|beneficiary|passenger|guest"
    rf"|(?:full |first |last |sur)?name|nombre|nom|kunde|kundin|naam"
    rf"|imię i nazwisko)(?: name)?[*_]{{0,2}}\s?:[*_]{{0,2}}"
    rf"|^(?i:dear|hi|hello|hey|liebe[r]?|sehr geehrte[r]?|chère?|bonjour|estimad[oa]|querid[oa]|hola|gentile"
    rf"|cara?|ciao|beste|geachte)"
    rf"|(?i:kind regards|best regards|regards|sincerely(?: yours)?|yours (?:sincerely|truly|faithfully)"
    rf"|best wishes|cheers|mit freundlichen grüßen|"
    rf"viele grüße|cordialement|saludos|cordiali saluti|met vriendelijke groet|pozdrawiam),?\s{{0,4}}\n)"
    rf"[ \t*_\"]{{0,4}}(?:{_TITLE} )?({_FULL})",
    re.MULTILINE,
)
"""Labels, greetings and ends of letters, after which a name comes if it begins with a given name."""
_TITLED = re.compile(rf"(?<![^\W_]){_TITLE} ({_FULL})")
_CAPITALS = re.compile(
    rf"(?<![\w.@/#-]){_CAP}(?:[ ](?:{_PARTICLE}[ ]){{0,2}}(?:{_CAP}|[A-Z]\.)){{0,5}}(?![\w@])"
)
"""Words with a capital in a row, at most six."""
_NOT_A_SURNAME = re.compile(
    r"(?:street|road|avenue|lane|drive|square|bridge|park|hill|lake|river|island|beach|airport|station"
    r"|hospital|university|college|school"
    r"|institute|museum|church|cathedral|castle|hotel|bank|inc|ltd|llc|corp|company|group|gmbh|county|city"
    r"|town|state|day|award|prize|cup"
    r"|league|theorem|law|effect|equation|method|algorithm|test|model|act|the|and|or|of|in|is|was|has|had"
    r"|will|can|to|for|on|at|i|a)",
    re.IGNORECASE,
)
_INITIALLED = re.compile(rf"(?<![\w.@/#-])({_CAP}) (?:[A-Z]\.? ){{1,2}}((?:{_PARTICLE} )?{_CAP})(?![\w@])")
"""A word with a capital, an initial and another such word: a name of any language."""
_LETTERED = frozenset(
    """let suppose assume statement given find prove ring field subgroup plan vitamin group type
    appendix hepatitis exhibit class section part grade model series team phase level step option
    table figure chapter schedule form division category zone gate terminal building block room line
    unit influenza protein factor set point study case version size lot wing hall tier league side i
    a the in on at by for from to of with and or but if when what who how why is was are were do
    does did can could may""".split()
)
"""What a letter numbers: "Vitamin C Deficiency" names nobody; and what begins a sentence."""
_SUBJECT = re.compile(
    rf"(?<![\w.@/#-])({_CAP} (?:{_PARTICLE} ){{0,2}}{_CAP}) (?:lives|lived|was born|is married"
    rf"|works as|worked as)\b"
    rf"|\b(?:was|is|were|are|am) (?:called|named) ({_CAP} (?:{_PARTICLE} ){{0,2}}{_CAP})(?![\w@])"
)
"""What only a person does, or is called."""
_MIN_SURNAME_CHARS, _MAX_SURNAMES = 4, 100
"""Shorter ones are words too often, and so many names stand in a list and no letter."""
_PLACED = re.compile(r"\b(?:in|near|at|visit|visiting|around|across)\s$", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?:['’]s?|\.)$")
_HEAD = frozenset(
    "the a an this that these those there here what who where when why how it we you they he she i".split()
)

_MONTH = (
    r"(?:jan|feb|m[aä]r|apr|ma[iyj]|jun|jul|aug|sep|oct|okt|nov|de[cz]|janv|févr|mars|avr|mai|juin|juil|août"
    r"|sept|déc|ene|abr|ago|dic|gen|mag"
    r"|giu|lug|ott|sty|lut|kwi|maj|cze|lip|sie|wrz|paź|lis|gru|mrt|mei)\w{0,8}\.?"
)
_DAY = (
    rf"(?:\d{{1,2}}[./-]\d{{1,2}}[./-](?:19|20)?\d{{2}}|(?:19|20)\d{{2}}[./-]\d{{1,2}}[./-]\d{{1,2}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|er|º)?(?: of| de)? {_MONTH}(?:,| de| del)? (?:19|20)\d{{2}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d{{2}})"
)
_BIRTH = re.compile(
    rf"(?:\b(?:date of birth|birth ?date|d\.?o\.?b\.?|birthday|geburtsdatum|geb\.|date de naissance"
    rf"|fecha de nacimiento|data di nascita"
    rf"|geboortedatum|data urodzenia|född|fødselsdato)(?: is| was| ist| est| es| è| to)?|\b(?:i was|i'm|i am"
    rf"|she was|he was|né[e]? le|ich bin|ich wurde|nací|"
    rf"nato|nata|geboren|urodzon[ya]|am) ?(?:born|geboren|el|il|am|op)?(?: on| am"
    rf"| the)?)[\s:\"'*|-]{{1,5}}({_DAY})(?!\w)",
    re.IGNORECASE,
)


def find_names(text: str) -> Iterator[tuple[int, int, Named]]:
    """(start, end, kind) of the names of people in `text`: announced ones first, then those that are
    mentioned.
    """
    for shape in (_INTRODUCED, _LABELLED, _TITLED):
        for match in shape.finditer(text):
            named = _trim(match[1], announced=True)
            if named and (shape is not _LABELLED or _begins_with_name(named)):
                kind: Named = "mention" if shape is _TITLED else "name"
                yield match.start(1), match.start(1) + len(named), kind
    mentioned = [*_find_shapes(text), *_find_given(text)]
    yield from ((start, end, "mention") for start, end in mentioned)
    for start, end in _find_again(text, {text[start:end].rsplit(maxsplit=1)[-1] for start, end in mentioned}):
        yield start, end, "mention"


def _find_shapes(text: str) -> Iterator[tuple[int, int]]:
    """Names of two words and more that are told by an initial between them, or by what a person does."""
    for match in _INITIALLED.finditer(text):
        if match[1].lower() not in _LETTERED and not _NOT_A_SURNAME.fullmatch(match[2].split()[-1]):
            yield match.span()
    for match in _SUBJECT.finditer(text):
        group = 1 if match[1] else 2
        words = match[group].split()
        if words[0].lower() not in _HEAD and not _NOT_A_SURNAME.fullmatch(words[-1]):
            yield match.span(group)


def _find_given(text: str) -> Iterator[tuple[int, int]]:
    """Names that begin with a given name."""
    for run in _CAPITALS.finditer(text):
        for word in re.finditer(r"\S+", run[0]):
            start = run.start() + word.start()
            named = _trim(run[0][word.start() :], announced=False)
            after = run[0][word.start() + len(named) :].split(maxsplit=1)[:1]
            placed = bool(after) and _NOT_A_SURNAME.fullmatch(after[0]) is not None  # Charlotte Street
            if named and not placed and _is_name(named, text, start):
                yield start, start + len(named)
                break


def _find_again(text: str, surnames: Set[str]) -> Iterator[tuple[int, int]]:
    """Where a surname of somebody who is named in full stands alone."""
    told = sorted(name for name in surnames if len(name) >= _MIN_SURNAME_CHARS and name[0].isupper())
    if told and len(told) <= _MAX_SURNAMES:
        for match in re.finditer(rf"(?<![\w-])(?:{'|'.join(map(re.escape, told))})(?![\w-])", text):
            yield match.span()


def find_birth_dates(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every date that is announced as one of birth."""
    for match in _BIRTH.finditer(text):
        yield match.start(1), match.end(1)


def _trim(written: str, *, announced: bool) -> str:
    """The words of a match that are a name: up to the last that has a capital, and before one that ends
    it.
    """
    kept: list[str] = []
    end = 0
    for word in re.finditer(r"\S+", written):
        bare = _POSSESSIVE.sub("", word[0])
        first = not kept
        if bare.lower() in _HEAD or (not first and _NOT_A_SURNAME.fullmatch(bare)):
            break
        capital = bare[:1].isupper()
        if (
            not capital
            and not re.fullmatch(_PARTICLE, bare)
            and not (announced and bare.lower() in _list_names())
        ):
            break
        kept.append(bare)
        if capital or announced:
            end = word.start() + len(bare)
        if bare != word[0].rstrip("."):
            break
    return written[:end]


def _is_name(named: str, text: str, start: int) -> bool:
    """Whether words with capitals are a name that is mentioned: by a given name in front, that is no other
    word.
    """
    first, *others = named.split()
    if named.isupper() and len(named) > 3:
        return False
    if first.lower() in _list_names():
        return bool(others) or not _PLACED.search(text, max(start - 12, 0), start)
    begins = start == 0 or text[max(start - 2, 0) : start].strip(" \"'(")[-1:] in (
        "",
        ".",
        "!",
        "?",
        "\n",
        ":",
    )
    return bool(others) and first.lower() in _list_also_words() and not begins


def _begins_with_name(named: str) -> bool:
    first = named.split(maxsplit=1)[0].lower()
    return first in _list_names() or first in _list_also_words()


@cache
def _list_names() -> frozenset[str]:
    return _read("names")


@cache
def _list_also_words() -> frozenset[str]:
    return _read("also_words")


def _read(section: str) -> frozenset[str]:
    lines = read_sections(__package__, "given_names")[section]
    return frozenset(name for line in lines for name in line.split())
