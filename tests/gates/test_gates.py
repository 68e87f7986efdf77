import pkgutil
import subprocess
import sys
from pathlib import Path

import yaml

import synth_stack.gates
from synth_stack.gates.gate import Judge
from synth_stack.gates.resources import NoResources
from synth_stack.registry import bind, registered

STANDARD = Path(__file__).parents[2] / "curator_configs" / "standard.yaml"


def test_importing_the_package_registers_every_gate() -> None:
    folders = [f.name for f in pkgutil.iter_modules(synth_stack.gates.__path__) if f.ispkg]

    assert len(folders) >= 10
    assert set(folders) <= set(registered("gate"))


def test_importing_the_gates_loads_no_heavy_library() -> None:
    heavy = [
        "polars",
        "rensa",
        "torch",
        "sklearn",
        "onnxruntime",
        "tokenizers",
        "py3langid",
        "wordllama",
        "datasets",
    ]
    code = f"import sys, synth_stack.gates; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_standard_gate_file_makes_every_gate_and_says_why() -> None:
    gates = yaml.safe_load(STANDARD.read_text(encoding="utf-8"))["gates"]
    assert [g["use"] for g in gates] == [
        "personal_data",
        "structure",
        "dedup",
        "toxicity",
        "contamination",
    ]
    for k, stated in enumerate(gates):
        params = {key: value for key, value in stated.items() if key not in {"use", "why"}}
        bound = bind("gate", stated["use"], params, where=f"gates[{k}]")
        judge = bound.make(*([NoResources()] if bound.takes else []))
        assert isinstance(judge, Judge)
        assert {c.partition(".")[0] for dial in judge.dials for c in dial.classes} <= {stated["use"]}
        assert len(stated["why"]) > 20
