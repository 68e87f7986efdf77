"""What is declared is enough: nothing that the package imports comes from an extra or from somebody else's."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.wheel

PROBE = """
import importlib.metadata as metadata
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def reach(names):
    \"\"\"The distributions that an install of `names` brings, extras as they are asked for.\"\"\"
    found, waiting = set(), [(Requirement(name).name, Requirement(name).extras) for name in names]
    while waiting:
        name, extras = waiting.pop()
        key = (canonicalize_name(name), tuple(sorted(extras)))
        if key in found:
            continue
        found.add(key)
        try:
            wants = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for want in map(Requirement, wants):
            if want.marker is None or any(want.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((want.name, want.extras))
    return {name for name, _ in found}


project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
declared = reach(project["dependencies"])
owners = metadata.packages_distributions()


class Undeclared:
    \"\"\"What is asked for by this package or distilabel and that an install of the package does not bring.\"\"\"

    def find_spec(self, name, path=None, target=None):
        frame = sys._getframe(1)
        while frame.f_back and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame.f_globals.get("__name__", "").partition(".")[0] not in {"distilabel", "synth_stack"}:
            return None  # a library's own optional imports ask what is installed beside it
        owned = owners.get(name.partition(".")[0])
        if owned and name.partition(".")[0] != "synth_stack" and declared.isdisjoint(map(canonicalize_name, owned)):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


sys.meta_path.insert(0, Undeclared())
import distilabel.pipeline, distilabel.steps.tasks
import synth_stack.cli.main, synth_stack.workflows.run, synth_stack.workflows.audit, synth_stack.generators
import synth_stack.generation.driver, synth_stack.packs.load, datasets
"""


def test_what_a_bare_install_brings_is_enough_to_make_judge_and_pack_rows() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
