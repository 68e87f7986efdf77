"""What docs/guide/release.md says of packs under DVC, typed as a reader would, with DVC itself."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from synth_stack import pack
from tests.review.toy_run import make_toy_run

ROOT = Path(__file__).parents[1]


@pytest.mark.trackers
def test_a_pack_under_dvc_comes_back_as_it_was_signed(tmp_path: Path) -> None:
    python = os.environ.get("SYNTH_STACK_TRACKERS")
    if not python:
        pytest.fail("SYNTH_STACK_TRACKERS names no interpreter with dvc: make test-trackers")
    pack(make_toy_run(tmp_path / "toy", {"a": 6}), tmp_path / "data" / "support_pack")
    page = (ROOT / "docs" / "guide" / "release.md").read_text(encoding="utf-8")
    [block] = re.findall(r"## DVC\n.*?```sh\n(.*?)```", page, re.DOTALL)
    assert "dvc add data/support_pack" in block
    env = {
        "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "x",
        "GIT_CONFIG_KEY_1": "user.email",
        "GIT_CONFIG_VALUE_1": "x@example.org",
    }

    def type_in(script: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return done.returncode, done.stdout + done.stderr

    code, said = type_in(block.replace("synth-stack", f"{python} -m synth_stack.cli.main"))
    assert code == 0, said
    assert re.search(r"^root ", said, re.MULTILINE), said
    card = tmp_path / "elsewhere" / "data" / "support_pack" / "README.md"
    card.chmod(0o644)
    card.write_text("changed", encoding="utf-8")
    code, said = type_in(f"{python} -m synth_stack.cli.main verify elsewhere/data/support_pack")
    assert code == 1, said
