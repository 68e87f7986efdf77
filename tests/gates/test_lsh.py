import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.lsh import Buckets, choose_bands, growing, sign_bands
from synth_stack.text import Counts, sort_rows


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99])
def test_bands_find_pairs_at_the_threshold_within_the_budget(threshold: float) -> None:
    bands, rows = choose_bands(threshold)
    assert 1 - (1 - threshold**rows) ** bands >= 0.995
    assert bands * rows <= 160


def test_the_default_threshold_takes_seventeen_bands_of_eight() -> None:
    assert choose_bands(0.85) == (17, 8)


def test_equal_sets_get_equal_keys_and_the_seed_changes_them() -> None:
    values = np.array([5, 9, 5, 9, 7, 8], dtype=np.uint64)
    sets = sort_rows(values, np.array([0, 0, 1, 1, 2, 2]), 3)
    keys = sign_bands(sets, 17, 8, seed=1)
    assert keys.shape == (3, 17)
    assert (keys[0] == keys[1]).all()
    assert not (keys[0] == keys[2]).any()
    assert not (keys == sign_bands(sets, 17, 8, seed=2)).any()


def test_no_sets_have_no_keys() -> None:
    nothing = sort_rows(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), 0)
    assert sign_bands(nothing, 17, 8, seed=1).shape == (0, 17)


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40), max_size=6))
def test_rows_meet_exactly_those_that_share_a_band(blocks: list[list[tuple[int, int]]]) -> None:
    buckets = Buckets()
    known: list[tuple[int, int]] = []
    for block in blocks:
        # A band's number is part of its key, as sign_bands makes them; slots collide on purpose.
        keys = np.array([(a << 40, b << 40 | 1) for a, b in block], dtype=np.uint64).reshape(-1, 2)
        met = {(q, k) for queries, rows in buckets.meet(keys) for q, k in zip(queries, rows, strict=True)}
        expected = {
            (q, k)
            for q, mine in enumerate(block)
            for k, theirs in enumerate(known)
            if any(x == y for x, y in zip(mine, theirs, strict=True))
        }
        assert met == expected
        buckets.add(keys, len(known) + np.arange(len(block)))
        known += block


def test_a_table_that_outgrows_its_slots_still_finds_every_row() -> None:
    buckets = Buckets()
    keys = np.random.default_rng(3).integers(0, 2**63, size=(9000, 3), dtype=np.uint64)
    for first in range(0, 9000, 1000):
        buckets.add(keys[first : first + 1000], first + np.arange(1000))
    pairs: list[tuple[Counts, Counts]] = list(buckets.meet(keys))
    assert all((queries == rows).all() for queries, rows in pairs)
    assert sum(len(queries) for queries, _ in pairs) == 9000


def test_a_growing_array_keeps_what_it_was_given() -> None:
    array = growing(np.int64)
    for first in range(0, 100, 7):
        array.extend(np.arange(first, min(first + 7, 100)))
    assert array.filled.tolist() == list(range(100))
