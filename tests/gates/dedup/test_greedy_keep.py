import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from synth_stack.gates.dedup import greedy_keep as greedy
from synth_stack.gates.dedup.greedy_keep import NO_TWIN, Contest, settle
from synth_stack.gates.dedup.jaccard import Shingled, sketch_sets
from synth_stack.gates.dedup.lsh import Meetings, find_meetings
from synth_stack.text.ragged import sort_rows
from synth_stack.text.words import mix

SETS = st.lists(st.sets(st.integers(0, 12), min_size=1), min_size=1, max_size=40)


def contest(
    sets: list[set[int]], bands: list[Meetings], *, fixed: int = 0, canaries: int = 0, threshold: float = 0.6
) -> Contest:
    values = mix(np.array([v for some in sets for v in sorted(some)], dtype=np.uint64))
    ragged = sort_rows(values, np.repeat(np.arange(len(sets)), [len(some) for some in sets]), len(sets))
    shingled = Shingled(ragged, sketch_sets(ragged), np.arange(len(sets)))
    canary = np.arange(len(sets)) >= len(sets) - canaries
    return Contest(shingled, bands, fixed, canary, threshold, threshold - 0.1)


def everybody(sets: list[set[int]]) -> list[Meetings]:
    return [find_meetings(np.zeros(len(sets), dtype=np.uint32))]


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
@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
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
        patch.setattr(greedy, "_ROUND_PAIRS", pairs)
        settled = settle(contest(sets, [find_meetings(band) for band in keys], fixed=fixed))
    kept = settle_in_order(sets, met, fixed)
    assert settled.kept.tolist() == kept
    for row in range(fixed, n):
        scores = {k: similar(sets[row], sets[k]) for k in range(row) if kept[k] and (row, k) in met}
        scores = {k: score for k, score in scores.items() if score > 0.5}
        best = max(scores.values(), default=0)
        assert settled.best[row] == best
        assert settled.twin[row] in ([k for k in scores if scores[k] == best] or [NO_TWIN])


def test_rows_that_meet_nobody_stay() -> None:
    settled = settle(contest([{1}, {1}], [find_meetings(np.arange(2, dtype=np.uint32))]))
    assert settled.kept.all()
    assert (settled.twin == NO_TWIN).all()


def test_a_canary_is_compared_with_rejected_rows_too_and_turns_nobody_away() -> None:
    base = set(range(20))
    sets = [base, base - {0, 1, 2}, base - {0, 1, 2, 3, 4, 5, 6}, base - {0, 1, 2, 3, 4, 5, 6}, {99}]
    settled = settle(contest(sets, everybody(sets), canaries=3, threshold=0.7))
    assert settled.kept.tolist() == [True, False, False, False, True]
    assert settled.twin.tolist()[1:4] == [0, 1, 1]
