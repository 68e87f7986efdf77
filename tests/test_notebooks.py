"""The notebooks: committed without outputs, and executed from top to bottom."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 300


def read_notebook(path: Path) -> Any:
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]


def execute(notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the cells printed and showed, by a kernel of this very interpreter."""
    from nbclient import NotebookClient

    spec = folder / "kernels" / "this"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "this", "language": "python"})
    )
    (folder / "cells").mkdir()
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder / "cells"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's machinery warns about itself
        client = NotebookClient(notebook, kernel_name="this", timeout=TIMEOUT_S, startup_timeout=TIMEOUT_S)
        client.execute(cwd=str(folder / "cells"))
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == ["first_run.ipynb", "review_campaign.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    notebook = read_notebook(path)
    nbformat.validate(notebook)

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell.source for cell in code if cell.outputs or cell.execution_count is not None]


@pytest.mark.slow
def test_the_first_run_shows_what_it_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = execute(read_notebook(ROOT / "notebooks" / "first_run.ipynb"), tmp_path, monkeypatch)

    assert "'generated': 60" in shown
    for gate in ("structure", "dedup", "contamination"):
        assert f"│ {gate}" in shown
    assert "near-duplicate: of" in shown
    assert "shared: watts fits the lamp" in shown
    assert "rejected by contamination: shared n-gram: with the prompt of exam/e1" in shown
    assert "60 lineage records" in shown
    assert "proved   record" in shown
    assert "data/train-00000-of-00001.parquet was changed" in shown


@pytest.mark.slow
def test_the_review_shows_its_curves_and_ends_in_a_pack_that_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    shown = execute(read_notebook(ROOT / "notebooks" / "review_campaign.ipynb"), tmp_path, monkeypatch)

    assert "low: n=41, c=2" in shown
    assert "'repeated': 283" in shown
    assert "refunds    lot rejected: 7 of 29 sampled failed, upper bound 41%" in shown
    assert "'accepted': 899, 'rejected': 301" in shown
    assert "rows of the review drawn again" in shown
    assert "Lots: 3 passed" in shown
