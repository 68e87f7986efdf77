"""The final answer of a solution, whether two of them are the same, and the sums stated on the way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from synth_stack.text.exact_values import (
    ExactValue,
    Value,
    are_equal,
    is_equal,
    is_hundredfold,
    is_rounded,
    is_whole,
    is_within,
    read_value,
)

MAX_ANSWER_CHARS = 400
MAX_PARTS = 32
"""Of an answer that is a list."""

_MARKED = re.compile(r"(?m)^[ \t]*####[ \t]*(\S.*)$")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_SAID = re.compile(
    r"(?i)\banswer\W{0,6}(?:is\b\s*:?|:)\W{0,4}?[ \t]*((?:\\?\$)?[^\n]*?\S)"
    r"(?=[.!]?\*{0,2}[ \t]*(?:\n|$)|[.!]\s)"
)
_WRAPPED = re.compile(r"\A(?:\\\(|\\\[|\$+)(.*?)(?:\\\)|\\\]|\$+)\Z", re.DOTALL)
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_NAMED = re.compile(r"\A\s*[A-Za-z](?:_\{?\w+\}?|\([a-z]\))?\s*=\s*(?=\S)")
_UNIT = re.compile(
    r"(?s)\A(?P<sign>[$€£]?)\s*(?P<value>[-+]?[\d.(\\√π].*?)\s*(?P<unit>(?:[A-Za-z]{2,}|%|°)[^\d]*[23]?\}?)?\Z"
)
_CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound"}
_DECIMAL = re.compile(r"[-+]?[\d,]*\.(\d+)\Z")
_LIST_MARK = re.compile(r"(?m)^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]+")
_CROSS = re.compile(r"(?<=[\d)%])[ \t]*[x×][ \t]*(?=[\d($])")
_RUN = re.compile(r"(?<![-+*/^().,\d\s$%])[-+*/^().,\d\s$%]*+=[-+*/^().,\d\s$%=]*+")
_AFTER_WORDS = re.compile(
    r"(?i)(?:\b(?:of|times|plus|minus|by|over|than|per|to|every|each|from|day|week|weeks|step)|:|(?:\A|[^\w])[^\W\d_])\s*\Z"
    r"|[÷×\u2013\u2212]\s*\Z"
)
"""What makes a number a part of something longer: "half of 10 + 2", "60 minutes x 2/3", "6:00 + 48"."""
_FRACTION_OF = re.compile(r"/[^-+*()]*/")
"""Two divisions in a row: people write 25 / 1/3 and mean 75."""
_ANNOTATED = re.compile(r"<<([^<>=]{1,120})=([^<>=]{1,120})>>")


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """An answer that was read: its parts, each a value with its unit or, where it is none, its words.

    `brackets` are those around a tuple or interval, whose order counts; that of a plain list does not.
    """

    parts: tuple["AnswerPart", ...]
    brackets: str = ""


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """One part of an answer; `places` are its digits after the point, where it is written as a decimal."""

    words: str
    value: ExactValue | None = None
    unit: str = ""
    places: int | None = None

    @property
    def number(self) -> Value | None:
        """The value, where it is a number."""
        return None if self.value is None else self.value.number


@dataclass(frozen=True, slots=True)
class StatedSum:
    """An equation of numbers in a text, and whether it holds."""

    text: str
    holds: bool


def find_marked_answer(text: str) -> str | None:
    r"""What stands after the last `####`, in the last \boxed{}, or after the last "answer is"; else None."""
    if marked := _MARKED.findall(text):
        return str(marked[-1]).strip()
    boxed = [found.end() for found in _BOXED.finditer(text)]
    if boxed and (inside := _read_braces(text, boxed[-1])) is not None:
        return inside.strip() or None
    said = _SAID.findall(text)
    return str(said[-1]).strip().strip("*").strip() or None if said else None


def read_stated_answer(text: str) -> FinalAnswer:
    """An answer as its parts. Raises ValueError for one that is empty or too long."""
    plain = _strip(text)
    if not plain or len(plain) > MAX_ANSWER_CHARS:
        raise ValueError(
            "no answer" if not plain else f"an answer of more than {MAX_ANSWER_CHARS} characters"
        )
    plain = _NAMED.sub("", plain)
    brackets = f"{plain[0]}{plain[-1]}"
    inside = plain[1:-1] if brackets in {"()", "[]", "(]", "[)", "{}"} else plain
    parts = _split(inside)
    if len(parts) == 1:
        return FinalAnswer((_read_part(plain),))
    if len(parts) > MAX_PARTS:
        raise ValueError(f"an answer of more than {MAX_PARTS} parts")
    ordered = brackets if inside is not plain and brackets != "{}" else ""
    return FinalAnswer(tuple(_read_part(part) for part in parts), ordered)


def is_same_answer(one: FinalAnswer, other: FinalAnswer) -> bool:
    """Whether two answers say the same: 1/2 and 0.5, 72 and "72 clips", {1, 2} and "2 and 1"."""
    if len(one.parts) != len(other.parts) or one.brackets != other.brackets:
        return False
    if one.brackets:
        return all(_is_same_part(a, b) for a, b in zip(one.parts, other.parts, strict=True))
    left = list(other.parts)
    for part in one.parts:
        same = next((k for k, candidate in enumerate(left) if _is_same_part(part, candidate)), None)
        if same is None:
            return False
        left.pop(same)
    return True


def list_sums(text: str) -> Iterator[StatedSum]:
    """The equations of numbers alone in a text: those in `<<48/2=24>>`, and those that are written out.

    A side next to a letter belongs to a formula, and one after a word such as "half of" may be a part of
    what is meant; neither is looked at.
    """
    for left, right in _ANNOTATED.findall(text):
        yield from _compare(left, right)
    plain = _CROSS.sub(" * ", _LIST_MARK.sub("", _ANNOTATED.sub(" ", text)))
    for line in plain.splitlines():
        for run in _RUN.finditer(line[:2_000]):
            yield from _read_run(line, run.start(), run.end())


def _read_run(line: str, start: int, end: int) -> Iterator[StatedSum]:
    before, after = line[:start], line[end:]
    sides = line[start:end].split("=")
    spaced = sides[0].lstrip()
    partial = spaced[:1] in {"+", "*", "/", "^", ")", ","} or (spaced[:1] == "-" and spaced[1:2] == " ")
    glued = before[-1:].isalnum() and not line[start].isspace()
    if glued or partial or _AFTER_WORDS.search(before):
        sides[0] = ""
    if (after[:1].isalpha() and not line[end - 1].isspace()) or re.match(r"\\|[b-hj-z](?![A-Za-z])", after):
        sides[-1] = ""
    for left, right in pairwise(sides):
        yield from _compare(left, right)


def _compare(left: str, right: str) -> Iterator[StatedSum]:
    """The equation of two sides, where the left one is a sum and both can be computed."""
    a, b = (side.replace("$", " ").strip().rstrip(".,").strip() for side in (left, right))
    if not re.search(r"\d\s*%?\s*[)}]*\s*[-+*/^]", a) or _FRACTION_OF.search(a) or _FRACTION_OF.search(b):
        return
    try:
        one, other = read_value(a).number, read_value(b).number
    except ValueError:
        return
    if one is not None and other is not None:
        yield StatedSum(f"{a} = {b}"[:120], _holds(one, other, b))


def _holds(one: Value, other: Value, written: str) -> bool:
    """Whether a sum comes to what was written: exactly, rounded, as a percentage, or as whole units of it."""
    if is_equal(one, other) or is_hundredfold(one, other) or is_hundredfold(other, one):
        return True
    bare = written.rstrip("% ")
    found = _DECIMAL.match(bare)
    places = len(found[1]) if found else 0
    if not found and not bare.lstrip("-").isdigit():
        return False
    if not found:  # "100 / 6 = 16 and a bit"
        return not is_whole(one) and is_within(one, other, 1)
    return is_rounded(one, other, places + (2 if bare != written else 0))


def _is_same_part(a: AnswerPart, b: AnswerPart) -> bool:
    if a.value is None or b.value is None:
        return a.value is None and b.value is None and a.words == b.words
    if not _is_same_unit(a.unit, b.unit):
        return False
    if are_equal(a.value, b.value) or _is_rounded_part(a, b) or _is_rounded_part(b, a):
        return True
    share, other = (a.number, b.number) if a.unit == "%" else (b.number, a.number)
    in_percent = "%" in {a.unit, b.unit} and a.unit != b.unit
    return in_percent and share is not None and other is not None and is_hundredfold(share, other)


def _is_rounded_part(part: AnswerPart, exact: AnswerPart) -> bool:
    """Whether a decimal of two places or more is the other one rounded, which no decimal says exactly."""
    one, other = part.number, exact.number
    if one is None or other is None or part.places is None or exact.places is not None:
        return False
    return part.places >= 2 and not _is_decimal(other) and is_rounded(other, one, part.places)


def _is_decimal(value: Value) -> bool:
    """Whether a value can be written with finitely many digits after the point."""
    rest = value.denominator if isinstance(value, Fraction) else 0
    for prime in (2, 5):
        while rest and rest % prime == 0:
            rest //= prime
    return bool(rest == 1)


def _is_same_unit(one: str, other: str) -> bool:
    if not one or not other or "%" in {one, other}:
        return True
    return bool({word.rstrip("s") for word in one.split()} & {word.rstrip("s") for word in other.split()})


def _read_part(text: str) -> AnswerPart:
    plain = _NAMED.sub("", text.strip())
    words = " ".join(re.findall(r"[^\W_]+", plain.lower()))
    if not plain.endswith("%"):
        try:
            return AnswerPart(words, read_value(plain), "", _count_places(plain))
        except ValueError:
            pass  # a number with its unit, or words
    found = _UNIT.match(plain)
    if found is None:
        return AnswerPart(words)
    said = f"{found['unit'] or ''} {_CURRENCIES.get(found['sign'], '')}"
    unit = " ".join(re.findall(r"[a-z]+|[%°]", said.lower()))
    value = found["value"].strip().rstrip(".,")
    try:
        return AnswerPart(words, read_value(value), unit, _count_places(value))
    except ValueError:
        return AnswerPart(words)


def _count_places(text: str) -> int | None:
    found = _DECIMAL.match(text)
    return len(found[1]) if found else None


def _strip(text: str) -> str:
    plain = text.strip().strip("*").strip()
    while found := _WRAPPED.match(plain):
        plain = found[1].strip()
    boxed = _BOXED.match(plain)
    if boxed and (inside := _read_braces(plain, boxed.end())) is not None:
        plain = inside
    plain = _TEXT.sub(r" \1 ", plain).replace("\\circ", "°").replace("^°", "°").replace("^{°}", "°")
    plain = re.sub(r"\\([%$#&])", r"\1", plain).replace("\\{", "{").replace("\\}", "}")
    return plain.strip().rstrip(".").strip()


def _split(text: str) -> list[str]:
    """The parts of a list: at commas and "and" that stand in no bracket, and in no number."""
    parts, depth, start = [], 0, 0
    for found in re.finditer(r"[({\[]|[)}\]]|;|,(?!\d{3}(?!\d))|\s+and\s+|\s+or\s+", text):
        sign = found[0]
        if sign in "({[":
            depth += 1
        elif sign in ")}]":
            depth -= 1
        elif depth == 0:
            parts.append(text[start : found.start()])
            start = found.end()
    parts.append(text[start:])
    return [part for part in parts if part.strip()] or [text]


def _read_braces(text: str, start: int) -> str | None:
    """What stands from `start` up to the brace that closes the one before it."""
    depth = 1
    for place in range(start, min(len(text), start + 4 * MAX_ANSWER_CHARS)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[start:place]
    return None
