"""What is installed, and what each missing thing would add."""

import importlib.metadata
import importlib.util
import json
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import synth_stack
from synth_stack.cli.doctor import Component, examine

ROOT = Path(__file__).parents[2]


def examine_bare(*folders: Path) -> list[dict[str, Any]]:
    """The findings of a Python without installed packages, but with the modules of `folders`."""
    script = (
        "import json, sys\n"
        f"sys.path[:0] = {[str(ROOT), *map(str, folders)]!r}\n"
        "from synth_stack.cli.doctor import examine\n"
        "print(json.dumps([finding.to_json() for finding in examine()]))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    return findings


def test_what_is_installed_is_named_with_its_version() -> None:
    found = {finding.name: finding for finding in examine()}

    assert found["synth-stack"].version == synth_stack.__version__
    assert found["python"].version == platform.python_version()
    assert found["polars"].version == importlib.metadata.version("polars")
    assert found["polars"].line().split()[:3] == ["polars", "ok", importlib.metadata.version("polars")]


def test_nothing_that_is_looked_for_is_imported() -> None:
    script = (
        "import sys\n"
        "from synth_stack.cli.doctor import _WANTED, examine\n"
        "examine()\n"
        "print([module for _, module, _, _ in _WANTED if module in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_on_a_bare_python_everything_is_missing_and_says_how_to_get_it() -> None:
    there = {"synth-stack", "python", "nvidia-smi", "sandbox", "code runtimes"}
    findings = [f for f in examine_bare() if f["name"] not in there]

    assert len(findings) > 10
    for finding in findings:
        assert finding["version"] is None
        assert finding["adds"]
        assert re.fullmatch(r"pip install (--no-deps )?[\w'=.\[\] -]+", finding["get"])
        line = Component(**finding).line()
        assert "missing" in line
        assert line.endswith(f"{finding['adds']}  ->  {finding['get']}")


def test_a_module_that_no_package_vouches_for_has_an_unknown_version(tmp_path: Path) -> None:
    (tmp_path / "polars.py").write_text("raise RuntimeError('imported')\n")
    found = {finding["name"]: finding for finding in examine_bare(tmp_path)}

    assert found["polars"]["version"] == "unknown version"


def test_every_extra_that_is_named_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {extra for f in examine() for extra in re.findall(r"synth-stack\[([\w-]+)\]", f.get)}

    assert named
    assert named <= set(extras)


def test_which_scorer_of_hate_a_run_would_use_is_one_line() -> None:
    (line,) = [f.line() for f in examine() if f.name == "hate scorer"]

    assert line.split()[:4] == ["hate", "scorer", "ok", "hate-ngrams"]
    has_detoxify = all(importlib.util.find_spec(name) for name in ("detoxify", "torch"))
    assert line.endswith("where a gate file names its weights" if has_detoxify else "Detoxify is missing")


def test_a_finding_is_json() -> None:
    finding = Component("x", None, "adds", "get")

    assert finding.to_json() == {"name": "x", "version": None, "adds": "adds", "get": "get"}
