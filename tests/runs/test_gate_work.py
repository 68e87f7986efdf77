from pathlib import Path

import pytest

from synth_stack.errors import StoreError
from synth_stack.runs.folder import list_files
from synth_stack.runs.gate_work import GATES_CLOCK, GateWork, add_gate_work, read_gate_work


def test_the_work_of_a_gate_adds_up_and_is_in_no_manifest(tmp_path: Path) -> None:
    assert read_gate_work(tmp_path) == {}
    add_gate_work(tmp_path, "dedup", 1.5, 0)
    add_gate_work(tmp_path, "drift", 1.0, 1)
    add_gate_work(tmp_path, "dedup", 0.5, 3)
    assert read_gate_work(tmp_path) == {"dedup": GateWork(2.0, 3), "drift": GateWork(1.0, 1)}
    assert list_files(tmp_path) == []


@pytest.mark.parametrize("said", ["", "[]", '{"dedup":{}}', '{"dedup":{"seconds":"soon","model_calls":1}}'])
def test_what_is_no_account_of_work_is_named(tmp_path: Path, said: str) -> None:
    (tmp_path / GATES_CLOCK).write_text(said)
    with pytest.raises(StoreError, match=r"\.gates-clock\.json does not say what the work of gates has cost"):
        read_gate_work(tmp_path)
