"""A held row that is judged on the page is decided like one that was judged anywhere else."""

from pathlib import Path

import pytest

from synth_stack.errors import InputError, RunMismatch
from synth_stack.review.answers import read_answers
from synth_stack.runs.judged import open_judged
from synth_stack.ui.judging import Desk
from synth_stack.workflows.review import plan
from tests.review.toy_run import find_ids
from tests.ui.conftest import REVIEWER, ask, serve


def test_held_rows_are_planned_judged_and_decided(run: Path) -> None:
    first, second, third = find_ids(run, "HOLD")
    with serve(run, Desk(run, *REVIEWER)) as page:
        assert ask(page, "/api/summary")[1]["desk"]["planned"] is False
        assert ask(page, "/api/plan", {})[1]["asked"] == sorted([first, second, third])
        said = {"row_id": first, "judgement": "release"}
        assert ask(page, "/api/judgements", said)[1]["said"] == {first: "release"}
        fault = {
            "row_id": second,
            "judgement": "reject",
            "defect": "wrong",
            "severity": "major",
            "note": "no",
        }
        assert ask(page, "/api/judgements", fault)[1]["new"] == 1
        assert ask(page, "/api/decide", {})[0] == 200
        counts = ask(page, "/api/summary")[1]["counts"]["decision"]
        assert counts == {"accepted": 61, "rejected": 3, "held": 1}
    decided = dict(
        zip(*open_judged(run).decisions.select(["row_id", "decision"]).to_pydict().values(), strict=True)
    )
    assert (decided[first], decided[second], decided[third]) == ("accepted", "rejected", "held")
    assert {one["source"] for one in read_answers(run).to_pylist()} == {"page"}


def test_another_answer_of_the_same_reviewer_takes_the_place_of_the_first(run: Path) -> None:
    row_id = find_ids(run, "HOLD")[0]
    desk = Desk(run, *REVIEWER)
    desk.plan_held()
    desk.judge({"row_id": row_id, "judgement": "release"})
    assert desk.judge({"row_id": row_id, "judgement": "unsure"})["edited"] == 1
    assert desk.describe()["said"] == {row_id: "unsure"}


def test_rows_of_a_blind_sample_are_not_judged_where_the_page_shows_what_gates_said(run: Path) -> None:
    made = plan(run, held="also")
    blind = next(row["row_id"] for row in made.sample.to_pylist() if row["blind"])
    desk = Desk(run, *REVIEWER)
    assert set(desk.describe()["asked"]) == set(find_ids(run, "HOLD"))
    with pytest.raises(InputError, match="does not ask for this row here"):
        desk.judge({"row_id": blind, "judgement": "release"})
    with pytest.raises(RunMismatch):
        desk.plan_held()


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"row_id": 5, "judgement": "release"},
        {"row_id": "x", "judgement": "release"},
        {"judgement": "release"},
        {"row_id": "HELD", "judgement": "fine"},
        {"row_id": "HELD", "judgement": "release", "note": {"a": 1}},
        {"row_id": "HELD", "judgement": "release", "reviewer": "somebody"},
        {"row_id": "HELD", "judgement": "reject", "severity": "enormous"},
    ],
)
def test_what_is_no_answer_is_refused_and_nothing_is_recorded(run: Path, said: object) -> None:
    desk = Desk(run, *REVIEWER)
    desk.plan_held()
    if isinstance(said, dict) and said.get("row_id") == "HELD":
        said = {**said, "row_id": find_ids(run, "HOLD")[0]}
    with pytest.raises(InputError):
        desk.judge(said)
    assert len(read_answers(run)) == 0
