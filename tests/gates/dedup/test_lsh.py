import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.dedup.lsh import build_buckets, choose_bands, find_buckets, pair_up, sign_bands
from synth_stack.text.ragged import Ragged, sort_rows

KEYS = st.lists(st.integers(0, 9), max_size=60).map(lambda keys: np.array(keys, dtype=np.uint32))


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99])
def test_bands_find_pairs_at_the_threshold_within_the_budget(threshold: float) -> None:
    bands, rows = choose_bands(threshold)
    assert 1 - (1 - threshold**rows) ** bands >= 0.995
    assert bands * rows <= 160


def test_the_default_threshold_takes_seventeen_bands_of_eight() -> None:
    assert choose_bands(0.85) == (17, 8)


def test_equal_sets_get_equal_keys_and_the_seed_changes_them() -> None:
    values = np.array([5, 9, 5, 9, 7, 8], dtype=np.uint64) << np.uint64(40)
    sets = sort_rows(values, np.array([0, 0, 1, 1, 2, 2]), 3)
    keys = sign_bands(sets, 17, 8, seed=1)
    assert keys.shape == (3, 17)
    assert (keys[0] == keys[1]).all()
    assert not (keys[0] == keys[2]).any()
    assert not (keys == sign_bands(sets, 17, 8, seed=2)).any()


def test_order_and_repetition_of_values_do_not_show_in_the_keys() -> None:
    values = np.array([3, 1, 2, 1, 3, 2, 1, 1], dtype=np.uint64) << np.uint64(40)
    sets = Ragged(values, np.array([0, 3, 8]))
    one, other = sign_bands(sets, 17, 8, seed=1)
    assert (one == other).all()


def test_no_sets_have_no_keys() -> None:
    nothing = sort_rows(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), 0)
    assert sign_bands(nothing, 17, 8, seed=1).shape == (0, 17)


def test_a_set_larger_than_the_inner_block_is_signed_as_in_company() -> None:
    values = np.random.default_rng(3).integers(0, 2**63, 300_000, dtype=np.uint64)
    sets = Ragged(values, np.array([0, 10, 200_000, 200_001, 300_000]))
    together = sign_bands(sets, 3, 2, seed=1)
    alone = [sign_bands(sets.take(np.array([row])), 3, 2, seed=1) for row in range(4)]
    assert (together == np.concatenate(alone)).all()


@pytest.mark.parametrize("shared", [46, 60, 67, 70])
def test_bands_agree_as_often_as_independent_minhashes_would(shared: int) -> None:
    size, pairs, bands, rows = 73, 4000, 17, 8
    rng = np.random.default_rng(5)
    common, mine, yours = (
        rng.integers(0, 2**64, (pairs, n), dtype=np.uint64) for n in (shared, size - shared, size - shared)
    )
    offsets = np.arange(pairs + 1) * size
    keys = [
        sign_bands(Ragged(np.concatenate([common, own], axis=1).ravel(), offsets), bands, rows, seed=9)
        for own in (mine, yours)
    ]
    expected = (shared / (2 * size - shared)) ** rows
    agreed = keys[0] == keys[1]
    sigma = (expected * (1 - expected) / agreed.size) ** 0.5
    assert abs(agreed.mean() - expected) < 4 * sigma
    found = 1 - (1 - expected) ** bands
    assert abs(agreed.any(axis=1).mean() - found) < 4 * (found * (1 - found) / pairs) ** 0.5


@given(KEYS)
def test_a_bucket_holds_exactly_the_rows_that_share_a_key(
    keys: np.ndarray[tuple[int], np.dtype[np.uint32]],
) -> None:
    buckets = find_buckets(keys)
    met = [buckets.rows[buckets.firsts == first].tolist() for first in dict.fromkeys(buckets.firsts.tolist())]
    expected = [np.flatnonzero(keys == key).tolist() for key in sorted(set(keys.tolist()))]
    assert met == [rows for rows in expected if len(rows) > 1]
    again = build_buckets(buckets.rows, buckets.opens)
    assert again.firsts.tolist() == buckets.firsts.tolist()
    places = [list(range(len(rows))) for rows in met]
    assert buckets.places.tolist() == [place for some in places for place in some]


@given(KEYS, st.data())
def test_a_row_that_is_left_alone_in_its_bucket_is_left_out_too(
    keys: np.ndarray[tuple[int], np.dtype[np.uint32]], data: st.DataObject
) -> None:
    buckets = find_buckets(keys)
    size = len(buckets.rows)
    stay = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)
    rest = buckets.only(stay)
    kept = buckets.rows[stay]
    several = [row for row in kept.tolist() if (keys[kept] == keys[row]).sum() > 1]
    assert rest.rows.tolist() == several
    assert all(keys[rest.rows[first]] == keys[row] for row, first in zip(rest.rows, rest.firsts, strict=True))


@given(KEYS, st.integers(0, 60), st.integers(1, 5), st.integers(0, 60))
def test_queries_are_paired_with_the_heads_before_them(
    keys: np.ndarray[tuple[int], np.dtype[np.uint32]], until: int, places: int, since: int
) -> None:
    buckets = find_buckets(keys)
    heads = (buckets.rows < until) & (buckets.places < places)
    i, j = pair_up(buckets, heads, buckets.rows >= since)
    expected = {
        (later, earlier)
        for later in range(since, len(keys))
        for earlier in range(min(later, until))
        if keys[later] == keys[earlier] and (keys[:earlier] == keys[earlier]).sum() < places
    }
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == expected
    assert len(i) == len(expected)
