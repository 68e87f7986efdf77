"""The plans of ISO 2859-1:1999, against rows of its tables 1 and 2-A and of the tables of its curves."""

import numpy as np
import pytest

from synth_stack.errors import ConfigError
from synth_stack.stats.acceptance import operating_curve, single
from synth_stack.stats.iso_2859 import AQLS, LETTERS, SAMPLE_SIZES, code_letter, find_iso

TABLE_1 = {
    (2, 8): "A", (9, 15): "B", (16, 25): "C", (26, 50): "D", (51, 90): "E", (91, 150): "F", (151, 280): "G",
    (281, 500): "H", (501, 1_200): "J", (1_201, 3_200): "K", (3_201, 10_000): "L", (10_001, 35_000): "M",
    (35_001, 150_000): "N", (150_001, 500_000): "P", (500_001, 10**9): "Q",
}  # fmt: skip
"""Lot sizes and the code letters of general inspection level II."""

# n and Ac by code letter A, B, C, ... Q, arrows followed: columns of table 2-A, master table of normal inspection.
TABLE_2_A = {
    0.65: [(20, 0)] * 7 + [(80, 1), (80, 1), (125, 2), (200, 3), (315, 5), (500, 7), (800, 10), (1250, 14)],
    1.0: [(13, 0)] * 6
    + [(50, 1), (50, 1), (80, 2), (125, 3), (200, 5), (315, 7), (500, 10), (800, 14), (1250, 21)],
    2.5: [(5, 0)] * 4
    + [
        (20, 1),
        (20, 1),
        (32, 2),
        (50, 3),
        (80, 5),
        (125, 7),
        (200, 10),
        (315, 14),
        (500, 21),
        (500, 21),
        (500, 21),
    ],
    6.5: [(2, 0)] * 2
    + [(8, 1), (8, 1), (13, 2), (20, 3), (32, 5), (50, 7), (80, 10), (125, 14)]
    + [(200, 21)] * 5,
    10.0: [(5, 1)] * 3 + [(8, 2), (13, 3), (20, 5), (32, 7), (50, 10), (80, 14)] + [(125, 21)] * 6,
    0.025: [(500, 0)] * 14 + [(2000, 1)],
}


@pytest.mark.parametrize(("sizes", "letter"), TABLE_1.items())
def test_code_letters_are_those_of_table_1(sizes: tuple[int, int], letter: str) -> None:
    assert {code_letter(size) for size in sizes} == {letter}


@pytest.mark.parametrize("aql", TABLE_2_A)
def test_sample_sizes_and_acceptance_numbers_are_those_of_table_2_a(aql: float) -> None:
    plans = [find_iso(low, aql) for (low, _) in TABLE_1]
    expected = [single(min(n, low), c) for (n, c), (low, _) in zip(TABLE_2_A[aql], TABLE_1, strict=True)]
    assert plans == expected


def test_a_sample_as_large_as_the_lot_reads_all_of_it() -> None:
    assert find_iso(10, 0.10).n == 10


@pytest.mark.parametrize(
    ("letter", "accept", "percent_at"),
    [
        # Lot percent nonconforming at probabilities of acceptance of 99, 95, 90, 50, 10, 5 and 1%.
        ("E", 0, [0.077, 0.394, 0.807, 5.19, 16.2, 20.6, 29.8]),  # table 10-E-1, AQL 1.0
        ("J", 2, [0.550, 1.03, 1.39, 3.33, 6.52, 7.66, 10.1]),  # table 10-J-1, AQL 1.0
        ("K", 3, [0.661, 1.10, 1.40, 2.93, 5.27, 6.09, 7.86]),  # table 10-K-1, AQL 1.0
    ],
)
def test_the_operating_curves_are_those_of_the_standard(
    letter: str, accept: int, percent_at: list[float]
) -> None:
    size = 10_000_000  # its tables are binomial: for lots that are large beside the sample
    passes = operating_curve(single(SAMPLE_SIZES[letter], accept), size, [p / 100 for p in percent_at])
    assert np.abs(passes - [0.99, 0.95, 0.90, 0.50, 0.10, 0.05, 0.01]).max() < 0.0035


def test_an_aql_and_a_lot_that_the_standard_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no such AQL; seen: 1\.2"):
        find_iso(100, 1.2)
    with pytest.raises(ConfigError, match="a lot of less than two"):
        code_letter(1)
    assert len(AQLS) == 16
    assert len(LETTERS) == 15
