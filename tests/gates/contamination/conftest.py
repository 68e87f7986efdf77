import json
from pathlib import Path

import pytest

from synth_stack.inputs.gate_file import NamedEvalSet
from tests.gates.contamination.exams import CODING, ITEMS


@pytest.fixture
def named(tmp_path: Path) -> NamedEvalSet:
    path = tmp_path / "exam.json"
    path.write_text(json.dumps(ITEMS), encoding="utf-8")
    return NamedEvalSet(name="exam", path=str(path))


@pytest.fixture
def coding(tmp_path: Path) -> NamedEvalSet:
    path = tmp_path / "coding.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in CODING), encoding="utf-8")
    return NamedEvalSet(name="coding", path=str(path), version="1.0")
