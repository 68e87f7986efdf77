"""Every recipe that ships runs from its seeds to a verified pack, and with any server by changing one line."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import WorkError
from synth_stack.gates.datatrove_filter.canaries import PROSE
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.workflows.generate import preview
from tests.openai_server import MODEL, serve

ROOT = Path(__file__).parents[1]
RECIPES = sorted(
    path.parent.name
    for path in (ROOT / "pipelines").glob("*/recipe.yaml")
    if path.parent.name
    not in {
        "preference_pairs",
        "document_qa",
        "minimal_repair",
        "personas",
        "translation",
        "tool_traces",
        "math_reasoning",
        "image_balance",
        "structured_output",
        "self_instruct",
        "code_languages",
        "magpie",
    }  # tests/generators runs these: they need a judge, or a script of their own
)
ROWS = 12
"""A few rows of each method; fewer would leave a slice of the long tail without its floor."""
ONE_LINE = re.compile(r"^teacher: \{use: embedded.*\n# (teacher: \{use: http.*)$", re.MULTILINE)
"""The teacher of a recipe, and the line that takes its place."""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the recipes, with the gate files that they name."""
    folder: Path = tmp_path_factory.mktemp("shipped")
    for name in ("pipelines", "curator_configs"):
        shutil.copytree(ROOT / name, folder / name)
    return folder / "pipelines"


def shorten(path: Path, **teacher: Any) -> Any:
    """The recipe for a handful of rows, with another teacher where one is given."""
    short = {"generate.candidates": ROWS, "generate.target": None}
    return load_recipe(path, {**short, "teacher": teacher} if teacher else short)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_to_a_pack_that_verifies(name: str, tmp_path: Path) -> None:
    recipe = shorten(ROOT / "pipelines" / name / "recipe.yaml", use="scripted")
    if name == "code_pairs":  # this teacher writes no code
        with pytest.raises(WorkError, match=f"all {ROWS} rows"):
            synth_stack.run(recipe, tmp_path / "run")
        return
    result = synth_stack.run(recipe, tmp_path / "run")
    assert result.figures.generated == ROWS
    assert result.figures.accepted
    assert synth_stack.verify(result.pack.path).checks
    assert not len(synth_stack.replay(result.folder, recipe.gates).changed)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_previews_rows_with_the_prompts_that_were_asked(name: str) -> None:
    rows = preview(shorten(ROOT / "pipelines" / name / "recipe.yaml", use="scripted"), 5)
    assert len(rows) == 5
    for row in rows:
        assert row["slice"]
        assert row["prompts"]
        assert all(prompt["column"] and prompt["text"] for prompt in row["prompts"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_asks_any_server_when_one_line_is_changed(
    name: str, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    path = shipped / name / "recipe.yaml"
    text, changed = ONE_LINE.subn(r"\1", path.read_text(encoding="utf-8"))
    assert changed == 1
    with serve() as server:
        text = text.replace("http://127.0.0.1:8000/v1", server.base_url)
        path.write_text(re.sub(r"(?<=model: )[\w./-]+", MODEL, text), encoding="utf-8")
        folder = synth_stack.generate(shorten(path), tmp_path / "run")
    rows = [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]
    assert len(rows) == ROWS
    assert {row["teacher"] for row in rows} == {MODEL}
    assert len(server.asked) >= ROWS
    assert {asked.body["model"] for asked in server.asked} == {MODEL}


def test_the_datatrove_script_writes_rejects_beside_what_it_keeps(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    rows = tmp_path / "rows"
    rows.mkdir()
    prose = "\n\n".join(PROSE)
    texts = [prose, f"{prose}\n\nPlease write to jane.miller@harbourmail.com about it.", "again\n" * 50]
    for number, text in enumerate(texts):
        (rows / f"{number}.jsonl").write_text(json.dumps({"text": text, "id": str(number)}))
    script = ROOT / "pipelines" / "datatrove_gates.py"
    done = subprocess.run(
        [sys.executable, str(script), str(rows), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert {name: read_ids(tmp_path / "out" / name) for name in ("kept", "personal_data", "repeated")} == {
        "kept": ["0"],
        "personal_data": ["1"],
        "repeated": ["2"],
    }


def read_ids(folder: Path) -> list[str]:
    lines = [
        line
        for file in sorted(folder.glob("*.gz"))
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    return [json.loads(line)["id"] for line in lines]


@pytest.mark.engines
def test_the_dask_script_curates_rows(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "\n".join(json.dumps({"instruction": f"Say {n}.", "output": f"It is {n}."}) for n in range(5))
    )
    (tmp_path / "gates.yaml").write_text("version: 1\ngates:\n  - {use: turns}\n")
    script = ROOT / "pipelines" / "dask_curate.py"
    done = subprocess.run(
        [sys.executable, str(script), str(rows), str(tmp_path / "gates.yaml"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "'generated': 5" in done.stdout


def run_script(name: str, *args: str, cwd: Path) -> str:
    """What a script in pipelines/ prints, run by its user."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "pipelines" / name), *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.engines
def test_the_script_for_dask_judges_as_the_local_engine_does(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    rows = [
        {"instruction": f"What is {n}?", "output": f"It is the number {n}, and no other."} for n in range(40)
    ]
    rows[7]["output"] = ""
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "gates.yaml").write_text("version: 1\ngates: [{use: structure, canaries: 2}]\n")
    printed = run_script("dask_curate.py", "rows.jsonl", "gates.yaml", "out", cwd=tmp_path)
    here = synth_stack.curate(tmp_path / "rows.jsonl", tmp_path / "gates.yaml", tmp_path / "here")
    assert printed.strip() == str(here.figures.counts())
    decisions = [(tmp_path / folder / "decisions.parquet").read_bytes() for folder in ("out", "here")]
    assert decisions[0] == decisions[1]


@pytest.mark.engines
def test_the_script_for_datatrove_keeps_what_its_gate_lets_pass(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    texts = [PROSE[0], f"{PROSE[0]} Write to jane.doe@quickmail.net.", "go on " * 200]
    (tmp_path / "rows").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "rows" / f"{number}.jsonl").write_text(json.dumps({"id": str(number), "text": text}))
    run_script("datatrove_gates.py", "rows", "out", cwd=tmp_path)
    found = {
        folder: [
            json.loads(line)["id"]
            for part in (tmp_path / "out" / folder).glob("*.jsonl.gz")
            for line in gzip.decompress(part.read_bytes()).splitlines()
        ]
        for folder in ("kept", "personal_data", "repeated")
    }
    assert found == {"kept": ["0"], "personal_data": ["1"], "repeated": ["2"]}
