"""What a plan says of itself before anybody is asked."""

from pathlib import Path

import pytest

from synth_stack.review.cost import summarise
from synth_stack.workflows.review import plan
from tests.review.toy_run import make_toy_run


@pytest.mark.parametrize("rows", [101, 303])
def test_the_curve_of_a_plan_keeps_the_risks_that_the_plan_states(rows: int, tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a": rows})
    made = plan(run, risk="low")
    summary, settings = summarise(made.settings, made.lots, made.sample), made.settings
    assert 0 < summary.median_rows <= rows
    for point in summary.curve:
        assert point.share == point.defects / summary.median_rows
        if point.share <= settings.aql:
            assert point.passes >= 1 - settings.alpha
        if point.share >= settings.ltpd:
            assert point.passes <= settings.beta
    assert [point.passes for point in summary.curve] == sorted(
        (point.passes for point in summary.curve), reverse=True
    )
