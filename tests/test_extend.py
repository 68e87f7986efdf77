"""The one module that authors import: light, whole, and the same for readers, type checkers and programs."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from synth_stack import extend

LIGHT_S = 0.5


def list_typed_imports() -> dict[str, str]:
    """Name to module, of what a type checker sees."""
    tree = ast.parse(Path(str(extend.__file__)).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_what_is_exported_is_what_its_home_defines_and_what_a_type_checker_sees() -> None:
    homes = list_typed_imports()
    assert sorted(homes) == sorted(extend.__all__)
    for name, module in homes.items():
        assert getattr(extend, name) is getattr(importlib.import_module(module), name)


def test_a_name_that_it_does_not_have_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"module 'synth_stack\.extend' has no attribute 'gates'"):
        extend.gates  # noqa: B018


def test_importing_it_is_light_and_a_gate_imports_no_library_that_it_does_not_use() -> None:
    program = (
        "import sys, time\n"
        "start = time.process_time()\n"
        "import synth_stack.extend\n"
        "print(time.process_time() - start)\n"
        "from synth_stack.extend import Judge, Round, build_verdicts, gate\n"
        "print(sorted({'distilabel', 'polars', 'datasets', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.splitlines()
    assert float(seconds) < LIGHT_S
    assert heavy == "[]"
