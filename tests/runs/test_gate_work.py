from pathlib import Path

import pytest

from synth_stack.errors import StoreError
from synth_stack.runs.folder import list_files
from synth_stack.runs.gate_work import GateWork, add_gate_work, read_gate_work


def test_the_work_of_a_gate_adds_up_and_is_in_no_manifest(tmp_path: Path) -> None:
    assert read_gate_work(tmp_path, "dedup") is None
    add_gate_work(tmp_path, "dedup", 1.5, 0)
    add_gate_work(tmp_path, "dedup", 0.5, 3)
    assert read_gate_work(tmp_path, "dedup") == GateWork(2.0, 3)
    assert list_files(tmp_path) == []


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"seconds":"soon","model_calls":1}'])
def test_what_is_no_account_of_work_is_named(tmp_path: Path, said: str) -> None:
    add_gate_work(tmp_path, "dedup", 1.0, 0)
    path = tmp_path / "verdicts" / "dedup" / ".clock.json"
    path.write_text(said)
    with pytest.raises(StoreError, match=r"\.clock\.json does not say what a gate's work has cost"):
        read_gate_work(tmp_path, "dedup")
