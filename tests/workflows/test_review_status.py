from pathlib import Path

import pytest

from synth_stack.errors import InputError
from synth_stack.review.answers import record_answers
from synth_stack.review.plan_file import read_plan
from synth_stack.workflows.review import plan
from synth_stack.workflows.review_status import review_status
from tests.review.toy_run import make_toy_run
from tests.workflows.test_correct import say


def test_a_status_counts_judgements_rows_and_hours(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"orders/late": 10})
    plan(run, percent=100.0, overlap=0.5, estimate=0, seconds_a_row=36.0)
    sample = read_plan(run).sample.to_pylist()
    twice = [row["row_id"] for row in sample if row["reviewers"] == 2]
    once = [row["row_id"] for row in sample if row["reviewers"] == 1]
    assert twice
    assert once
    say(run, once[0], corrected="Better.")
    for who, judgement in (("ann", "reject"), ("ben", "release")):
        say(run, twice[0], who=who, judgement=judgement)
    say(run, twice[1])
    say(run, once[0], who="ben", n=2)  # more than is asked for
    status = review_status(run, {"a" * 64: "ann"})
    assert (status.wanted, status.given) == (len(once) + 2 * len(twice), 4)
    assert status.hours_left == pytest.approx((status.wanted - 4) * 36 / 3600)
    assert (status.settled, status.disputed, status.waiting, status.corrections) == (1, 1, 1, 1)
    text = "\n".join(map(str, status.lines()))
    assert "ann " in text
    assert "b" * 12 in text
    assert "a" * 64 not in text
    assert "1 row, to be put in place" in text
    plain = status.to_json()
    assert plain["judgements"] == {"wanted": status.wanted, "given": 4}
    assert [lot["lot"] for lot in plain["lots"]] == [lot.lot for lot in status.lots]


def test_a_run_without_a_plan_has_no_status(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"orders/late": 2})
    with pytest.raises(InputError, match="no review plan"):
        review_status(run)
    plan(run, percent=100.0, overlap=0.0, estimate=0)
    record_answers(run, [])
    assert review_status(run).given == 0
