from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.text.hash_index import HashIndex

HIGHEST = 2**64 - 1
hashes = st.lists(
    st.one_of(st.integers(0, HIGHEST), st.integers(0, 9), st.integers(HIGHEST - 9, HIGHEST)), max_size=60
)


@given(hashes, hashes)
def test_a_hash_is_found_where_it_stands_and_no_other_is(known: list[int], asked: list[int]) -> None:
    distinct = np.array(sorted(set(known)), dtype=np.uint64)
    wanted = np.array(known + asked, dtype=np.uint64)
    place, found = HashIndex.of(distinct).find(wanted)
    assert found.tolist() == [hash_ in set(known) for hash_ in wanted.tolist()]
    assert distinct[place[found]].tolist() == wanted[found].tolist()
    assert not place[~found].any()


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_hashes_of_either_width_are_found_among_many(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    every = np.unique(rng.integers(0, np.iinfo(dtype).max, 20_000, dtype=dtype, endpoint=True))
    known = every[::2]
    place, found = HashIndex[Any].of(known).find(every)
    assert found.tolist() == [k % 2 == 0 for k in range(len(every))]
    assert np.array_equal(known[place[found]], known)
