"""What one gate says under other dials, from its stored verdicts alone."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from synth_stack.decisions.replay.gate_changes import DialSetting, GateChange
from synth_stack.decisions.replay.outcomes import HELD, PASSED, REJECTED, UNSEEN
from synth_stack.decisions.replay.redecide import (
    PlantedVerdicts,
    Redecided,
    place_verdicts,
    redecide,
    thin_verdicts,
)
from synth_stack.errors import GateError, StoreError
from synth_stack.gates.gate import Dial, Late
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.locks import DialLock, GateLock
from synth_stack.runs.self_tests import SelfTestBars

Verdict = tuple[str, str | None, float | None]
"""Outcome, what its class says after the gate's name, and the score."""

SCORE = Dial(0.5, ">", ("g.score",), parameter="threshold")
TONE = Dial(0.7, ">=", ("g.tone",), parameter="tone", score="tone.level", outcome="action")


def stand(dial: Dial, threshold: float, action: str) -> DialSetting:
    return DialSetting(DialLock.model_validate(dial.to_json()), threshold, action)


def change(
    *dials: tuple[Dial, tuple[float, str], tuple[float, str]], late: Late | None = None, **lock: Any
) -> GateChange:
    """A gate of dials, each with (threshold, action) before and after."""
    locks = [DialLock.model_validate(dial.to_json()) for dial, _, _ in dials]
    return GateChange(
        lock=GateLock(use="g", version="1", dials=locks, **lock),
        params={},
        changes=(("threshold", 0, 1),),
        before=tuple(stand(dial, *old) for dial, old, _ in dials),
        after=tuple(stand(dial, *new) for dial, _, new in dials),
        late=late,
        asked=SelfTestBars(0.9),
        counts_canaries=True,
        kept_sets=(),
    )


def turn(
    old: float, new: float, *, was: str = "reject", becomes: str = "reject", dial: Dial = SCORE
) -> GateChange:
    return change((dial, (old, was), (new, becomes)))


def read(verdicts: list[Verdict], tones: list[float | None] | None = None) -> pl.DataFrame:
    """Verdicts of the gate on rows named by their places."""
    table = build_verdicts(
        [str(k) for k in range(len(verdicts))],
        "g",
        [outcome for outcome, _, _ in verdicts],
        scores=[score for _, _, score in verdicts],
        reasons=[None if what is None else f"for {what}" for _, what, _ in verdicts],
        reason_classes=[None if what is None else f"g.{what}" for _, what, _ in verdicts],
        evidence=[None if tone is None else f'{{"tone":{{"level":{tone}}}}}' for tone in tones or []]
        or [None] * len(verdicts),
    )
    return pl.DataFrame(table)


def again(
    verdicts: pl.DataFrame, planned: GateChange, *, n: int | None = None, dropped: tuple[int, ...] = ()
) -> Redecided:
    n = len(verdicts) if n is None else n
    rows = pl.DataFrame({"row_id": [str(k) for k in range(n)], "slice": ["s"] * n})
    dials = planned.lock.dials
    none = pl.DataFrame(VERDICT_SCHEMA.empty_table())
    gone = np.array([k in dropped for k in range(n)], dtype=np.bool_)
    empty, own = (thin_verdicts([each.to_arrow()], dials) for each in (none, verdicts))
    nothing = place_verdicts(empty, rows.clear(), dials, "canaries")
    none_of = np.zeros(0, dtype=np.bool_)
    planted = PlantedVerdicts(
        nothing, pl.Series([], dtype=pl.String), none_of, none_of, [none_of] * len(dials)
    )
    return redecide(place_verdicts(own, rows, dials, "verdicts of g"), planted, planned, gone)


def say(*verdicts: Verdict, by: GateChange, tones: list[float | None] | None = None) -> list[str]:
    """What is said of each row now: the outcome, and the class where there is one."""
    found = again(read([*verdicts], tones), by)
    away = {row["row_id"]: row for row in found.away.to_dicts()}
    said = []
    for k, code in enumerate(found.said.tolist()):
        row = away.get(str(k))
        assert (row is None) == (code <= PASSED)
        said.append("accept" if row is None else f"{row['outcome']} {row['reason_class']}")
    return said


def test_a_row_is_turned_away_where_its_score_is_newly_beyond_and_let_through_where_it_no_longer_is() -> None:
    verdicts: list[Verdict] = [
        ("reject", "score", 0.9), ("reject", "score", 0.6), ("accept", None, 0.5), ("accept", None, None),
    ]  # fmt: skip
    assert say(*verdicts, by=turn(0.5, 0.7)) == ["reject g.score", "accept", "accept", "accept"]
    assert say(*verdicts, by=turn(0.5, 0.4)) == [
        "reject g.score",
        "reject g.score",
        "reject g.score",
        "accept",
    ]
    assert say(*verdicts, by=turn(0.5, 0.6)) == ["reject g.score", "accept", "accept", "accept"]


@pytest.mark.parametrize(
    ("rejects", "expected"), [(">", "accept"), (">=", "reject g.score"), ("<", "accept")]
)
def test_a_score_at_the_threshold_is_on_the_side_that_the_dial_says(rejects: Any, expected: str) -> None:
    dial = Dial(0.5, rejects, ("g.score",), parameter="threshold")
    start = 0.9 if rejects != "<" else 0.1
    assert say(("accept", None, 0.5), by=turn(start, 0.5, dial=dial)) == [expected]


def test_a_verdict_that_stays_keeps_its_outcome_and_reason() -> None:
    found = again(read([("hold", "score", 0.9), ("reject", "score", 0.8)]), turn(0.5, 0.6))
    rows = found.away.select("outcome", "reason", "reason_class").rows()
    assert rows == [("hold", "for score", "g.score"), ("reject", "for score", "g.score")]


def test_a_new_verdict_says_which_score_is_beyond_which_threshold_and_one_that_fell_says_nothing() -> None:
    found = again(read([("accept", None, 0.456789012), ("reject", "score", 0.2)]), turn(0.1, 0.25))
    assert again(read([("accept", None, 0.456789012)]), turn(0.5, 0.25)).away.select("reason").item() == (
        "score 0.456789 > threshold 0.25"
    )
    assert found.away.height == 0


def test_a_class_that_no_dial_gives_stays_and_a_crossing_dial_may_be_worse() -> None:
    verdicts: list[Verdict] = [("reject", "torn", 0.2), ("hold", "odd", 0.4), ("hold", "odd", 0.1)]
    assert say(*verdicts, by=turn(0.5, 0.3)) == ["reject g.torn", "reject g.score", "hold g.odd"]
    assert say(*verdicts, by=turn(0.5, 0.3, becomes="hold")) == ["reject g.torn", "hold g.odd", "hold g.odd"]


def test_an_abstention_stays_whatever_the_score() -> None:
    found = again(read([("abstain", None, 0.9), ("abstain", "unreadable", None)]), turn(0.5, 0.1))
    assert found.said.tolist() == [PASSED, PASSED]


def test_a_dial_that_would_have_decided_before_and_did_not_has_no_say() -> None:
    verdicts: list[Verdict] = [("accept", None, 0.9), ("hold", "odd", 0.9), ("hold", "score", 0.9)]
    assert say(*verdicts, by=turn(0.5, 0.4)) == ["accept", "hold g.odd", "hold g.score"]


def test_a_verdict_of_a_dial_without_a_score_stays_until_the_dial_is_ignored() -> None:
    assert say(("reject", "score", None), by=turn(0.5, 0.9)) == ["reject g.score"]
    assert say(("reject", "score", None), by=turn(0.5, 0.9, becomes="ignore")) == ["accept"]


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        ("hold", "reject", ["reject g.score", "accept", "hold g.odd"]),
        ("hold", "ignore", ["accept", "accept", "hold g.odd"]),
        ("ignore", "hold", ["hold g.score", "accept", "hold g.odd"]),
        ("ignore", "reject", ["reject g.score", "accept", "hold g.odd"]),
        ("ignore", "ignore", ["accept", "accept", "hold g.odd"]),
    ],
)
def test_what_a_dial_does_with_a_row_may_change(was: str, becomes: str, expected: list[str]) -> None:
    first: Verdict = ("accept", None, 0.9) if was == "ignore" else ("hold", "score", 0.9)
    by = turn(0.5, 0.5, was=was, becomes=becomes)
    assert say(first, ("accept", None, 0.4), ("hold", "odd", 0.1), by=by) == expected


def test_a_replacing_dial_rejects_and_stays_as_it_is() -> None:
    by = turn(0.5, 0.5, was="redact", becomes="redact")
    assert say(("reject", "score", 0.9), ("accept", None, 0.1), by=by) == ["reject g.score", "accept"]


def test_where_one_dial_lets_go_another_may_still_hold_the_row() -> None:
    dials = (SCORE, (0.5, "reject"), (0.9, "reject")), (TONE, (0.7, "hold"), (0.7, "hold"))
    verdicts: list[Verdict] = [("reject", "score", 0.8), ("reject", "score", 0.8), ("hold", "tone", 0.1)]
    assert say(*verdicts, tones=[0.7, 0.6, 0.9], by=change(*dials)) == [
        "hold g.tone",
        "accept",
        "hold g.tone",
    ]


def test_the_worse_of_two_dials_decides_and_the_first_of_two_like_ones() -> None:
    both = (SCORE, (0.9, "reject"), (0.5, "reject")), (TONE, (0.9, "hold"), (0.5, "hold"))
    alike = (SCORE, (0.9, "reject"), (0.5, "reject")), (TONE, (0.9, "reject"), (0.5, "reject"))
    row: Verdict = ("accept", None, 0.8)
    assert say(row, tones=[0.8], by=change(*both)) == ["reject g.score"]
    assert say(row, tones=[0.8], by=change(*reversed(both))) == ["reject g.score"]
    assert say(row, tones=[0.8], by=change(*reversed(alike))) == ["reject g.tone"]


def test_a_class_that_two_dials_give_falls_when_neither_score_is_beyond() -> None:
    other = Dial(0.7, ">=", ("g.score",), parameter="tone", score="tone.level")
    dials = (SCORE, (0.5, "reject"), (0.9, "reject")), (other, (0.7, "reject"), (0.7, "reject"))
    verdicts: list[Verdict] = [("reject", "score", 0.8)] * 2
    assert say(*verdicts, tones=[0.6, 0.75], by=change(*dials)) == ["accept", "reject g.score"]


@pytest.mark.parametrize("evidence", [None, "{}", "not JSON", '{"tone":7}', '{"tone":{"level":"loud"}}'])
def test_evidence_without_the_score_of_a_dial_gives_it_no_say(evidence: str | None) -> None:
    table = build_verdicts(["0"], "g", ["accept"], evidence=[evidence])
    by = change((TONE, (0.7, "reject"), (0.1, "reject")))
    assert again(pl.DataFrame(table), by).said.tolist() == [PASSED]


@pytest.mark.parametrize("score", ["[", "", "$.tone"])
def test_a_dial_whose_score_has_an_impossible_name_is_refused(score: str) -> None:
    dial = Dial(0.7, ">=", ("g.tone",), parameter="tone", score=score)
    with pytest.raises(StoreError, match="reads no score that there can be"):
        again(read([("accept", None, 0.1)], [0.9]), turn(0.7, 0.1, dial=dial))


def test_rows_that_the_gate_never_saw_stay_unseen() -> None:
    found = again(read([("accept", None, 0.4)]), turn(0.5, 0.3), n=3)
    assert found.said.tolist() == [REJECTED, UNSEEN, UNSEEN]


def hold_all(table: pa.Table, verdicts: pa.Table, state: Any) -> pa.Table:
    """Holds every accepted row where the batch has a reject."""
    held = verdicts["row_id"].filter(pa.compute.equal(verdicts["outcome"], "accept"))
    held = held if state["rejects"]["n"][0].as_py() else held.slice(0, 0)
    n = len(held)
    return build_verdicts(held, "g", ["hold"] * n, reason_classes=["g.batch"] * n, scope="batch")


def count_rejects(table: pa.Table, verdicts: pa.Table) -> pa.Table:
    assert table.column_names[:2] == ["row_id", "slice"]
    assert table["row_id"].equals(verdicts["row_id"])
    return pa.table({"n": [pa.compute.sum(pa.compute.equal(verdicts["outcome"], "reject")).as_py() or 0]})


LATE = Late(count_rejects, lambda counts, state: {"rejects": next(iter(counts))}, hold_all)


def test_what_a_gate_says_late_is_said_again_of_the_rows_that_still_reach_it() -> None:
    verdicts = read([("reject", "score", 0.8), ("accept", None, 0.1)])
    late = hold_all(
        verdicts.to_arrow(),
        verdicts.slice(1).to_arrow().cast(VERDICT_SCHEMA),
        {"rejects": {"n": pa.array([1])}},
    )
    stored = pl.concat([verdicts, pl.DataFrame(late)])
    same = change((SCORE, (0.5, "reject"), (0.5, "reject")), late=LATE)
    looser = change((SCORE, (0.5, "reject"), (0.9, "reject")), late=LATE)

    assert again(stored, same, n=2).said.tolist() == [REJECTED, HELD]
    assert again(stored, looser, n=2).said.tolist() == [PASSED, PASSED]
    assert again(stored, same, n=2, dropped=(0,)).said.tolist() == [REJECTED, PASSED]
    everywhere = change((SCORE, (0.5, "reject"), (0.5, "reject")), late=LATE, all=True)
    assert again(stored, everywhere, n=2, dropped=(0,)).said.tolist() == [REJECTED, HELD]


def test_a_gate_that_says_something_else_late_or_of_other_rows_is_named() -> None:
    def accept(table: pa.Table, verdicts: pa.Table, state: Any) -> pa.Table:
        return build_verdicts(["0"], "g", ["accept"], scope="batch")

    def stray(table: pa.Table, verdicts: pa.Table, state: Any) -> pa.Table:
        return build_verdicts(["f"], "g", ["hold"], reason_classes=["g.x"], scope="batch")

    verdicts = read([("accept", None, 0.1)])
    for hold, error in ((accept, GateError), (stray, StoreError)):
        late = Late(count_rejects, lambda counts, state: {}, hold)
        with pytest.raises(error, match=r"gate g|late verdicts of g"):
            again(verdicts, change((SCORE, (0.5, "reject"), (0.4, "reject")), late=late))


def test_a_verdict_on_a_row_that_is_not_there_or_that_is_none_is_refused() -> None:
    with pytest.raises(StoreError, match="the verdicts of g are on rows that the run does not have"):
        again(read([("accept", None, 0.1)] * 2), turn(0.5, 0.4), n=1)
    with pytest.raises(StoreError, match="verdicts of g have an outcome that is none; seen: perhaps"):
        again(read([("perhaps", None, 0.1)]), turn(0.5, 0.4))
