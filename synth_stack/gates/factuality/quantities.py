"""Numbers with what they count, brought to one unit: "two weeks" and "14 days" are the same duration."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from synth_stack.gates.factuality.number_words import AND_HALF, SCALES, SMALL, TENS, read_number, read_range
from synth_stack.gates.factuality.tokens import Token
from synth_stack.gates.factuality.units import AMBIGUOUS, UNITS
from synth_stack.gates.factuality.word_forms import FUNCTION_WORDS, read_idea
from synth_stack.text.dates import DATE, read_day

_TIMES = {"twice": 2.0, "thrice": 3.0}  # "once" is a conjunction far more often than a number
_AT_MOST_BEFORE = re.compile(
    r"\b(up to|(no|not) (more|later|longer|greater|larger) than"
    r"|(within|under|below|maximum|max|most|until)( of| the)?)$"
)
_AT_LEAST_BEFORE = re.compile(
    r"\b((no|not) (less|fewer) than|(least|over|above|minimum|min|exceeds?)( of)?)$"
)
_AT_MOST_AFTER = re.compile(r"(\w+ ){0,2}or (less|fewer|under|below|sooner)\b")
_AT_LEAST_AFTER = re.compile(r"(\w+ ){0,2}or (more|later|above|older|over|longer)\b")
_MORE_THAN = re.compile(r"\b(more|larger|longer|greater|higher|older|heavier|later|bigger|above) than$")
_LESS_THAN = re.compile(r"\b(less|fewer|smaller|shorter|lower|younger|lighter|earlier|sooner|below) than$")
_OPENS_DURATION = frozenset(
    "within in for after than take takes last lasts every under another about to is half".split()
)
_WEEKDAYS = {
    day: float(k) for k, day in enumerate("monday tuesday wednesday thursday friday saturday sunday".split())
}
_ANY_DATE = re.compile(rf"\b{DATE}", re.IGNORECASE)
_CLOCK = re.compile(r"([01]?\d|2[0-4])[:.]([0-5]\d)")
_UNIT_AHEAD = 4  # "5 working/business days": words between a number and its unit
_CONVERTED = 0.025
"""How far two numbers of different units may be apart and still be one rounded conversion of the other."""
_BEFORE_COUNTED = frozenset("other more of different the these those our your".split())
_LAST_YEAR = 2100
_SKIPPED_LABELS = frozenset("step steps option figure table chapter part number no question answer".split())


class Quantity(NamedTuple):
    """A number as said: `dimension` is a kind of unit, or what is counted; `low` and `high` in base units.

    `bound` is 1 for "at least", -1 for "at most"; `unit` the word of its unit; `ideas` what is counted.
    """

    dimension: str
    low: float
    high: float
    bound: int
    unit: str
    ideas: frozenset[str]
    start: int
    end: int

    def equals(self, other: "Quantity") -> bool:
        """Whether both are one number, in whatever unit; of ranges one end may be left out."""
        if self.dimension != other.dimension:
            return False
        slack = 1e-9 if self.unit == other.unit or self.dimension in {"time", "data"} else _CONVERTED
        if self.low == self.high and other.low == other.high:
            return _near(self.low, other.low, slack)
        ends = {(self.low, other.low), (self.high, other.high)}
        if self.low == self.high or other.low == other.high:
            ends = {(self.low, other.high)} if _near(self.low, other.high, slack) else ends
            ends = {(self.high, other.low)} if _near(self.high, other.low, slack) else ends
            if self.low == self.high and other.low < self.low < other.high and self.unit == other.unit:
                return True  # a value inside a range cannot be told from it
            if _near(self.low, other.low, slack) or _near(self.high, other.high, slack):
                return True
        return all(_near(a, b, slack) for a, b in ends)


def read_quantities(text: str, tokens: Sequence[Token]) -> list[Quantity]:
    """The quantities of a sentence in order: dates, clock times, weekdays, amounts, counts."""
    found, taken = [], 0
    for match in _ANY_DATE.finditer(text) if any(t.is_digit for t in tokens) else ():
        day = read_day(match[0])
        if day is not None:
            value = day.month * 100.0 + (day.day or 0)
            found.append(Quantity("date", value, value, 0, "", frozenset(), *match.span()))
    dates = [(q.start, q.end) for q in found]
    k = 0
    while k < len(tokens):
        token = tokens[k]
        inside = any(start <= token.start < end for start, end in dates)
        if inside or token.start < taken or not _may_be_number(token.low):
            k += 1
            continue
        read = _read_at(tokens, k)
        if read is None:
            k += 1
            continue
        quantity, after = read
        found.append(quantity)
        taken, k = quantity.end, max(after, k + 1)
    return sorted(found, key=lambda q: q.start)


def _near(a: float, b: float, slack: float) -> bool:
    return abs(a - b) <= slack * max(abs(a), abs(b))


def _may_be_number(word: str) -> bool:
    return (
        word[0].isdecimal()
        or word in SMALL
        or word in TENS
        or word in SCALES
        or word in {"a", "an", "half", "couple"}
        or word in _TIMES
        or word in _WEEKDAYS
    )


def _read_at(tokens: Sequence[Token], k: int) -> tuple[Quantity, int] | None:
    """The quantity that begins at token k, and the token after it."""
    token = tokens[k]
    if token.low in _WEEKDAYS:
        value = _WEEKDAYS[token.low]
        return Quantity("weekday", value, value, 0, "", frozenset(), token.start, token.end), k + 1
    if token.low in _TIMES:
        value, counted = _TIMES[token.low], frozenset({"time"})
        return Quantity("count", value, value, 0, "times", counted, token.start, token.end), k + 1
    if token.low in {"a", "an"}:
        return _read_article(tokens, k)
    clock = _read_clock(tokens, k)
    if clock is not None:
        return clock
    first = read_number(tokens, k)
    if first is None:
        return None
    low, after = first
    high, after = read_range(tokens, after, low)
    return _add_unit(tokens, k, after, (low, high))


def _read_article(tokens: Sequence[Token], k: int) -> tuple[Quantity, int] | None:
    """Such as "a week", "an hour", "a couple of days", "half a year" where a duration may stand."""
    if k + 1 >= len(tokens):
        return None
    following = tokens[k + 1].low
    if following in SCALES or following == "couple":
        value = 2.0 if following == "couple" else SCALES[following]
        after = k + 2 + (k + 2 < len(tokens) and tokens[k + 2].low == "of")
        return _add_unit(tokens, k, after, (value, value))
    opens = k > 0 and tokens[k - 1].low in _OPENS_DURATION
    if opens and UNITS.get(following, ("", 0))[0] == "time" and following not in AMBIGUOUS:
        return _add_unit(tokens, k, k + 1, (1.0, 1.0))
    return None


def _read_clock(tokens: Sequence[Token], k: int) -> tuple[Quantity, int] | None:
    """Such as "3 am", "9:30", "17.00" before "hours" aside."""
    token = tokens[k]
    match = _CLOCK.fullmatch(token.low)
    half = tokens[k + 1].low.replace(".", "") if k + 1 < len(tokens) else ""
    if half not in {"am", "pm"}:
        if match is None or ":" not in token.low:
            return None
        value = int(match[1]) * 60.0 + int(match[2])
        return Quantity("clock", value, value, 0, "", frozenset(), token.start, token.end), k + 1
    if match is None and not (token.low.isdecimal() and int(token.low) <= 12):
        return None
    hour, minute = (int(match[1]), int(match[2])) if match else (int(token.low), 0)
    value = (hour % 12 + 12 * (half == "pm")) * 60.0 + minute
    return Quantity("clock", value, value, 0, "", frozenset(), token.start, tokens[k + 1].end), k + 2


def _add_unit(
    tokens: Sequence[Token], first: int, after: int, ends: tuple[float, float]
) -> tuple[Quantity, int] | None:
    low, high = ends
    start, end = tokens[first].start, tokens[after - 1].end
    digits = tokens[first].is_digit
    bound = _read_bound(tokens, first, after)
    before = tokens[first - 1].low if first else ""
    if before in UNITS and UNITS[before][0].startswith("money") and before not in AMBIGUOUS:
        dimension, factor = UNITS[before]
        start = tokens[first - 1].start
        return Quantity(dimension, low * factor, high * factor, bound, before, frozenset(), start, end), after
    degrees = _read_degrees(tokens, after, low, high)
    if degrees is not None:
        value, unit, k = degrees
        return Quantity("heat", *value, bound, unit, frozenset(), start, tokens[k - 1].end), k
    for k in range(after, min(after + _UNIT_AHEAD, len(tokens))):
        word = tokens[k].low
        known = UNITS.get(word)
        if known and not (word in AMBIGUOUS and not (digits and k == after)):
            dimension, factor = known
            half, last = (0.5, k + 4) if [t.low for t in tokens[k + 1 : k + 4]] == AND_HALF else (0.0, k + 1)
            span = start, tokens[last - 1].end
            ends = (low + half) * factor, (high + half) * factor
            return Quantity(dimension, *ends, bound, word, frozenset(), *span), last
        if not (word.isalpha() and word not in FUNCTION_WORDS) and word not in {"-", "/"}:
            break
    return _count(tokens, first, after, (low, high), bound)


def _read_degrees(
    tokens: Sequence[Token], k: int, low: float, high: float
) -> tuple[tuple[float, float], str, int] | None:
    if k >= len(tokens) or tokens[k].low not in {"°", "degrees", "degree"}:
        return None
    following = tokens[k + 1].low if k + 1 < len(tokens) else ""
    if following in {"f", "fahrenheit"}:
        return ((low - 32) / 1.8 + 273.15, (high - 32) / 1.8 + 273.15), "f", k + 2
    if following in {"c", "celsius", "centigrade"}:
        return (low + 273.15, high + 273.15), "c", k + 2
    return (low, high), "degrees", k + 1


def _count(
    tokens: Sequence[Token], first: int, after: int, ends: tuple[float, float], bound: int
) -> tuple[Quantity, int] | None:
    """A number without a unit: a year, a version after a name, or a count of what is named after it."""
    start, end = tokens[first].start, tokens[after - 1].end
    before = tokens[first - 1] if first else None
    if before is not None and before.low in _SKIPPED_LABELS:
        return None
    bare = tokens[first].low
    ideas: list[str] = []
    for token in tokens[after : after + 3]:
        if token.low == "-" and not ideas:
            continue
        if not token.low[0].isalpha():
            break
        idea = None if token.low in UNITS else read_idea(token.low)
        if idea is None and (ideas or token.low not in _BEFORE_COUNTED):
            break
        ideas += [idea.name] if idea else []
    four = bare.isdecimal() and len(bare) == 4 and 1000 <= ends[0] <= ends[1] <= 9999
    if four and not (ideas and ends[0] > _LAST_YEAR):
        return Quantity("year", *ends, bound, "", frozenset(), start, end), after
    if not ideas and before is not None and any(c.isupper() for c in before.text) and first > 1:
        return Quantity(f"label {before.low}", *ends, bound, "", frozenset(), start, end), after
    if not ideas and not tokens[first].is_digit and not bound:
        return None  # "one of them", "the other two"
    if bare == "one" and ends[1] == 1:
        return None
    return Quantity("count", *ends, bound, "", frozenset(ideas), start, end), after


def _read_bound(tokens: Sequence[Token], first: int, after: int) -> int:
    """1 where the words around a number make it a least, -1 a most, else 0."""
    said = " ".join(t.low for t in tokens[max(0, first - 3) : first])
    following = " ".join(t.low for t in tokens[after : after + 5])
    if _AT_MOST_BEFORE.search(said) or _LESS_THAN.search(said):
        return -1
    if _AT_LEAST_BEFORE.search(said) or _MORE_THAN.search(said):
        return 1
    if _AT_LEAST_AFTER.match(following):
        return 1
    return -1 if _AT_MOST_AFTER.match(following) else 0
