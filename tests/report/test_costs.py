"""What a batch took, from the rows themselves: the same run says the same."""

from pathlib import Path

from synth_stack.decisions.figures import compute_figures
from synth_stack.report.costs import tell_costs
from tests.report.planted_run import plant_run


def test_gates_say_what_each_accepted_row_took_with_and_without_them(tmp_path: Path) -> None:
    run = plant_run(200)
    figures = compute_figures(run.candidates, run.verdicts, run.decisions)
    (tmp_path / "candidates").mkdir()
    told = tell_costs(tmp_path, figures)
    assert told["tokens"] == {}
    for stage, gate in zip(figures.funnel, told["gates"], strict=True):
        assert gate["away"] == stage.rejected + stage.held
        assert gate["with"] == figures.rows / figures.accepted
        assert gate["without"] == figures.rows / (figures.accepted + gate["away"])
