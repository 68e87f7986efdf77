"""What to sieve rows for before looking closely: by kind, regexes that polars runs over every text.

A hint lets too much through and loses nothing: whatever `kinds.Finder` finds in a folded text, its hint
matches there. Which is a property that a test holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from synth_stack.gates.personal_data.addresses import POSTCODES, STREETS
from synth_stack.gates.personal_data.kinds import Kind
from synth_stack.gates.personal_data.national_ids import NATIONAL_IDS
from synth_stack.gates.personal_data.phones import PHONE_WORDS


@dataclass(frozen=True, slots=True)
class Hint:
    """Regexes (Rust's syntax) without which a folded text holds nothing of a kind.

    A text needs `shape`, and where there are any, `alone` or, in it or in the message before, `words`.
    """

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

HINTS: Mapping[Kind, Hint] = {
    "secret": Hint(r"A[KS]IA|gh[pousr]_|github_pat_|xox[abprs]-|[sr]k_live_|AIza|PRIVATE KEY-|glpat-|hf_"),
    "iban": Hint(
        r"(?i:[A-Z]{2}) ?\p{N}{2}(?:[ .-]?[A-Z\p{N}]){11}|(?i:[A-Z]{2} ?\p{N}{2}[A-Z\p{N}]{11})"
        r"|(?i:[A-Z]{2}\p{N}{2}(?:[ .-][A-Z\p{N}]{4}){2})"
    ),
    "card": Hint(r"\p{N}(?:[ .-]?\p{N}){12}"),
    "national_id": Hint(
        rf"{_DIGITS}|{_NINO}|{_FISCAL_CODE}",
        alone=r"\p{N}{3}-\p{N}{2}-\p{N}{4}|\p{N}{2} \p{N}{3} \p{N}{3} \p{N}{3}"
        rf"|\p{{N}}(?:[ .-]?\p{{N}}){{12}}|2[ABab][ .]?\p{{N}}{{3}}|{_NINO}|{_FISCAL_CODE}",
        words=rf"(?i:{'|'.join(one.words.pattern for one in NATIONAL_IDS)})",
    ),
    "email": Hint(r"[\w+-]@\w|(?i:[\[({<] ?(?:at|@) ?[\])}>])|(?i: at .{1,60} dot )"),
    "ip": Hint(r"\p{N}{1,3}\.\p{N}{1,3}\.\p{N}{1,3}\.\p{N}|\p{N}[\p{N}a-fA-F]{3}:[\p{N}a-fA-F:]"),
    "address": Hint(POSTCODES, alone=STREETS),
    "phone": Hint(
        _DIGITS,
        alone=rf"\+ ?\(?\p{{N}}|(?:^|[^\p{{N}}])\(?0{_NEXT_DIGIT}{{8}}"
        r"|\p{N}{3}\)? ?[-. ]?\p{N}{3}[-. ]\p{N}{4}|\p{N}{2,3}(?:[ .()/-]{1,2}\p{N}{2,3}){3}",
        words=rf"(?i:{PHONE_WORDS.pattern})",
    ),
}
"""By kind, for polars; role_email and hotline are found beside email and phone."""
