"""What a release consists of: workflows, action, container files, version from one place."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from synth_stack.cli.main import app

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_asks_for_no_right_that_a_job_does_not_name(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        steps = [step.get("uses", "") for step in job["steps"]]
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step) for step in steps if step)
        assert "secrets." not in str(job)
        assert job["timeout-minutes"] <= 60


def test_only_what_was_attested_is_published_and_a_person_is_asked() -> None:
    jobs = read(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"] == "release"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert [step for step in jobs["build"]["steps"] if "attest" in step.get("uses", "")]


def test_every_system_is_tried() -> None:
    systems = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["systems"]["strategy"]["matrix"][
        "system"
    ]
    assert {name.partition("-")[0] for name in systems} == {"ubuntu", "macos", "windows"}


def test_the_action_passes_options_that_exist_and_no_input_is_part_of_its_script() -> None:
    action = read(ROOT / "action.yml")
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert not [script for script in scripts if "${{" in script]
    group: Any = typer.main.get_command(app)
    known = {option for parameter in group.commands["verify"].params for option in parameter.opts}
    assert set(re.findall(r"\(?(--[a-z-]{2,})", scripts[-1])) <= known


def test_the_container_installs_what_the_lock_says_and_has_no_rights() -> None:
    text = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in text
    assert re.search(r"^USER \d{4,}$", text, re.MULTILINE)
    services = read(ROOT / "deploy" / "compose.yaml")["services"]
    opened = [port for service in services.values() for port in service.get("ports", [])]
    assert opened
    assert all(port.startswith("127.0.0.1:") for port in opened)
    assert all(re.search(r":v?\d", service["image"]) for service in services.values())


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "synth_stack.__version__"}
