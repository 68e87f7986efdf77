"""Calendar days and months as people write them in a chat: English names and ISO 8601.

Days of numbers alone (3/5/2026) are not read: which of the two is the month cannot be told.
"""

import re
from calendar import monthrange
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?:,? [0-9]{4})?"
DATE = (
    rf"(?:{_DAY}(?: of)? {_MONTH}\b\.?{_YEAR}|{_MONTH}\.? {_DAY}\b{_YEAR}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"
)
"""A day, case aside: "3 May", "3rd of May 2026", "May 3, 2026", "2026-05-03"; for `re` and for Rust's."""
MONTH = rf"{_MONTH}\b\.?(?:,? [0-9]{{4}})?"
"""A month, case aside: "May", "May 2026"."""
FORMS = "a day such as 3 May, May 3, 2026 or 2026-05-03"

_LEAP_YEAR = 2024
_WHOLE = re.compile(DATE, re.IGNORECASE)
_WHOLE_MONTH = re.compile(MONTH, re.IGNORECASE)
_NAMED = re.compile("|".join(_MONTHS))


class Day(NamedTuple):
    """A day, as far as it was said: of a month alone the day is not, and the year need not be."""

    month: int
    day: int | None
    year: int | None

    def may_be(self, other: "Day") -> bool:
        """Whether both can be the same day: what only one of them says does not part them."""
        return all(None in pair or pair[0] == pair[1] for pair in zip(self, other, strict=True))


def read_day(text: str) -> Day | None:
    """The day that `text` is, from its first character to its last; None where it is none of the calendar."""
    text = text.lower()
    if not _WHOLE.fullmatch(text):
        return None
    numbers = _read_numbers(text)
    if text[0].isdigit() and "-" in text:
        year, month, day = numbers
        return _check(month, day, year)
    day, *years = numbers
    return _check(_read_month(text), day, years[0] if years else None)


def read_month(text: str) -> Day | None:
    """The month that `text` is, of a year where one is said; None where it is none."""
    text = text.lower()
    if not _WHOLE_MONTH.fullmatch(text):
        return None
    years = _read_numbers(text)
    return Day(_read_month(text), None, years[0] if years else None)


def _read_numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", text)]


def _read_month(text: str) -> int:
    """The number of the month that is named in a text which is known to name one."""
    return next(_MONTHS.index(name) + 1 for name in _NAMED.findall(text))


def _check(month: int, day: int, year: int | None) -> Day | None:
    """The day, where a calendar has it; of no year, where that of a leap year has it."""
    in_year = _LEAP_YEAR if year is None else year
    if 1 <= month <= len(_MONTHS) and in_year > 0 and 1 <= day <= monthrange(in_year, month)[1]:
        return Day(month, day, year)
    return None
