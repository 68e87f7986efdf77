"""A gate built again from its spec."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack.engines.engine import Spec, open_work
from synth_stack.errors import GateError
from synth_stack.gates.resources import NoResources
from synth_stack.registry import bind
from synth_stack.rows.canonical import digest_json
from synth_stack.workflows.resources import RunResources
from tests.recipes import write_jsonl

ITEM = "Name the capital of the country that lies to the north of Spain."


def specify(folder: Path, resources: Any, **params: Any) -> Spec:
    """The spec of a gate that takes resources, and uses them where its parameters ask for that."""
    exam = folder / "exam.jsonl"
    write_jsonl(exam, [{"prompt": ITEM}])
    against = [{"name": "exam", "path": str(exam)}]
    bound = bind("gate", "contamination", {"against": against, **params}, where="gates.yaml")
    facts = digest_json(dict(bound.make(resources).facts))
    return Spec(str(folder), bound.name, bound.version, dict(bound.params), facts)


def test_a_gate_that_takes_resources_and_uses_none_is_built_again(tmp_path: Path) -> None:
    spec = specify(tmp_path, NoResources(), embedding=None)
    assert open_work(spec).judge.alone is None


def test_a_gate_that_asks_a_model_is_not_built_again(tmp_path: Path) -> None:
    asking = {"teacher": {"use": "scripted"}}
    spec = specify(tmp_path, RunResources(), llm_judge=asking)
    with pytest.raises(GateError, match="a gate reaches for a language model where there are no resources"):
        open_work(spec)
