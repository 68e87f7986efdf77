"""The GitHub Action and the pre-commit hook, as their hosts run them, with the wheel (make test-wheel).

No host is needed: what an action runs are the scripts of its steps with its inputs in the environment, and
pre-commit makes the environment of a hook from a clone of its repository by itself.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.installed_wheel import ROOT, Installed

pytestmark = pytest.mark.wheel

GATES = "version: 1\ngates: [{use: structure, canaries: 0, why: a broken row teaches nothing}]\n"


def run_action(here: Installed, wheel: Path, **given: str) -> str:
    """What the steps of action.yml print for these inputs, up to the first that fails: its exit code last."""
    action: Any = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    inputs = {name: told.get("default", "") for name, told in action["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()} | {"version": str(wheel)}
    said = ""
    for step in (step for step in action["runs"]["steps"] if "run" in step):
        assert step["shell"] == "bash"
        filled = {
            name: inputs[value.removeprefix("${{ inputs.").removesuffix(" }}")]
            for name, value in step["env"].items()
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=here.folder,
            env={
                **fetching(),
                "PATH": f"{here.python.parent}:/usr/bin:/bin",
                "HOME": str(here.folder),
                **filled,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        said += done.stdout + done.stderr
        if done.returncode:
            return f"{said}\nexit {done.returncode}"
    return f"{said}\nexit 0"


def fetching() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_CERT_"))}


@pytest.fixture(scope="module")
def pack(here: Installed) -> Path:
    (here.folder / "own").mkdir()
    (here.folder / "own" / "rows.jsonl").write_text(
        "".join(
            f"{json.dumps({'prompt': f'What is {n} and {n}?', 'answer': f'{n} and {n} are {2 * n}.'})}\n"
            for n in range(1, 9)
        ),
        encoding="utf-8",
    )
    (here.folder / "own" / "gates.yaml").write_text(GATES, encoding="utf-8")
    here.call("curate", "own/rows.jsonl", "--gates", "own/gates.yaml", "--out", "own/run", "--quiet")
    here.call("pack", "own/run", "--out", "own/the pack")
    return here.folder / "own" / "the pack"


def test_the_action_passes_what_was_signed_and_fails_what_was_changed(
    here: Installed, wheel: Path, pack: Path
) -> None:
    key = json.loads(here.call("verify", str(pack), "--json"))["key_id"]
    assert run_action(here, wheel, pack="own/the pack", key_id=key).endswith("exit 0")
    assert run_action(here, wheel, pack="own/the pack", key_id="0" * 64).endswith("exit 1")
    card = pack / "README.md"
    was = card.read_bytes()
    card.write_bytes(was + b"better")
    try:
        changed = run_action(here, wheel, pack="own/the pack", key_id=key)
    finally:
        card.write_bytes(was)
    assert "README.md" in changed
    assert changed.endswith("exit 1")


def test_no_input_of_the_action_is_run_or_taken_for_an_option(
    here: Installed, wheel: Path, pack: Path
) -> None:
    for hostile in ("$(touch made)", "x; touch made", "--help", "`touch made`"):
        assert not run_action(here, wheel, pack=hostile).endswith("exit 0")
        assert not run_action(here, wheel, pack="own/the pack", key_id=hostile).endswith("exit 0")
    assert not (here.folder / "made").exists()


def test_pre_commit_makes_the_hook_from_a_clone_and_it_refuses_a_wrong_gate_file(
    here: Installed, tmp_path: Path
) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    clone, theirs = tmp_path / "clone", tmp_path / "theirs"
    subprocess.run([*git, "clone", "-q", "--depth=1", f"file://{ROOT}", str(clone)], check=True)
    subprocess.run([*git, "init", "-q", str(theirs)], check=True)
    (theirs / "gates.yaml").write_text(GATES, encoding="utf-8")
    subprocess.run([*git, "-C", str(theirs), "add", "-A"], check=True)
    # the hook's environment is pre-commit's own; what the package needs is borrowed, so that it is not fetched anew
    borrowed = here.run([str(here.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    (tmp_path / "borrow").mkdir()
    (tmp_path / "borrow" / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({borrowed.strip()!r})\n"
    )
    env = {
        **fetching(),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PRE_COMMIT_HOME": str(tmp_path / "kept"),
        "PIP_NO_DEPS": "1",
        "PYTHONPATH": str(tmp_path / "borrow"),
    }

    def commit() -> tuple[int, str]:
        command = [
            sys.executable,
            "-m",
            "pre_commit",
            "try-repo",
            str(clone),
            "synth-stack-check",
            "--all-files",
        ]
        done = subprocess.run(
            command, cwd=theirs, env=env, capture_output=True, text=True, check=False, timeout=600
        )
        return done.returncode, done.stdout + done.stderr

    code, said = commit()
    assert (code, "Passed" in said) == (0, True), said
    (theirs / "gates.yaml").write_text(GATES.replace("structure", "structrue"), encoding="utf-8")
    code, said = commit()
    assert code == 1, said
    assert "Did you mean" in said
    assert "structure" in said
