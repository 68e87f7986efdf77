import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.dedup.jaccard import Shingled, sketch_sets
from synth_stack.text.ragged import sort_rows
from synth_stack.text.words import mix
from tests.gates.dedup.parted import not_parted

SETS = st.lists(st.sets(st.integers(0, 40), min_size=1), min_size=1, max_size=8)


def shingled(sets: list[set[int]]) -> Shingled:
    values = mix(np.array([v for some in sets for v in sorted(some)], dtype=np.uint64))
    rows = np.repeat(np.arange(len(sets)), [len(some) for some in sets])
    ragged = sort_rows(values, rows, len(sets))
    return Shingled(ragged, sketch_sets(ragged), not_parted(len(sets)), np.arange(len(sets)))


@given(SETS)
def test_a_measure_is_exact_and_a_bound_is_never_below_it(sets: list[set[int]]) -> None:
    rows = shingled(sets)
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(len(sets)), np.arange(len(sets))))
    exact = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in zip(i, j, strict=True)]
    assert rows.measure(i, j).tolist() == exact
    assert (rows.bound(i, j) >= exact).all()


def test_the_bound_of_rows_of_a_hundred_words_is_close() -> None:
    rng = np.random.default_rng(1)
    sets = [set(range(100)) - {int(k)} | {1000 + int(k)} for k in rng.integers(0, 100, 500)]
    rows = shingled(sets)
    i, j = np.arange(499), np.arange(1, 500)
    assert (rows.bound(i, j) - rows.measure(i, j)).mean() < 0.01


def test_more_rows_and_pairs_than_a_block_are_sketched_and_bounded_alike() -> None:
    sets = [{k, k + 1, 7} for k in range(3000)]
    rows = shingled(sets)
    i = np.tile(np.arange(3000), 7)
    bounds = rows.bound(i, np.zeros(len(i), dtype=np.int64))
    assert (bounds.reshape(7, -1) == bounds[:3000]).all()
    assert (rows.sketches[2500] == shingled(sets[2500:2501]).sketches[0]).all()
