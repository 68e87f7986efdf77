"""Agreement against the published examples: Krippendorff 2011, Cohen 1960."""

import pytest

from synth_stack.stats.agreement import cohen_kappa, compare_raters, krippendorff_alpha

# Krippendorff (2011), section C: 12 units, observers A to D, nominal alpha 0.743.
OBSERVERS = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]


def read_units(observers: list[str]) -> list[list[str]]:
    return [[v for v in unit if v != "."] for unit in zip(*(line.split() for line in observers), strict=True)]


def test_alpha_is_that_of_the_published_example_with_missing_values() -> None:
    assert krippendorff_alpha(read_units(OBSERVERS)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_that_of_the_published_examples_of_two_observers() -> None:
    # Section A, binary, 10 units: 0.095. Section B, nominal, 12 units: 0.692.
    binary = ["0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0"]
    assert krippendorff_alpha(read_units(binary)) == pytest.approx(0.095, abs=5e-4)
    nominal = ["a a b b d c c c e d d a", "b a b b b c c c e d d d"]
    assert krippendorff_alpha(read_units(nominal)) == pytest.approx(0.692, abs=5e-4)


def test_alpha_of_full_agreement_is_one_and_of_opposites_is_below_nothing() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1
    opposite = krippendorff_alpha([["a", "b"], ["b", "a"]])
    assert opposite is not None
    assert opposite < 0


@pytest.mark.parametrize("units", [[], [["a"], ["b"]], [["a", "a"], ["a", "a", "a"]]])
def test_alpha_is_unknown_where_nothing_varies_or_nothing_pairs(units: list[list[str]]) -> None:
    assert krippendorff_alpha(units) is None


def test_kappa_is_that_of_the_published_example() -> None:
    # Cohen (1960), table 1: 200 joint judgements, kappa 0.492 (p_o 0.70, p_c 0.41).
    table = [("A", "A", 88), ("A", "B", 14), ("A", "C", 18), ("B", "A", 10), ("B", "B", 40), ("B", "C", 10)]
    table += [("C", "A", 2), ("C", "B", 6), ("C", "C", 12)]
    pairs = [(a, b) for a, b, n in table for _ in range(n)]
    assert cohen_kappa(pairs) == pytest.approx(0.492, abs=5e-4)


def test_kappa_is_unknown_where_chance_explains_everything() -> None:
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")] * 5) is None
    assert cohen_kappa([("a", "b")] * 5) == 0


def test_raters_are_compared_where_they_judged_the_same_units() -> None:
    said = {"z": {"1": "x", "2": "y", "3": "x"}, "a": {"1": "x", "2": "x", "3": "x"}, "m": {"9": "x"}}
    [pair] = compare_raters(said)
    assert (pair.first, pair.second, pair.units) == ("a", "z", 3)
    assert pair.agree == pytest.approx(2 / 3)
    assert pair.kappa == 0
    assert pair.kappa_high == pytest.approx(0.949, abs=1e-3)
