"""What trackers are told of a run: counts, identity and root, and no word of a row."""

from pathlib import Path

import pytest

from synth_stack.emitters.run_facts import read_facts
from synth_stack.errors import InputError
from synth_stack.runs.judged import open_judged
from tests.review.toy_run import make_toy_run


def test_facts_are_those_of_the_run_and_hold_no_row(tmp_path: Path) -> None:
    run = make_toy_run(tmp_path, {"a/b": 12, "c": 8})
    facts = read_facts(run, "r" * 64)
    metrics = facts.list_metrics()
    assert metrics["generated"] == len(open_judged(run).decisions)
    assert metrics["accepted"] + metrics["held"] + metrics["rejected"] == metrics["generated"]
    assert {name for name in metrics if name.startswith("gate.")} == {
        f"gate.{gate}.{what}"
        for gate in open_judged(run).gate_names
        for what in ("rejected", "held", "passed")
    }
    assert facts.list_params()["root"] == "r" * 64
    assert "answer" not in str(facts.to_json())


def test_a_folder_that_is_not_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_facts(tmp_path)
