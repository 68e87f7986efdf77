"""Two batches side by side: shares of rows that reached a gate, and an interval of their difference."""

import pytest

from synth_stack.decisions.figures import compute_figures
from synth_stack.report.beside import compare_figures
from synth_stack.stats.intervals import newcombe
from tests.report.planted_run import plant_run


def test_each_gate_of_either_batch_has_a_line() -> None:
    runs = [plant_run(300), plant_run(120, seed=3)]
    mine, other = (compute_figures(run.candidates, run.verdicts, run.decisions) for run in runs)
    found = compare_figures(mine, "before", other)
    assert (found["name"], found["rows"]) == ("before", 120)
    accepted, *gates = found["lines"]
    assert accepted["batch"] == (mine.accepted, 300)
    low, high = newcombe(mine.accepted, 300, other.accepted, 120)
    assert (accepted["low"], accepted["high"]) == (
        pytest.approx(low, abs=1e-6),
        pytest.approx(high, abs=1e-6),
    )
    assert [line["what"] for line in gates] == [stage.gate for stage in mine.funnel]


def test_a_gate_that_only_one_has_is_not_compared() -> None:
    run = plant_run(60)
    mine = compute_figures(run.candidates, run.verdicts, run.decisions)
    less = {gate: parts for gate, parts in run.verdicts.items() if gate != "dedup"}
    other = compute_figures(run.candidates, less, run.decisions)
    line = next(line for line in compare_figures(mine, "x", other)["lines"] if line["what"] == "dedup")
    assert (line["other"], line["low"]) == (None, None)
