import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.decisions.histograms import BINS, MAX_SCORE, Histogram, build_histogram, read_scores
from synth_stack.rows.schemas import build_verdicts


def histogram(
    scores: list[float | None], thresholds: dict[float, int] | None = None, outcome: str = "accept"
) -> Histogram:
    ids = pa.array([f"{i:032x}" for i in range(len(scores))], pa.string())
    part = build_verdicts(ids, "dedup", [outcome] * len(scores), scores=scores)
    return build_histogram("dedup", [read_scores(part)], Counter(thresholds or {}), verdicts=len(scores))


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=40))
def test_every_verdict_is_either_in_one_bin_or_unscored(scores: list[float | None]) -> None:
    found = histogram(scores)
    drawable = [s for s in scores if s is not None and abs(s) <= MAX_SCORE]
    assert found.scored == sum(found.counts["accept"]) == len(drawable)
    assert found.unscored == len(scores) - len(drawable)
    assert len(found.edges) == BINS + 1
    assert all(math.isfinite(edge) for edge in found.edges)


@pytest.mark.parametrize(
    ("scores", "thresholds", "ends"),
    [
        ([], {}, (0.0, 1.0)),
        ([0.2, 0.4], {0.85: 2}, (0.0, 1.0)),
        ([0.2, 7.5], {3.5: 2}, (0.0, 7.5)),
        ([0.2], {9.0: 1}, (0.0, 9.0)),
        ([-2.0, 3.0], {}, (-2.0, 3.0)),
        ([-2.0, -2.0], {}, (-2.0, 0.0)),
    ],
)
def test_the_axis_holds_every_score_and_threshold(
    scores: list[float | None], thresholds: dict[float, int], ends: tuple[float, float]
) -> None:
    found = histogram(scores, thresholds)
    assert (found.edges[0], found.edges[-1]) == ends


def test_scores_are_counted_under_their_outcome() -> None:
    found = histogram([0.01, 0.99, 0.999], outcome="reject")
    assert (found.counts["reject"][0], found.counts["reject"][-1]) == (1, 2)
    assert not any(found.counts["accept"])


def test_only_the_most_frequent_thresholds_are_kept_in_order() -> None:
    found = histogram([0.5], {0.1 * i: i for i in range(1, 9)} | {math.inf: 1})
    assert found.thresholds == tuple(sorted(0.1 * i for i in range(4, 9)))
