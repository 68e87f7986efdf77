"""The decision arithmetic over arrays: the same as decide(), and exact curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.decisions.decide import decide
from synth_stack.decisions.replay.outcomes import (
    FATES,
    GRID_POINTS,
    HELD,
    PASSED,
    REJECTED,
    UNSEEN,
    Graded,
    Said,
    choose_thresholds,
    count_caught,
    draw_curve,
    hold_accepted,
    is_turned_away,
    settle,
)
from synth_stack.rows.schemas import build_candidates, build_verdicts
from tests.some_rows import make_foreign

OUTCOMES = {PASSED: "accept", HELD: "hold", REJECTED: "reject"}
GATES = ["one", "two", "three"]


def name_fates(said: list[list[int]], failed: list[bool] | None = None) -> list[tuple[str, int]]:
    """(decision, gate) of each row; `said` has one list per gate."""
    table = np.array(said, dtype=np.int8)
    fates = settle(table, np.array(failed or [False] * table.shape[1]))
    return [(FATES[d], g) for d, g in zip(fates.decision.tolist(), fates.gate.tolist(), strict=True)]


def grade(said: Said, scores: list[float], threshold: float, *, strict: bool) -> Graded:
    """Rows of which the score alone decides, but for those that it does not explain."""
    score = np.array(scores)
    follows = is_turned_away(score, threshold, strict=strict) == (said == REJECTED)
    return Graded(said, np.where(follows & (said == REJECTED), np.int8(PASSED), said), score, follows)


def test_the_first_gate_that_rejects_decides_then_a_failure_then_the_first_hold() -> None:
    said = [[REJECTED, PASSED, HELD, PASSED, HELD], [REJECTED, REJECTED, HELD, PASSED, REJECTED]]

    assert name_fates(said) == [
        ("rejected", 0), ("rejected", 1), ("held", 0), ("accepted", -1), ("rejected", 1),
    ]  # fmt: skip
    assert name_fates(said, [True] * 5) == [
        ("rejected", 0), ("rejected", 1), ("rejected", -1), ("rejected", -1), ("rejected", 1),
    ]  # fmt: skip


def test_a_row_that_a_gate_never_saw_is_undecided_unless_it_is_rejected_anyway() -> None:
    said = [[PASSED, HELD, REJECTED, UNSEEN, PASSED], [UNSEEN, UNSEEN, UNSEEN, REJECTED, UNSEEN]]

    assert name_fates(said, [False, False, False, False, True]) == [
        ("undecided", 1), ("undecided", 1), ("rejected", 0), ("rejected", 1), ("rejected", -1),
    ]  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), *[st.sampled_from([*OUTCOMES])] * 3), min_size=1, max_size=20))
def test_where_every_gate_has_spoken_the_fates_are_the_decisions(
    rows: list[tuple[bool, int, int, int]],
) -> None:
    candidates = build_candidates(
        make_foreign(None, draw=k, failure="broken" if row[0] else None) for k, row in enumerate(rows)
    )
    said = [[row[1 + gate] for row in rows] for gate in range(3)]
    verdicts = [
        build_verdicts(candidates["row_id"], name, [OUTCOMES[code] for code in codes])
        for name, codes in zip(GATES, said, strict=True)
    ]
    decided = decide(candidates, verdicts)

    fates = name_fates(said, [row[0] for row in rows])
    assert [name for name, _ in fates] == decided["decision"].to_pylist()
    gates = [None if g == "reader" else g for g in decided["gate"].to_pylist()]
    assert [None if g < 0 else GATES[g] for _, g in fates] == gates


def test_a_batch_that_fails_is_held_where_it_would_be_accepted() -> None:
    fates = hold_accepted(settle(np.array([[PASSED, REJECTED, UNSEEN]], dtype=np.int8), np.zeros(3, bool)), 0)

    assert [FATES[d] for d in fates.decision] == ["held", "rejected", "undecided"]
    assert fates.gate.tolist() == [0, 0, 0]


@pytest.mark.parametrize("strict", [True, False])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from([UNSEEN, PASSED, HELD, REJECTED]), st.booleans()),
        min_size=1,
        max_size=30,
    ),
    bar=st.integers(0, 20),
)
@settings(max_examples=60)
def test_each_point_of_a_curve_is_what_settling_at_that_threshold_gives(
    strict: bool, rows: list[tuple[int, int, bool]], bar: int
) -> None:
    def state(threshold: float) -> Said:
        over = scores > threshold if strict else scores >= threshold
        own = np.where(over, REJECTED, PASSED)
        # an odd row is rejected for something else, whatever its score says
        return np.where([odd for _, _, odd in rows], REJECTED, own).astype(np.int8)

    scores = np.array([score / 20 for score, _, _ in rows])
    other = np.array([code for _, code, _ in rows], dtype=np.int8)
    failed = np.zeros(len(rows), dtype=np.bool_)
    now = state(bar / 20)
    rows_graded = grade(now, scores.tolist(), bar / 20, strict=strict)
    odd = np.array([odd for _, _, odd in rows]) & ~rows_graded.follows
    canaries = grade(state(bar / 20)[~odd], scores[~odd].tolist(), bar / 20, strict=strict)
    grid = choose_thresholds(scores, [bar / 20])

    points = draw_curve(
        np.stack([now, other]), failed, 0, rows_graded, canaries, thresholds=grid, strict=strict
    )

    assert [p.threshold for p in points] == grid.tolist()
    for point in points:
        over = scores > point.threshold if strict else scores >= point.threshold
        mine = np.where(rows_graded.follows, np.where(over, REJECTED, PASSED), now).astype(np.int8)
        decision = settle(np.stack([mine, other]), failed).decision.tolist()
        assert point.accepted == decision.count(FATES.index("accepted"))
        assert point.undecided == decision.count(FATES.index("undecided"))
        assert point.caught == count_caught(mine[~odd])


def test_a_hold_of_the_whole_slice_stays_at_every_threshold() -> None:
    said = np.array([HELD, PASSED], dtype=np.int8)
    graded = grade(said, [0.2, 0.2], 0.5, strict=True)
    points = draw_curve(
        said[None], np.zeros(2, bool), 0, graded, graded, thresholds=np.array([0.1, 0.9]), strict=True
    )

    assert [p.accepted for p in points] == [0, 1]


def test_no_score_is_beyond_no_threshold() -> None:
    scores = np.array([np.nan, 0.5, 0.6])

    assert is_turned_away(scores, 0.5, strict=True).tolist() == [False, False, True]
    assert is_turned_away(scores, 0.5, strict=False).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("scores", "grid"),
    [
        ([], [0.85]),
        ([0.3], [0.85]),
        ([np.nan, np.inf], [0.85]),
        ([-1e308, 1e308], [0.85]),
        ([0.0, 0.5], [*(np.arange(51) / 100).tolist(), 0.85]),
    ],
)
def test_a_grid_is_round_and_holds_the_threshold_that_stands(scores: list[float], grid: list[float]) -> None:
    assert choose_thresholds(np.array(scores), [0.85]).tolist() == pytest.approx(grid, abs=0)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20))
def test_a_grid_spans_the_scores_with_a_bounded_number_of_points(scores: list[float]) -> None:
    grid = choose_thresholds(np.array(scores), [0.5])

    assert 0.5 in grid.tolist()
    assert len(grid) <= GRID_POINTS + 2
    assert np.all(np.diff(grid) > 0)


def test_an_empty_run_has_no_fates() -> None:
    assert len(settle(np.empty((2, 0), np.int8), np.zeros(0, bool)).decision) == 0
