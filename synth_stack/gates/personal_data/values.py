"""Invented values that look like a person's: what canaries are made of, and the benchmark's known truth.

Drawn digit by digit with their check digits right, outside every range kept for fiction. That no card,
account or line was ever issued with such a number is likely and cannot be known, so none is kept anywhere.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from synth_stack.gates.personal_data.kinds import Kind
from synth_stack.gates.personal_data.national_ids import BY_NAME
from synth_stack.gates.personal_data.payment_numbers import is_card, is_iban
from synth_stack.gates.personal_data.phone_evidence import Evidence
from synth_stack.gates.personal_data.phones import is_placeholder, read_phone

Draw = Callable[[random.Random, Sequence[str]], tuple[str, str]]
"""Draws a value for one of the regions, and says what it is in particular."""

_LETTERS = {
    "0": "0123456789",
    "1": "123456789",
    "A": "BCDFGHJKLMNPQRSTVWXZ",
    "N": "ABCEHJKLMPRSTWXYZ",
    "M": "ABCDEHLMPRST",
    "D": "ABCD",
    "C": "ABCDEFGHILMZ",
    "a": "bcdfghjklmnpqrstvwxz",
    "x": "abcdefghijklmnopqrstuvwxyz0123456789",
}
"""What a letter of a form stands for; every other character stands for itself."""

_CARDS = ("4539 0000 0000 0000", "5412 0000 0000 0000", "2720-0000-0000-0000", "3712 000000 00000")
_MORE_CARDS = ("4539000000000000", "6011 0000 0000 0000", "3612 000000 0000", "3540000000000000")
_IBANS = {
    "DE": "00 0000 0000 0000 0000 00",
    "GB": "00AAAA00000000000000",
    "FR": "00 0000 0000 0000 0000 0000 000",
    "ES": "00 0000 0000 0000 0000 0000",
    "IT": "00A0000000000000000000000",
    "NL": "00 AAAA 0000 0000 00",
    "PL": "00 0000 0000 0000 0000 0000 0000",
    "US": "00AAAA00000000000000",
}
_ID_FORMS = {
    "us_ssn": ("000-00-0000", "Social Security number"),
    "uk_nino": ("NN 00 00 00 D", "National Insurance number"),
    "de_tax_id": ("10 000 000 000", "Steuer-ID"),
    "fr_nir": ("1 00 01 11 000 000 00", "numéro de sécurité sociale"),
    "es_dni": ("00000000A", "DNI"),
    "it_fiscal_code": ("AAAAAA00M01C000A", "codice fiscale"),
    "nl_bsn": ("100000000", "BSN"),
    "pl_pesel": ("00010100000", "PESEL"),
}
_ADDRESSES = {
    "US": "100 {tree} Avenue, {town}, OH 44000",
    "GB": "10 {tree} Road, {town}, LS1 1AA",
    "DE": "{tree}straße 10, 50000 {town}",
    "FR": "10 rue des {tree}s, 63000 {town}",
    "ES": "Calle {tree} 10, 28000 {town}",
    "IT": "Via {tree} 10, 20100 {town}",
    "NL": "{tree}straat 10, 1000 BB {town}",
    "PL": "ul. {tree} 10, 30-000 {town}",
}
_TREES = ("Linden", "Alder", "Rowan", "Cedar", "Hazel", "Maple", "Birch", "Aspen", "Laurel", "Juniper")
_TOWNS = ("Norwick", "Altenau", "Brevel", "Castella", "Domburg", "Estena", "Falken", "Gravel", "Hollen")
_NAMES = ("anna.keller", "j.novak", "lucia_moreau", "marek", "s-visser", "david77", "elena.bianchi+shop")
_PEOPLE: Mapping[str, tuple[str, str]] = {
    "US": ("Jennifer Brandon Melissa Kevin Ashley Tyler", "Hartwell Ramirez Odell Kowalczyk Nguyen Pruitt"),
    "GB": ("Gemma Rhys Imogen Callum Harriet Nigel", "Ashworth Pemberton Okafor Llewellyn Braithwaite Singh"),
    "DE": (
        "Katharina Jürgen Annika Holger Sabine Torsten",
        "Vogelsang Krämer Yildiz Neuhaus Oberländer Lindqvist",
    ),
    "FR": (
        "Élodie Mathieu Camille Benoît Aurélie Thierry",
        "Delacroix Moreau Benali Lefèvre Charpentier Roux",
    ),
    "ES": (
        "Lucía Álvaro Rocío Javier Inmaculada Gonzalo",
        "Echeverría Molina Sáez Quintana Benítez Carrasco",
    ),
    "IT": (
        "Chiara Lorenzo Giulia Matteo Federica Davide",
        "Bellini Ferrante Moretti Zanetti Caruso Lombardo",
    ),
    "NL": ("Anouk Joris Marieke Thijs Femke Ruben", "Hoekstra Vermeulen Bakker Dijkstra Postma Jansen"),
    "PL": (
        "Agnieszka Wojciech Małgorzata Krzysztof Katarzyna Tomasz",
        "Zieliński Wrona Sikorska Pawlak Dudek Mazur",
    ),
}
"""Given names, and surnames, by region; drawn apart."""


def draw_value(kind: Kind, rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    """A value of `kind` in the format of one of `regions`, and what it is called there.

    Regions without such a format are passed over; where none has one, Germany's is used.
    """
    return _DRAWS[kind](rng, regions)


def _fill(form: str, rng: random.Random) -> str:
    return "".join(rng.choice(_LETTERS[c]) if c in _LETTERS else c for c in form)


def _draw_until(form: str, rng: random.Random, accept: Callable[[str], bool]) -> str:
    """The first value of `form` that is accepted: every check here lets one in a thousand pass, or more.

    One place after another is drawn again, which costs half of drawing the whole value again.
    """
    return next(value for value in _vary(form, rng) if accept(value))


def _vary(form: str, rng: random.Random) -> Iterator[str]:
    value = list(_fill(form, rng))
    places = [(i, _LETTERS[c]) for i, c in enumerate(form) if c in _LETTERS]
    while True:
        yield "".join(value)
        place, letters = rng.choice(places)
        value[place] = rng.choice(letters)


def _choose(rng: random.Random, regions: Sequence[str], known: Mapping[str, Any]) -> str:
    return rng.choice([region for region in regions if region in known] or ["DE"])


def _strip(value: str) -> str:
    return re.sub(r"[ -]", "", value)


def _draw_email(rng: random.Random, _: Sequence[str]) -> tuple[str, str]:
    return (
        f"{rng.choice(_NAMES)}@{_fill('aaaaaaa', rng)}.{rng.choice(('com', 'de', 'co.uk', 'fr'))}",
        "e-mail",
    )


def _draw_role_email(rng: random.Random, _: Sequence[str]) -> tuple[str, str]:
    return f"{rng.choice(('support', 'info', 'billing'))}@{_fill('aaaaaaa', rng)}.com", "e-mail"


def _draw_card(rng: random.Random, _: Sequence[str]) -> tuple[str, str]:
    head, tail = (form := rng.choice(_CARDS + _MORE_CARDS))[:4], form[4:]
    number = _draw_until(
        tail, rng, lambda v: is_card(_strip(head + v)) and not is_placeholder(_strip(head + v))
    )
    return head + number, "card"


def _draw_iban(rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    region = _choose(rng, regions, _IBANS)
    country = "GB" if region == "US" else region
    return country + _draw_until(_IBANS[region], rng, lambda v: is_iban(_strip(country + v))), "IBAN"


def _draw_national_id(rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    by_region = {one.region: one for one in BY_NAME.values()}
    one = by_region[_choose(rng, regions, by_region)]
    form, called = _ID_FORMS[one.name]
    return _draw_until(
        form, rng, lambda v: one.shape.fullmatch(v) is not None and one.accepts(v, called)
    ), called


def _draw_ip(rng: random.Random, _: Sequence[str]) -> tuple[str, str]:
    if rng.random() < 0.2:
        return (
            f"2a02:{rng.randrange(1, 65536):x}:{rng.randrange(1, 65536):x}::{rng.randrange(1, 65536):x}",
            "IP",
        )
    return f"85.{rng.randrange(32, 255)}.{rng.randrange(1, 255)}.{rng.randrange(1, 255)}", "IP"


def _draw_address(rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    form = _ADDRESSES[_choose(rng, regions, _ADDRESSES)]
    numbered = re.sub(r"(?<=\d)\d|\d(?=\d)", lambda _: rng.choice("123456789"), form)
    return numbered.format(tree=rng.choice(_TREES), town=rng.choice(_TOWNS)), "address"


def _draw_place(rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    return _draw_address(rng, regions)


def _draw_name(rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    given, surnames = _PEOPLE[_choose(rng, regions, _PEOPLE)]
    return f"{rng.choice(given.split())} {rng.choice(surnames.split())}", "name"


def _draw_birth_date(rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    day, month, year = rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(1945, 2008)
    american = rng.choice(list(regions) or ["US"]) == "US"
    forms = (
        f"{month:02}/{day:02}/{year}" if american else f"{day:02}.{month:02}.{year}",
        f"{year}-{month:02}-{day:02}",
        f"{rng.choice(('March', 'June', 'October'))} {day}, {year}",
    )
    return rng.choice(forms), "date of birth"


def _draw_phone(rng: random.Random, regions: Sequence[str]) -> tuple[str, str]:
    import phonenumbers as library

    known = dict.fromkeys(library.SUPPORTED_REGIONS)
    region = _choose(rng, regions, known)
    kinds = (library.PhoneNumberType.MOBILE, library.PhoneNumberType.FIXED_LINE)
    example = library.example_number_for_type(region, rng.choice(kinds))
    digits = library.national_significant_number(example) if example else "000000000"
    code = library.country_code_for_region(region)

    head = f"+{code}{digits[:3]}"
    rest = _draw_until("0" * len(digits[3:]), rng, lambda v: _is_line(head + v, "phone"))
    style = rng.choice((library.PhoneNumberFormat.INTERNATIONAL, library.PhoneNumberFormat.NATIONAL))
    return library.format_number(library.parse(head + rest, None), style), "telephone"


def _is_line(number: str, kind: Kind) -> bool:
    return read_phone(number, Evidence.NONE, (), frozenset()) == kind


def _draw_hotline(rng: random.Random, _: Sequence[str]) -> tuple[str, str]:
    head = f"+1 8{rng.choice(('00', '88', '77'))} "
    return head + _draw_until("100-0000", rng, lambda v: _is_line(head + v, "hotline")), "hotline"


def _draw_secret(rng: random.Random, _: Sequence[str]) -> tuple[str, str]:
    return rng.choice(("ghp_" + _fill("x" * 36, rng), "sk_live_" + _fill("x" * 24, rng))), "key"


_DRAWS: Mapping[Kind, Draw] = {
    "email": _draw_email,
    "role_email": _draw_role_email,
    "phone": _draw_phone,
    "hotline": _draw_hotline,
    "card": _draw_card,
    "iban": _draw_iban,
    "national_id": _draw_national_id,
    "ip": _draw_ip,
    "address": _draw_address,
    "secret": _draw_secret,
    "place": _draw_place,
    "birth_date": _draw_birth_date,
    "name": _draw_name,
    "mention": _draw_name,
}
