import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.text.ragged import Ragged, measure_jaccard, sort_rows, spread


def ragged(*rows: list[int]) -> Ragged:
    values = np.array(list(itertools.chain(*rows)), dtype=np.uint64)
    return Ragged(values, np.cumsum([0, *[len(row) for row in rows]]))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=8))
def test_numbers_are_spread_from_each_start(runs: list[tuple[int, int]]) -> None:
    starts, lengths = (np.array([run[k] for run in runs], dtype=np.int64) for k in (0, 1))
    expected = [start + k for start, length in runs for k in range(length)]
    assert spread(starts, lengths).tolist() == expected


def test_more_rows_than_sixteen_bits_are_sorted_too() -> None:
    rows = np.arange(70_000)
    sets = sort_rows(np.ones(70_000, dtype=np.uint64), rows, 70_001)
    assert sets.lengths.tolist() == [1] * 70_000 + [0]


@given(st.lists(st.tuples(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30))), max_size=8))
def test_jaccard_is_the_share_of_the_union(pairs: list[tuple[set[int], set[int]]]) -> None:
    left, right = ragged(*[sorted(a) for a, _ in pairs]), ragged(*[sorted(b) for _, b in pairs])
    here = np.arange(len(pairs))
    expected = [len(a & b) / len(a | b) if a | b else 0.0 for a, b in pairs]
    assert measure_jaccard(left, here, right, here).tolist() == expected


def test_jaccard_of_many_large_pairs_stays_exact_across_pieces() -> None:
    left, right = ragged(list(range(3000))), ragged(list(range(1000, 4000)))
    many = np.zeros(3000, dtype=np.int64)
    assert set(measure_jaccard(left, many, right, many).tolist()) == {0.5}
