"""Canaries: rows of the batch with a value in them that the gate has to see, one kind for each thing it
looks for.

What could be personal data in the row itself is taken out first, so that a canary is caught for its own
value or not at all. The value stands where values stand in earnest: in the middle of a sentence, in a later
message, in a table, in the language of its country, grouped as somebody writes it.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.personal_data.kinds import KINDS, Kind
from synth_stack.gates.personal_data.national_ids import BY_NAME
from synth_stack.gates.personal_data.planting import Base, put
from synth_stack.gates.personal_data.values import draw_value
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

BAR = 0.8
"""Of each kind: .94 to 1.0 of its canaries are caught on the corpora of benchmarks/personal_data_corpora.py,
and none where what looks for it is switched off. Twenty tell the two apart: fewer than 16 are caught 6 times
in 1,000 at .94, and less than once in 10,000 at .99 (binomial).
"""

CAUGHT_AS: Mapping[str, tuple[str, ...]] = {
    **{kind: (f"personal_data.{kind}",) for kind in KINDS},
    **dict.fromkeys(BY_NAME, ("personal_data.national_id",)),
    "hidden_email": ("personal_data.email",),
    "in_code": ("personal_data.phone",),
}
"""The reason class that catches each kind."""

_SAID: Mapping[str, Sequence[str]] = {
    "email": (
        "You can write to me at {} if the parcel has not left by Monday, and I will answer the same day.",
        "Please forward the form to {}, thanks.",
        "| contact | e-mail |\n|---|---|\n| home | {} |",
    ),
    "hidden_email": ("My e-mail is {}, as always.", "Mail it to {} please, my old address is dead."),
    "role_email": ("Please write to {} about it.",),
    "phone": (
        "You can call me on {} after six, since I am at work before that.",
        "I moved house; my new phone number is {}, and the old one is dead.",
        "| customer | mobile phone |\n|---|---|\n| me | {} |",
    ),
    "hotline": ("Their hotline is {}, day and night.",),
    "card": ("I paid with the card {} and was charged twice for it.", "Card number: {}, and nothing came."),
    "iban": ("Please refund it to my account {} this week, and not by cheque.", "IBAN: {}"),
    "national_id": ("As you asked, my {detail} is {}, and the copy is attached.", "{detail}: {}"),
    "ip": ("I was logged in from the IP address {} when it broke.", "My router has the IP {} since Tuesday."),
    "address": (
        "I live at {} now, so please send the next one there.",
        "Please deliver it to {}, on the second floor.",
    ),
    "place": ("The restaurant is at {} and opens at noon.",),
    "secret": ("The key that I used is {} and it stopped working.", "token: {}"),
    "birth_date": ("My date of birth is {}, as on the card.", "Date of birth: {}"),
    "name": ("Hello, my name is {} and I would like to complain.", "Patient: {}"),
    "mention": (
        "Yesterday I spoke about it with {} from the flat next door.",
        "I bought it together with {} last year.",
    ),
    "in_code": (
        '```python\nclient = {{"phone": "{}"}}\nsend(client)\n```',
        '{{"ticket": 7, "phone": "{}", "open": true}}',
    ),
}
"""Sentences by kind; a value stands in the braces, and what it is called in {detail}."""

_AT_HOME: Mapping[str, Sequence[str]] = {
    "DE": (
        "Bitte rufen Sie mich unter {} zurück, am besten abends.",
        "Meine Handynummer ist {}, falls etwas ist.",
    ),
    "FR": ("Vous pouvez m'appeler au {} après dix-huit heures.", "Mon numéro de portable est le {}, merci."),
    "ES": ("Mi número de móvil es el {}, por si acaso.", "Teléfono: {}, a partir de las seis."),
    "IT": ("Il mio numero di cellulare è {}, la sera.", "Telefono: {}, dopo le sei."),
    "NL": ("U kunt mij bellen op {} na zes uur.", "Mijn telefoonnummer is {}, als er iets is."),
    "PL": ("Mój numer telefonu to {}, proszę dzwonić po szóstej.", "tel. {}, najlepiej wieczorem."),
}
"""How telephone numbers are announced in the language of their country."""

Acts = Callable[[Kind, str | None], bool]
"""Whether something is done about a kind in the rows of a locale."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """A kind of canary: of which kind the value is, and of which region where that decides what looks for
    it.
    """

    name: str
    value: Kind
    region: str | None = None


def plant_canaries(
    bases: Sequence[Base], kinds: Sequence[Kind], regions: Sequence[str], acts: Acts, *, n: int, seed: int
) -> pa.Table:
    """Up to n rows of each kind, made of `bases` in turn: each of `kinds`, hidden mailboxes, each identity
    number of `regions`, and what is to be redacted and stands in code. Deterministic in `seed`.
    """
    made = []
    for planned in _plan(kinds, regions):
        rng = random.Random(f"{seed} {planned.name}")  # noqa: S311  (canaries, not keys)
        fit = [base for base in bases if acts(planned.value, base.locale)]
        for k in range(n if fit else 0):
            region = planned.region or regions[k % len(regions)]
            messages = put(fit[k % len(fit)], _say(planned, region, k, rng), k)
            canary = build_canary(fit[k % len(fit)].kind, messages, planned.value, k, kind=planned.name)
            made.append({**canary, "locale": fit[k % len(fit)].locale, "text": _join(messages)})
    return build_candidates(made)


def _join(messages: Sequence[Mapping[str, Any]]) -> str:
    return str(messages[0]["content"]) if messages[0]["role"] == "text" else join_text(messages) or ""


def _plan(kinds: Sequence[Kind], regions: Sequence[str]) -> Iterator[_Planned]:
    for kind in kinds:
        if kind == "national_id":
            for name, one in BY_NAME.items():
                if one.region in regions:
                    yield _Planned(name, kind, one.region)
            continue
        yield _Planned(kind, kind)
        if kind == "email":
            yield _Planned("hidden_email", kind)
        if kind == "phone":
            yield _Planned("in_code", kind)


def _say(planned: _Planned, region: str, k: int, rng: random.Random) -> str:
    value, detail = draw_value(planned.value, rng, (region,))
    sentences = _SAID["national_id" if planned.region else planned.name]
    if planned.name == "phone":
        sentences = (*sentences, *_AT_HOME.get(region, ()))
        value = _regroup(value, k)
    if planned.name == "hidden_email":
        value = _hide(value, k)
    return sentences[k // 2 % len(sentences)].format(value, detail=detail)


def _regroup(value: str, k: int) -> str:
    """The number with stops or hyphens for spaces, or in pairs: three ways in turn, the first as it is."""
    if k % 3 == 0:
        return value
    if k % 3 == 1:
        return re.sub(r"(?<=\d)[ -](?=\d)", "-" if k % 2 else ".", value)
    head, _, tail = value.partition(" ")
    digits = re.sub(r"\D", "", tail)
    if not tail or len(digits) % 2:
        return value
    return " ".join([head, *(digits[at : at + 2] for at in range(0, len(digits), 2))])


def _hide(value: str, k: int) -> str:
    local, _, domain = value.partition("@")
    spoken = f"{local} at {domain.replace('.', ' dot ')}"
    return (
        f"{local} (at) {domain.replace('.', ' (dot) ')}",
        f"{local}[at]{domain.replace('.', '[dot]')}",
        spoken,
    )[k % 3]
