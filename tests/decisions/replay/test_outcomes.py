"""The arithmetic of yield curves over arrays: the same as decide(), and exact."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.decisions.decide import Rule, decide
from synth_stack.decisions.replay.outcomes import (
    GRID_POINTS,
    HELD,
    PASSED,
    REJECTED,
    UNSEEN,
    BothSides,
    Others,
    Point,
    Said,
    choose_thresholds,
    draw_curve,
    is_beyond,
)
from synth_stack.rows.schemas import OUTCOMES, build_candidates, build_verdicts
from tests.examples import examples
from tests.some_rows import make_foreign

CODES = {"accept": PASSED, "abstain": PASSED, "hold": HELD, "reject": REJECTED, None: UNSEEN}
GATES = ("one", "two", "three")
NOBODY = np.zeros(1, dtype=np.bool_)

Outcome = str | None
Row = tuple[bool, tuple[Outcome, Outcome, Outcome, Outcome]]
"""Whether it was broken; what three gates said of it, and a person."""


def encode(outcomes: list[Outcome]) -> Said:
    return np.array([CODES[outcome] for outcome in outcomes], dtype=np.int8)


def sum_up(rows: list[Row]) -> Others:
    """What the second and third gate and the person say, and which rows were broken."""
    said = np.stack([encode([outcomes[i] for _, outcomes in rows]) for i in (1, 2)])
    person = {o: np.array([outcomes[3] == o for _, outcomes in rows]) for o in OUTCOMES}
    return Others(
        rejected=(said == REJECTED).any(axis=0) | person["reject"] | np.array([broken for broken, _ in rows]),
        unseen=(said == UNSEEN).any(axis=0),
        released=person["accept"],
        held=(said == HELD).any(axis=0) | person["hold"],
    )


@settings(max_examples=examples(200))
@given(
    st.lists(
        st.tuples(st.booleans(), st.tuples(*[st.sampled_from([*OUTCOMES, None])] * 4)),
        min_size=1,
        max_size=20,
    )
)
def test_rows_are_accepted_as_decide_says_with_overriding_verdicts_and_open_where_a_gate_is_missing(
    rows: list[Any],
) -> None:
    candidates = build_candidates(
        make_foreign(None, draw=k, failure="broken" if broken else None) for k, (broken, _) in enumerate(rows)
    )
    ids = candidates["row_id"].to_pylist()
    verdicts = []
    for place, gate in enumerate((*GATES, "review")):
        said = {row_id: outcomes[place] for row_id, (_, outcomes) in zip(ids, rows, strict=True)}
        spoken = {row_id: outcome for row_id, outcome in said.items() if outcome is not None}
        verdicts.append(build_verdicts([*spoken], gate, [*spoken.values()]))
    decided = decide(candidates, verdicts, Rule(GATES))["decision"].to_pylist()
    others, first = sum_up(rows), encode([outcomes[0] for _, outcomes in rows])
    accepted, undecided = others.accepts(first).tolist(), others.leaves_open(first).tolist()

    for (_, outcomes), decision, is_accepted, is_open in zip(rows, decided, accepted, undecided, strict=True):
        unseen = None in outcomes[:3]
        assert is_open == (unseen and decision != "rejected")
        assert is_accepted == (not unseen and decision == "accepted")


def draw(
    rows: BothSides, thresholds: list[float], rejects: str, others: Others | None = None
) -> tuple[Point, ...]:
    n = len(rows.scores)
    no = np.zeros(n, dtype=np.bool_)
    return draw_curve(rows, others or Others(no, no, no, no), rows, thresholds, rejects)


@pytest.mark.parametrize("rejects", [">", ">=", "<"])
@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 20)),
            st.sampled_from([UNSEEN, PASSED, HELD, REJECTED]),
            st.sampled_from([UNSEEN, PASSED, HELD, REJECTED]),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=examples(60))
def test_each_point_of_a_curve_counts_every_row_on_its_side(
    rejects: str, rows: list[tuple[int | None, int, int]]
) -> None:
    scores = np.array([np.nan if score is None else score / 20 for score, _, _ in rows])
    beyond, within = (np.array([row[i] for row in rows], dtype=np.int8) for i in (1, 2))
    thresholds = (np.arange(22) / 20).tolist()

    for point in draw(BothSides(scores, beyond, within), thresholds, rejects):
        said = np.where(is_beyond(scores, point.threshold, rejects), beyond, within)
        assert point.accepted == np.count_nonzero(said == PASSED)
        assert point.undecided == np.count_nonzero(said == UNSEEN)
        assert point.caught == np.count_nonzero(said >= HELD)


def test_a_row_without_a_score_is_within_at_every_threshold() -> None:
    rows = BothSides(np.array([np.nan]), encode(["reject"]), encode(["hold"]))
    assert draw(rows, [-1.0, 2.0], "<") == (Point(-1.0, 0, 0, 1), Point(2.0, 0, 0, 1))


def test_what_a_person_released_is_accepted_where_the_gate_only_holds_it() -> None:
    rows = BothSides(np.array([0.5]), encode(["hold"]), encode(["accept"]))
    released = Others(NOBODY, NOBODY, ~NOBODY, NOBODY)
    assert [p.accepted for p in draw(rows, [0.1, 0.9], ">", released)] == [1, 1]
    assert [p.accepted for p in draw(rows, [0.1, 0.9], ">")] == [0, 1]


@pytest.mark.parametrize(
    ("rejects", "expected"),
    [(">", [False, False, True]), (">=", [False, True, True]), ("<", [False, False, False])],
)
def test_no_score_is_beyond_no_threshold(rejects: str, expected: list[bool]) -> None:
    assert is_beyond(np.array([np.nan, 0.5, 0.6]), 0.5, rejects).tolist() == expected
    assert is_beyond(np.array([np.nan, 0.4]), 0.5, "<").tolist() == [False, True]


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
    assert choose_thresholds(np.array(scores), 0.85).tolist() == pytest.approx(grid, abs=0)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20))
def test_a_grid_spans_the_scores_with_a_bounded_number_of_points(scores: list[float]) -> None:
    grid = choose_thresholds(np.array(scores), 0.5)

    assert 0.5 in grid.tolist()
    assert len(grid) <= GRID_POINTS + 2
    assert np.all(np.diff(grid) > 0)


def test_an_empty_run_has_a_curve_of_nothing() -> None:
    empty = np.empty(0)
    points = draw(BothSides(empty, empty.astype(np.int8), empty.astype(np.int8)), [0.5], ">")
    assert points == (Point(0.5, 0, 0, 0),)
