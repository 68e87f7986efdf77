from dataclasses import replace

import pytest

from synth_stack.decisions.figures import compute_figures
from synth_stack.decisions.prices import price_gates
from synth_stack.runs.gate_work import GateWork
from tests.report.planted_run import SELF_TESTS, plant_run


def test_each_gate_has_its_rows_its_work_its_self_test_and_what_they_come_to() -> None:
    run = plant_run(200)
    figures = compute_figures(run.candidates, run.verdicts, run.decisions, SELF_TESTS)
    [first] = [stage for stage in figures.funnel if stage.gate == "dedup"]
    assert first.rejected > 0
    prices = price_gates(figures, {"dedup": GateWork(2.5, 7)}, cost=10.0)
    [price], rest = [p for p in prices if p.gate == "dedup"], [p for p in prices if p.gate != "dedup"]
    away = first.rejected + first.held
    assert (price.gate, price.rejected, price.held) == (first.gate, first.rejected, first.held)
    assert price.cost == pytest.approx(10.0 * away / figures.rows)
    assert (price.seconds, price.model_calls, price.planted, price.caught) == (2.5, 7, 100, 98)
    assert price.rows_per_accepted == figures.rows / figures.accepted
    assert price.rows_per_accepted_without == figures.rows / (figures.accepted + away)
    assert price.cost_per_accepted == 10.0 / figures.accepted
    assert price.cost_per_accepted_without == 10.0 / (figures.accepted + away)
    assert [(other.seconds, other.model_calls) for other in rest] == [(None, None)] * len(rest)


def test_a_batch_without_accepted_rows_or_a_known_cost_gives_no_number_that_is_none() -> None:
    run = plant_run(20)
    figures = replace(compute_figures(run.candidates, run.verdicts, run.decisions), accepted=0)
    for price in price_gates(figures, {}):
        assert (price.cost, price.rows_per_accepted, price.cost_per_accepted) == (None, None, None)
        assert price.cost_per_accepted_without is None
