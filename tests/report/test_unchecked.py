"""What was not checked is derived from what ran, and from nothing else."""

import re
from typing import Any

from synth_stack.decisions.figures import compute_figures
from synth_stack.gates.gate import Judge
from synth_stack.registry import gate, registered, take_back
from synth_stack.report.unchecked import list_unchecked
from synth_stack.runs.locks import GateLock
from synth_stack.runs.self_tests import KindCount, SelfTestBars, measure
from tests.report.planted_run import build_run


def find_gaps(outcome: str, *, gates: list[dict[str, Any]], reviewed: bool = False) -> dict[str, str]:
    verdicts = [{"row": n, "gate": "dedup", "outcome": outcome} for n in range(3)]
    decisions = [{"row": n, "decision": "accepted"} for n in range(4)]
    run = build_run([{"text": f"row {n}"} for n in range(4)], verdicts, decisions)
    tests = [measure("structure", [KindCount("emptiness", 4, 4)], SelfTestBars())]
    figures = compute_figures(run.candidates, run.verdicts, run.decisions, tests)
    locks = [GateLock.model_validate({"use": "dedup", "version": "1", **gate}) for gate in gates]
    return {gap.what: gap.why for gap in list_unchecked(figures, locks, reviewed=reviewed)}


def test_what_ran_is_no_gap_and_what_did_not_is_one() -> None:
    gaps = find_gaps("accept", gates=[{"use": "structure"}, {"use": "dedup", "off": ["paraphrase"]}])
    assert "Whether structure works here" not in gaps
    assert gaps["Whether dedup works here"] == "It planted no rows to test itself with on this batch."
    assert gaps["dedup, some kinds"] == "Switched off in the gate file: paraphrase."
    assert gaps["Second defects of rejected rows"].endswith("dedup (1 row).")
    assert {"The error of the gates themselves", "Overlap with exams", "Drift"} <= gaps.keys()
    assert "toxicity" in gaps["What other gates look for"]
    assert "dedup" not in re.findall(r"\w+", gaps["What other gates look for"])


def test_a_gate_that_abstained_on_all_rows_checked_none() -> None:
    gaps = find_gaps("abstain", gates=[{}])
    assert gaps["Whatever dedup looks for"] == "It abstained on all 3 rows that it saw."


def test_exams_and_baselines_and_a_review_close_their_gaps() -> None:
    gaps = find_gaps("accept", gates=[{"use": "contamination"}, {"use": "drift"}], reviewed=True)
    assert not {"The error of the gates themselves", "Overlap with exams", "Drift"} & gaps.keys()


def test_gates_of_extensions_are_no_gap() -> None:
    known = dict(registered("gate"))
    ours = {name for name, entry in known.items() if entry.module.startswith("synth_stack.")}

    @gate("a-gate-of-somebody", version="1", reads=("content",))
    def somebody() -> Judge:
        raise AssertionError

    try:
        told = find_gaps("accept", gates=[{"use": "dedup"}])["What other gates look for"]
    finally:
        take_back([entry for name, entry in registered("gate").items() if name not in known])
    assert "a-gate-of-somebody" not in told
    assert all(name in told for name in sorted(ours - {"dedup"})[:5])
