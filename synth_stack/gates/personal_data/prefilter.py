"""What to sieve rows for before looking closely: by kind, regexes that polars runs over every text.

A hint lets too much through and loses nothing: whatever `kinds.Finder` finds in a folded text, its hint
matches there. Which is a property that a test holds.
"""

from dataclasses import dataclass

from synth_stack.gates.personal_data.addresses import POSTCODES, STREETS
from synth_stack.gates.personal_data.kinds import Kind
from synth_stack.gates.personal_data.national_ids import NATIONAL_IDS
from synth_stack.gates.personal_data.phone_evidence import PHONE_STEMS


@dataclass(frozen=True, slots=True)
class Hint:
    """Regexes (Rust's syntax) without which a folded text holds nothing of a kind in one of its forms.

    A text needs `shape`, for which every text is searched, and where there are any, `alone` or, in it or in
    the message before, `words`.
    """

    kind: Kind
    shape: str
    alone: str | None = None
    words: str | None = None


_NEXT_DIGIT = r"(?:[ .()/-]{0,2}\p{N})"
_DIGITS = rf"\p{{N}}{_NEXT_DIGIT}{{6}}"
_CF_DIGITS = r"[\p{N}LMNPQRSTUV]"
_NINO = r"(?i:[A-Z]{2}[ -]?\p{N}{2}[ -]?\p{N}{2}[ -]?\p{N}{2}[ -]?[A-D])"
_FISCAL_CODE = (
    rf"(?i:[A-Z]{{3}} ?[A-Z]{{3}} ?{_CF_DIGITS}{{2}}[A-Z]{_CF_DIGITS}{{2}} ?[A-Z]{_CF_DIGITS}{{3}}[A-Z])"
)

_UNIT_STEMS = (
    r"(?i:(?:apt|apartment|suite|ste|unit|flat|appartement|apto|apartamento|piso|wohnung|whg|lgh|lok|po box"
    r"|p\.? ?o\.? ?box"
    r"|post(?:fach|bus|boks|box)).{0,7}\p{N}|[afd]po,? a[aep],? \p{N})"
)
_HOME_CUES = (
    r"(?i:(?:live[sd]?|living|reside[sd]?|residing|stay(?:s|ing)?) (?:at|on)"
    r"|address(?: of [^\n.]{1,40}?)?(?: is| was| to|:|,)"
    r"|(?:deliver|ship|send|post|mail|forward)(?:ed)?"
    r"(?: (?:it|them|this|that|(?:the|a|my) \S+|a new one))? to"
    r"|(?:moved|moving|move|relocat\S+) (?:in)?to"
    r"|(?:adresse|anschrift|dirección|indirizzo|adres|endereço)(?: ist| est| es| è| is| to)?:?"
    r"|wohn\S* (?:in der|in|am)|habite (?:au|à)?|vivo en|abito in|woon (?:op|aan)|mieszkam (?:przy|na))"
    r"[\s\x1c-\x1f]{0,4}(?:\S+ ){0,4}\p{N}"
)
"""Words that announce a home and, after at most four more, a number. Not `\\b` before them: the engine then
looks for the words themselves, ten times as fast."""

HINTS: tuple[Hint, ...] = (
    Hint("secret", r"A[KS]IA|gh[pousr]_|github_pat_|xox[abprs]-|[sr]k_live_|AIza|PRIVATE KEY-|glpat-|hf_"),
    Hint(
        "iban",
        r"(?i:[A-Z]{2}) ?\p{N}{2}(?:[ .-]?[A-Z\p{N}]){11}|(?i:[A-Z]{2} ?\p{N}{2}[A-Z\p{N}]{11})"
        r"|(?i:[A-Z]{2}\p{N}{2}(?:[ .-][A-Z\p{N}]{4}){2})",
    ),
    Hint("card", r"\p{N}(?:[ .-]?\p{N}){12}"),
    Hint(
        "national_id",
        rf"{_DIGITS}|{_NINO}|{_FISCAL_CODE}",
        alone=r"\p{N}{3}-\p{N}{2}-\p{N}{4}|\p{N}{2} \p{N}{3} \p{N}{3} \p{N}{3}"
        rf"|\p{{N}}(?:[ .-]?\p{{N}}){{12}}|2[ABab][ .]?\p{{N}}{{3}}|{_NINO}|{_FISCAL_CODE}",
        words=rf"(?i:{'|'.join(one.words.pattern for one in NATIONAL_IDS)})",
    ),
    Hint("email", r"[\w+-]@\w|(?i:[\[({<] ?(?:at|@) ?[\])}>])|(?i: at .{1,60} dot )"),
    Hint("ip", r"\p{N}{1,3}\.\p{N}{1,3}\.\p{N}{1,3}\.\p{N}|\p{N}[\p{N}a-fA-F]{3}:[\p{N}a-fA-F:]"),
    Hint("address", POSTCODES, alone=STREETS),
    Hint("address", _UNIT_STEMS),
    Hint("address", _HOME_CUES),
    Hint(
        "phone",
        _DIGITS,
        alone=rf"\+ ?\(?\p{{N}}|(?:^|[^\p{{N}}])\(?0{_NEXT_DIGIT}{{8}}"
        r"|\p{N}{3}\)? ?[-. ]?\p{N}{3}[-. ]\p{N}{4}",
        words=rf"(?i:{'|'.join(PHONE_STEMS)})",
    ),
    Hint(
        "birth_date",
        r"\p{N}{2}",
        alone=r"(?i:born|birth|geb|d\.?o\.?b|n[ée]e? le|naiss|nac[ií]|nasc|nat[oa]|urodz|född|fødsel)",
    ),
    Hint("name", r"\p{Lu}\p{L}|(?i:name|called|heiße|appelle|llamo|chiamo|heet|nazyw|heter)"),
)
"""For polars; role_email, place, hotline and mention are found beside email, address, phone and name."""
