"""Formulas are computed exactly, as sympy computes them, and hostile ones are refused at once."""

import time
from fractions import Fraction

import pytest
import sympy  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.text.exact_values import are_equal, read_value
from tests.examples import examples


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\frac{1}{2}", "0.5"),
        (r"\dfrac12", "1/2"),
        (r"3\frac{1}{2}", "7/2"),
        ("3 1/2", "3.5"),
        ("-2 1/2", "-2.5"),
        ("1,234.5", "1234.5"),
        ("12{,}000", "12000"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        (r"\sqrt[3]{27}", "3"),
        (r"2 \cdot 3 \times 4 ÷ 6", "4"),
        ("2π", r"2\pi"),
        ("x^2 - 1", "(x-1)(x+1)"),
        ("2x(3 - y)", "6x - 2xy"),
        ("2^3^2", "512"),
        ("-2^2", "-4"),
        ("25%", "1/4"),
        (r"\left(\frac{a}{b}\right)^2", "a^2/b^2"),
    ],
)
def test_two_forms_of_one_value_are_equal(one: str, other: str) -> None:
    assert are_equal(read_value(one), read_value(other))


@pytest.mark.parametrize(
    ("one", "other"), [("1/3", "0.333"), ("x", "y"), ("x^2", "2x"), (r"\sqrt{2}", "1.41421356")]
)
def test_what_is_only_near_is_another_value(one: str, other: str) -> None:
    assert not are_equal(read_value(one), read_value(other))


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9", "9^9^9", "9^(9^9)", "2^(2^20)", "((((2^99)^99)^99)^99)", "1/0", "1/(x-x)", "0^(-1)", r"\sqrt{-1}",
        "(" * 200, "(" * 100 + "1" + ")" * 100, "-" * 399, "1" * 401, "", "two", "1 2", "1 +", "()", r"\frac{1}",
        "__import__('os')", "e^x^x^x^99999", "1e400", "١" * 500, "^" * 100, "{" * 30 + "1",
    ],
)  # fmt: skip
def test_what_is_no_formula_or_would_grow_is_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=r"."):
        read_value(text)
    assert time.process_time() - started < 0.2


_NUMBERS = st.fractions(min_value=-50, max_value=50, max_denominator=20).map(lambda x: f"({x})")
_FORMULAS = st.recursive(
    _NUMBERS | st.sampled_from(["x", "y", "2", "0.25"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
    max_leaves=6,
)


@settings(max_examples=examples(60), deadline=None)
@given(_FORMULAS, _FORMULAS)
def test_formulas_are_equal_where_sympy_says_so(one: str, other: str) -> None:
    difference = sympy.expand(sympy.sympify(one, rational=True) - sympy.sympify(other, rational=True))
    assert are_equal(read_value(one), read_value(other)) is bool(difference == 0)
    assert are_equal(read_value(one), read_value(str(sympy.expand(sympy.sympify(one, rational=True)))))


def test_a_number_is_exact() -> None:
    assert read_value("0.1 + 0.2").number == Fraction(3, 10)
    assert read_value("x").number is None
