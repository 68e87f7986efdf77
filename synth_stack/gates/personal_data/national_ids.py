"""National identity numbers: what each looks like, and the check digits that tell it from any other number.

A shape alone is no identity number. Where the check digit is weak (a Dutch BSN is one in eleven of all
nine-digit numbers) a number counts only beside a word that says what it is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_CF_ODD = dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True)) | dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)
_CF_DIGIT = "[0-9LMNPQRSTUV]"  # two people of one code are told apart by letters in place of digits
_CF_DIGITS = str.maketrans("LMNPQRSTUV", "0123456789")
_NINO_UNUSED = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
_NIR_CORSICA = {"2A": "19", "2B": "18"}
_PESEL_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)


@dataclass(frozen=True, slots=True)
class NationalId:
    """One country's number: region (ISO 3166), shape, check, and the words that announce it.

    `check` takes the number in capitals without separators. Without one of `words` nearby, only a number
    that matches `alone` as it is written counts; null means that words are always needed.
    """

    name: str
    region: str
    shape: re.Pattern[str]
    check: Callable[[str], bool]
    words: re.Pattern[str]
    alone: re.Pattern[str] | None = None

    def accepts(self, written: str, nearby: str, *, in_prose: bool = True) -> bool:
        """Whether `written` is such a number; `nearby` is the text around it. Outside prose (in code, a log,
        a table) it takes words.
        """
        if not self.check(re.sub("[^0-9A-Z]", "", written.upper())):
            return False
        announced = self.words.search(nearby) is not None
        return announced or (
            in_prose and self.alone is not None and self.alone.fullmatch(written) is not None
        )


def is_us_ssn(digits: str) -> bool:
    """Area, group and serial that can be issued (SSA POMS RM 10201.030), none that was published."""
    if digits in {"078051120", "219099999", "123456789"}:
        return False
    return (
        digits[:3] not in {"000", "666"} and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"
    )


def is_uk_nino(code: str) -> bool:
    """A prefix that is given out (HMRC manual NIM39110); it has no check digit. 12 34 56 is the specimen."""
    return code[:2] not in _NINO_UNUSED and code[2:8] != "123456"


def is_de_tax_id(digits: str) -> bool:
    """Steuer-ID (BZSt, "Steueridentifikationsnummer"): ISO 7064 MOD 11,10, and of the first ten digits
    exactly one stands there twice or three times.
    """
    counts = sorted(digits[:10].count(d) for d in set(digits[:10]))
    if digits[0] == "0" or counts[-1] not in {2, 3} or counts[-2] != 1:
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def is_fr_nir(code: str) -> bool:
    """Numéro de sécurité sociale (INSEE): possible month and department, key 97 - (number mod 97)."""
    month, department = int(code[3:5]), code[5:7]
    possible = 1 <= month <= 12 or month == 20 or 30 <= month <= 42 or month >= 50
    digits = code[:5] + _NIR_CORSICA.get(department, department) + code[7:13]
    if not possible or not digits.isdigit() or department in {"00", "96"}:
        return False
    return 97 - int(digits) % 97 == int(code[13:])


def is_es_dni(code: str) -> bool:
    """DNI or NIE (Real Decreto 1553/2005; Orden INT/2058/2008): letter number mod 23. Specimens are none."""
    digits = code[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    if code in {"12345678Z", "X1234567L", "Y1234567X", "Z1234567R"} or len(set(digits)) == 1:
        return False
    return _DNI_LETTERS[int(digits) % 23] == code[-1]


def is_it_fiscal_code(code: str) -> bool:
    """Codice fiscale (Decreto 23 dicembre 1976): day and last letter. The manuals' Mario Rossi is none."""
    if code in {"RSSMRA85T10A562S", "RSSMRA80A01H501U", "RSSMRA80A01F205X"}:
        return False
    day = int(code[9:11].translate(_CF_DIGITS)) % 40
    even = sum(int(c) if c.isdigit() else ord(c) - ord("A") for c in code[1:15:2])
    return 1 <= day <= 31 and chr(ord("A") + (even + sum(_CF_ODD[c] for c in code[0:15:2])) % 26) == code[15]


def is_nl_bsn(digits: str) -> bool:
    """Burgerservicenummer: the eleven test (Besluit burgerservicenummer, article 2)."""
    weighted = sum(int(d) * w for d, w in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return weighted % 11 == 0 and digits not in {"000000000", "111222333", "123456782"}


def is_pl_pesel(digits: str) -> bool:
    """PESEL (Ustawa o ewidencji ludności, article 15): a date of birth and a check digit."""
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    total = sum(int(d) * w for d, w in zip(digits, _PESEL_WEIGHTS, strict=False))
    return 1 <= month <= 12 and 1 <= day <= 31 and (10 - total % 10) % 10 == int(digits[10])


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,$€£#/-])(?:{pattern})(?![\w/-])(?![.,]\d)", re.ASCII)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})", re.IGNORECASE)


NATIONAL_IDS = (
    NationalId(
        "us_ssn",
        "US",
        _shape(r"\d{3}([ -]?)\d{2}\1\d{4}"),
        is_us_ssn,
        _words(r"ssns?\b|social[ -]security|soc\. sec|tax(?:payer)? id"),
        re.compile(r"\d{3}-\d{2}-\d{4}"),
    ),
    NationalId(
        "uk_nino",
        "GB",
        _shape(r"(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?(?:\d{2}[ -]?){3}[A-D])"),
        is_uk_nino,
        _words(r"ni (?:number|no)|nino\b|national insurance"),
        re.compile(r"[A-Z]{2} \d{2} \d{2} \d{2} [A-D]"),
    ),
    NationalId(
        "de_tax_id",
        "DE",
        _shape(r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}"),
        is_de_tax_id,
        _words(r"steuer|id-?nr|identifikationsnummer|tax|tin\b"),
        re.compile(r"\d{2} \d{3} \d{3} \d{3}"),
    ),
    NationalId(
        "fr_nir",
        "FR",
        _shape(r"[12378][ .]?\d\d[ .]?\d\d[ .]?(?:\d\d|2[ABab])[ .]?\d{3}[ .]?\d{3}[ .-]?\d\d"),
        is_fr_nir,
        _words(r"s[ée]curit[ée] sociale|nir\b|insee|num[ée]ro de s[ée]cu|social security"),
        re.compile(r".*"),
    ),
    NationalId(
        "es_dni",
        "ES",
        _shape(r"(?:[XYZxyz][ -]?\d{7}|\d{8})[ -]?[A-HJ-NP-TV-Za-hj-np-tv-z]"),
        is_es_dni,
        _words(r"dni\b|d\.n\.i|nie\b|nif\b|documento|identi"),
    ),
    NationalId(
        "it_fiscal_code",
        "IT",
        _shape(
            rf"(?i:[A-Z]{{3}} ?[A-Z]{{3}} ?{_CF_DIGIT}{{2}}[A-EHLMPRST]{_CF_DIGIT}{{2}}"
            rf" ?[A-MZ]{_CF_DIGIT}{{3}}[A-Z])"
        ),
        is_it_fiscal_code,
        _words(r"codice fiscale|c\.? ?f\.?\b|fiscal code|tax code"),
        re.compile(r".*"),
    ),
    NationalId(
        "nl_bsn",
        "NL",
        _shape(r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}|\d{3}[. ]\d{3}[. ]\d{3}"),
        is_nl_bsn,
        _words(r"bsn\b|burgerservice|sofi|service number"),
    ),
    NationalId("pl_pesel", "PL", _shape(r"\d{11}"), is_pl_pesel, _words(r"pesel")),
)

BY_NAME: Mapping[str, NationalId] = {one.name: one for one in NATIONAL_IDS}
