"""The quickstarts: each one's files are written and its commands run, in an empty folder, as a reader would."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICKSTARTS = ("author", "data_team", "reviewer", "auditor", "platform")
FENCE = re.compile(r"^```([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_S = 600

pytestmark = pytest.mark.notebooks


@pytest.mark.parametrize("name", QUICKSTARTS)
def test_a_quickstart_does_what_it_says(name: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guide" / f"{name}.md").read_text(encoding="utf-8")
    blocks = FENCE.findall(page)
    assert any(info == "sh" for info, _ in blocks)
    for info, block in blocks:
        _, _, file = info.partition(" ")
        if file:
            (tmp_path / file).write_text(block, encoding="utf-8")
    (tmp_path / "home").mkdir()
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    for line in "".join(block for info, block in blocks if info == "sh").splitlines():
        program, *words = shlex.split(line)
        assert program == "synth-stack"
        done = subprocess.run(
            [sys.executable, "-m", "synth_stack.cli.main", *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
