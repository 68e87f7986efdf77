import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from synth_stack.gates.dedup import greedy_keep
from synth_stack.gates.dedup.greedy_keep import NO_TWIN, KeepTask, settle
from synth_stack.gates.dedup.jaccard import Shingled, sketch_sets
from synth_stack.gates.dedup.lsh import Buckets, find_buckets, pair_up
from synth_stack.text.ragged import Ragged, offsets_of, sort_rows
from synth_stack.text.words import mix
from tests.examples import examples
from tests.gates.dedup.parted import not_parted

SETS = st.lists(st.sets(st.integers(0, 12), min_size=1), min_size=1, max_size=40)


def make_task(
    sets: list[set[int]], bands: list[Buckets], *, fixed: int = 0, canaries: int = 0, threshold: float = 0.6
) -> KeepTask:
    values = mix(np.array([v for some in sets for v in sorted(some)], dtype=np.uint64))
    ragged = sort_rows(values, np.repeat(np.arange(len(sets)), [len(some) for some in sets]), len(sets))
    shingled = Shingled(ragged, sketch_sets(ragged), not_parted(len(sets)), np.arange(len(sets)))
    canary = np.arange(len(sets)) >= len(sets) - canaries
    return KeepTask(shingled, bands, fixed, canary, threshold, threshold - 0.1)


def in_one_bucket(sets: list[set[int]]) -> list[Buckets]:
    return [find_buckets(np.zeros(len(sets), dtype=np.uint32))]


def similar(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other)


def settle_in_order(sets: list[set[int]], met: set[tuple[int, int]], fixed: int) -> list[bool]:
    """The sequential rule, row by row."""
    kept: list[bool] = []
    for row, mine in enumerate(sets):
        mates = [k for k in range(row) if kept[k] and (row, k) in met]
        kept.append(row < fixed or not any(similar(mine, sets[k]) > 0.6 for k in mates))
    return kept


@pytest.mark.parametrize("pairs", [1, 7, 1 << 22])
@settings(max_examples=examples(60), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(sets=SETS, data=st.data())
def test_rounds_settle_as_the_sequential_rule_does(
    sets: list[set[int]], data: st.DataObject, pairs: int
) -> None:
    n = len(sets)
    keys = [
        np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)), dtype=np.uint32)
        for _ in range(3)
    ]
    fixed = data.draw(st.integers(0, n))
    met = {(i, j) for band in keys for i in range(n) for j in range(i) if band[i] == band[j]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greedy_keep, "_ROUND_PAIRS", pairs)
        settled = settle(make_task(sets, [find_buckets(band) for band in keys], fixed=fixed))
    kept = settle_in_order(sets, met, fixed)
    assert settled.kept.tolist() == kept
    for row in range(fixed, n):
        scores = {k: similar(sets[row], sets[k]) for k in range(row) if kept[k] and (row, k) in met}
        scores = {k: score for k, score in scores.items() if score > 0.5}
        best = max(scores.values(), default=0)
        assert settled.best[row] == best
        assert settled.twin[row] == next((k for k in scores if scores[k] == best), NO_TWIN)


def test_rows_that_share_no_bucket_are_kept() -> None:
    settled = settle(make_task([{1}, {1}], [find_buckets(np.arange(2, dtype=np.uint32))]))
    assert settled.kept.all()
    assert (settled.twin == NO_TWIN).all()


def test_a_canary_is_compared_with_rejected_rows_too_and_rejects_no_row() -> None:
    base = set(range(20))
    sets = [base, base - {0, 1, 2}, base - {0, 1, 2, 3, 4, 5, 6}, base - {0, 1, 2, 3, 4, 5, 6}, {99}]
    settled = settle(make_task(sets, in_one_bucket(sets), canaries=3, threshold=0.7))
    assert settled.kept.tolist() == [True, False, False, False, True]
    assert settled.twin.tolist()[1:4] == [0, 1, 1]


def draw_task(rng: np.random.Generator) -> KeepTask:
    """Sets of eight values, grown from one another so that equal similarities abound, in lossy buckets."""
    pool = rng.integers(0, 2**63, 400, dtype=np.uint64)
    sets = [rng.choice(pool, 8, replace=False)]
    for _ in range(int(rng.integers(3, 60))):
        grown = sets[rng.integers(len(sets))].copy()
        changed = rng.choice(8, int(rng.integers(0, 4)), replace=False)
        grown[changed] = rng.choice(pool, len(changed))
        sets.append(grown)
    sets = [np.unique(some) for some in sets]
    n = len(sets)
    ragged = Ragged(np.concatenate(sets), offsets_of(np.array([len(some) for some in sets])))
    bands = [
        find_buckets(
            np.array([some[rng.integers(3)] & np.uint64(0xFFFFFFFF) for some in sets], dtype=np.uint32)
        )
        for _ in range(3)
    ]
    threshold = float(rng.choice([0.5, 0.6, 0.7]))
    shingled = Shingled(ragged, sketch_sets(ragged), not_parted(n), np.arange(n))
    return KeepTask(
        shingled, bands, int(rng.integers(0, n // 4 + 1)), np.zeros(n, dtype=bool), threshold, threshold - 0.2
    )


def keep_one_by_one(task: KeepTask) -> tuple[list[bool], list[float], list[int]]:
    """The definition: each row against every kept row before it that shares a bucket, the first of equals."""
    n = len(task.canary)
    found = [
        pair_up(b, np.ones(len(b.rows), dtype=bool), np.ones(len(b.rows), dtype=bool)) for b in task.bands
    ]
    i, j = np.divmod(np.unique(np.concatenate([later * n + earlier for later, earlier in found])), n)
    similarity = task.shingled.measure(i, j)
    kept, best, twin = [False] * n, [0.0] * n, [NO_TWIN] * n
    for row in range(n):
        for pair in np.flatnonzero(i == row) if row >= task.fixed else ():
            if kept[j[pair]] and similarity[pair] > max(task.floor, best[row]):
                best[row], twin[row] = float(similarity[pair]), int(j[pair])
        kept[row] = row < task.fixed or best[row] <= task.threshold
    return kept, best, twin


@pytest.mark.parametrize("pairs", [3, 1 << 22])
def test_of_equally_similar_rows_the_first_is_the_twin_however_rounds_are_cut(
    monkeypatch: pytest.MonkeyPatch, pairs: int
) -> None:
    monkeypatch.setattr(greedy_keep, "_ROUND_PAIRS", pairs)
    for seed in range(120):
        task = draw_task(np.random.default_rng(seed))
        settled = settle(task)
        found = (settled.kept.tolist(), settled.best.tolist(), settled.twin.tolist())
        assert found == keep_one_by_one(task)
