"""Numbers and small formulas as people and LaTeX write them, computed exactly and within bounds.

Rational arithmetic is exact; roots and pi have 50 digits. A formula with letters is computed at three fixed
points, so that two forms of one polynomial are equal (Schwartz 1980, Zippel 1979: another one of small degree
agrees there by chance alone). What it does not know it refuses, and what would grow it never computes.
"""

import decimal
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

MAX_CHARS = 400
"""Of a formula: the longest final answer of MATH has 159."""
MAX_DEPTH = 30
MAX_EXPONENT = 100
MAX_BITS = 4_096
"""Of numerator or denominator of anything that is computed: 1,233 digits."""

Value = Fraction | Decimal

_OPENING = {"(": ")", "{": "}"}

_DIGITS = decimal.Context(prec=50, Emax=9_999, Emin=-9_999)
_PI = Decimal("3.14159265358979323846264338327950288419716939937510")
_NEAR = Decimal("1e-30")
_POINTS = (Fraction(7, 3), Fraction(-11, 5), Fraction(29, 13))
"""Values of a letter; each letter has its own multiple of them."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.\d+|\.\d+|\d+)"
    r"|(?P<name>\\(?:frac|sqrt)|pi(?![A-Za-z])|sqrt(?=\s*\()|[A-Za-z](?![A-Za-z])|[abcnxyz](?=[abcnxyz]+(?![A-Za-z])))|(?P<sign>\*\*|[-+*/^(){}\[\]%]))"
)
_WRITTEN = (
    (re.compile(r"\\(?:left|right|displaystyle|limits)(?![A-Za-z])|\\[!,;: ]|~"), " "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile(r"\\(?:cdot|times)(?![A-Za-z])|[×·⋅∗]"), "*"),
    (re.compile(r"\\div(?![A-Za-z])|÷"), "/"),
    (re.compile("[\u2212\u2013]"), "-"),
    (re.compile(r"\\pi(?![A-Za-z])|π"), " pi "),
    (re.compile(r"√"), "sqrt"),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"(?<![\d.,/])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])"), r"(\1+\2/\3)"),
)
"""What is the same in other signs; the last is a mixed number."""


@dataclass(frozen=True, slots=True)
class ExactValue:
    """What a formula comes to: one value for each of the points, all the same where it has no letter."""

    values: tuple[Value, ...]

    @property
    def number(self) -> Value | None:
        """The value, where it is a number."""
        return self.values[0] if all(is_equal(self.values[0], other) for other in self.values) else None


def read_value(text: str) -> ExactValue:
    """What a formula comes to.

    Raises ValueError for what is no formula, is too long or nested too deep, divides by zero, or would be
    larger than MAX_BITS: `9**9**9` is refused before it is computed.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"a formula of more than {MAX_CHARS} characters")
    for pattern, sign in _WRITTEN:
        text = pattern.sub(sign, text)
    tokens = _cut(text)
    values = []
    for point in _POINTS:
        with decimal.localcontext(_DIGITS):
            try:
                values.append(_Formula(tokens, point).compute())
            except (ArithmeticError, RecursionError) as exc:
                raise ValueError(f"it cannot be computed: {type(exc).__name__}") from exc
    return ExactValue(tuple(values))


def are_equal(one: ExactValue, other: ExactValue) -> bool:
    """Whether two formulas come to the same, at every point."""
    return all(is_equal(a, b) for a, b in zip(one.values, other.values, strict=True))


def is_equal(a: Value, b: Value) -> bool:
    """Whether two values are the same: rational ones exactly, others to 30 digits."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    with decimal.localcontext(_DIGITS):
        left, right = _as_decimal(a), _as_decimal(b)
        return abs(left - right) <= _NEAR * max(Decimal(1), abs(left))


def is_hundredfold(value: Value, share: Value) -> bool:
    """Whether one value is the other in per cent."""
    return is_equal(value, _join(share, Fraction(100), lambda a, b: a * b))


def is_whole(value: Value) -> bool:
    """Whether a value is a whole number."""
    return is_equal(value, Fraction(round(value)))


def is_within(a: Value, b: Value, distance: int) -> bool:
    """Whether two values are less than `distance` apart."""
    with decimal.localcontext(_DIGITS):
        return abs(_as_decimal(a) - _as_decimal(b)) < distance


def is_rounded(value: Value, rounded: Value, places: int) -> bool:
    """Whether one value is the other, rounded to so many places after the point."""
    with decimal.localcontext(_DIGITS):
        half = Decimal(1).scaleb(-places) / 2
        return abs(_as_decimal(value) - _as_decimal(rounded)) <= half + _NEAR


def _cut(text: str) -> list[str]:
    tokens, place = [], 0
    text = text.strip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError("it is no formula")
        tokens.append(found[0].strip().replace("**", "^"))
        place = found.end()
    if not tokens:
        raise ValueError("there is no formula")
    return tokens


class _Formula:
    """Tokens read from left to right; `compute` gives their value where letters stand for `point`."""

    def __init__(self, tokens: Sequence[str], point: Fraction) -> None:
        self._tokens = tokens
        self._point = point
        self._place = 0
        self._depth = 0

    def compute(self) -> Value:
        value = self._sum()
        if self._next() is not None:
            raise ValueError("it is no formula")
        return value

    def _next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self, *signs: str) -> str | None:
        sign = self._next()
        if sign is None or sign not in signs:
            return None
        self._place += 1
        return sign

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        value = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            value = _join(value, other, (lambda a, b: a + b) if sign == "+" else (lambda a, b: a - b))
        self._depth -= 1
        return value

    def _product(self) -> Value:
        value = self._signed()
        while True:
            sign = self._take("*", "/")
            if sign is None and not self._begins_factor():
                return value
            other = self._signed() if sign else self._power()
            value = _join(value, other, (lambda a, b: a / b) if sign == "/" else (lambda a, b: a * b))

    def _begins_factor(self) -> bool:
        """Whether what comes next is multiplied without a sign: a letter, a root, a bracket."""
        sign = self._next()
        return sign is not None and (sign in {"(", "{"} or sign[0] == "\\" or sign[0].isalpha())

    def _signed(self) -> Value:
        minus = False
        while sign := self._take("-", "+"):
            minus ^= sign == "-"
        value = self._power()
        return -value if minus else value

    def _power(self) -> Value:
        base = self._atom()
        while self._take("%"):
            base = _join(base, Fraction(100), lambda a, b: a / b)
        if not self._take("^"):
            return base
        return _raise(base, self._signed_power())

    def _signed_power(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        value = self._signed()
        self._depth -= 1
        return value

    def _atom(self) -> Value:
        sign = self._next()
        if sign is None:
            raise ValueError("it ends too soon")
        self._place += 1
        if sign[0].isdigit() or sign[0] == ".":
            number = _bound(Fraction(sign.replace(",", "")))
            if self._next() != "\\frac":
                return number
            return _join(number, self._atom(), lambda a, b: a + b)  # a mixed number
        if sign in _OPENING:
            return self._close(_OPENING[sign])
        return self._named(sign)

    def _named(self, name: str) -> Value:
        if name == "\\frac":
            top, bottom = self._argument(), self._argument()
            return _join(top, bottom, lambda a, b: a / b)
        if name in {"\\sqrt", "sqrt"}:
            return self._root()
        if name == "pi":
            return _PI
        if name.isalpha():
            return self._point * (ord(name) % 59 + 1)
        raise ValueError("it is no formula")

    def _argument(self) -> Value:
        r"""A group in braces, or one digit: \frac12 is a half."""
        digits = self._next()
        if digits is not None and digits.isdigit() and len(digits) == 2:
            self._tokens = [*self._tokens[: self._place], *digits, *self._tokens[self._place + 1 :]]
        return self._atom()

    def _root(self) -> Value:
        if self._take("["):
            index = self._sum()
            if not self._take("]"):
                raise ValueError("a bracket is not closed")
            return _raise(self._atom(), _join(Fraction(1), index, lambda a, b: a / b))
        return _raise(self._atom(), Fraction(1, 2))

    def _close(self, sign: str) -> Value:
        value = self._sum()
        if not self._take(sign):
            raise ValueError("a bracket is not closed")
        return value


def _join(a: Value, b: Value, operate: Callable[[Any, Any], Any]) -> Value:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _bound(Fraction(operate(a, b)))
    return Decimal(operate(_as_decimal(a), _as_decimal(b)))


def _bound(value: Value) -> Value:
    if (
        isinstance(value, Fraction)
        and max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS
    ):
        raise ValueError(f"a number of more than {MAX_BITS} bits")
    return value


def _raise(base: Value, exponent: Value) -> Value:
    """The power, where its exponent is a small whole number or one over such a number."""
    if (
        not isinstance(exponent, Fraction)
        or max(abs(exponent.numerator), exponent.denominator) > MAX_EXPONENT
    ):
        raise ValueError("an exponent that is not computed")
    if exponent.denominator != 1:
        return _raise(_take_root(base, exponent.denominator), Fraction(exponent.numerator))
    power = exponent.numerator
    if isinstance(base, Decimal):
        return Decimal(base**power)
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(power) > MAX_BITS:
        raise ValueError(f"a number of more than {MAX_BITS} bits")
    return Fraction(base**power)


def _take_root(base: Value, index: int) -> Value:
    if base < 0:
        if index % 2 == 0:
            raise ValueError("an even root of a negative number")
        return -_take_root(-base, index)
    if isinstance(base, Fraction) and index == 2:
        top, bottom = math.isqrt(base.numerator), math.isqrt(base.denominator)
        if top * top == base.numerator and bottom * bottom == base.denominator:
            return Fraction(top, bottom)
    if isinstance(base, Fraction) and (exact := _find_whole_root(base, index)) is not None:
        return exact
    number = _as_decimal(base)
    return number.sqrt() if index == 2 else number ** (Decimal(1) / index)


def _find_whole_root(base: Fraction, index: int) -> Fraction | None:
    """The root of a whole number that is one again, so that the cube root of 8 is 2."""
    if base.denominator != 1 or base.numerator >= 2**53:
        return None
    near = round(float(base.numerator) ** (1 / index))
    return Fraction(near) if near**index == base.numerator else None


def _as_decimal(value: Value) -> Decimal:
    if isinstance(value, Decimal):
        return value
    return Decimal(value.numerator) / Decimal(value.denominator)
