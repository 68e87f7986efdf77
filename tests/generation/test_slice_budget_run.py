"""A run that a report aims: the rows lie as the budget says, and the budget is seen before it is spent."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import synth_stack
from synth_stack.errors import RunMismatch
from synth_stack.rows.canonical import digest_bytes
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from tests.openai_server import MODEL, find_closed_url
from tests.recipes import call
from tests.shop import write_recipe

REPORT = "slice,n,score\norders/late,40,0.9\norders/lost,5,0.2\nbilling/refund,60,1.0\n"
BUDGET = {"orders/lost": 10, "orders/late": 2}
TWO = [{"use": "self_instruct", "share": 0.5}, {"use": "magpie", "share": 0.5}]


def write_aimed(folder: Path, teacher: dict[str, Any] | None = None, **report: Any) -> Path:
    """The shop's recipe with a report beside it, for 12 rows by two methods."""
    (folder / "report.csv").write_text(REPORT, encoding="utf-8")
    generate = {"candidates": 12, "batch_rows": 4, "report": {"path": "report.csv", "goal": 0.95, **report}}
    return write_recipe(folder, teacher, generate={**generate, "methods": TWO})


def read(folder: Path) -> list[dict[str, Any]]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def test_each_slice_gets_the_rows_of_its_budget_over_all_methods(tmp_path: Path) -> None:
    rows = read(synth_stack.generate(write_aimed(tmp_path), tmp_path / "out"))
    assert Counter(row["slice"] for row in rows) == BUDGET
    assert sorted(row["draw"] for row in rows) == list(range(12))
    lost = {row["generator"] for row in rows if row["slice"] == "orders/lost"}
    assert lost == {"self_instruct", "magpie"}


def test_the_lock_holds_the_report_by_its_digest_and_the_budget_and_no_path(tmp_path: Path) -> None:
    folder = synth_stack.generate(write_aimed(tmp_path), tmp_path / "out")
    text = (folder / "recipe.lock.yaml").read_text(encoding="utf-8")
    recorded = yaml.safe_load(text)["report"]
    assert recorded["sha256"] == digest_bytes(REPORT.encode())
    assert {share["slice"]: share["rows"] for share in recorded["slices"] if share["rows"]} == BUDGET
    assert str(tmp_path) not in text


def test_another_report_is_another_run(tmp_path: Path) -> None:
    recipe = write_aimed(tmp_path)
    synth_stack.generate(recipe, tmp_path / "out")
    (tmp_path / "report.csv").write_text(REPORT.replace("0.9", "0.8"), encoding="utf-8")
    with pytest.raises(RunMismatch):
        synth_stack.generate(recipe, tmp_path / "out")


@pytest.mark.parametrize("command", ["preview", "run", "generate"])
def test_the_budget_is_shown_before_a_teacher_is_asked(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    gates = {"version": 1, "gates": [{"use": "structure"}]}
    (tmp_path / "gates.yaml").write_text(yaml.safe_dump(gates), encoding="utf-8")
    teacher = {
        "use": "http",
        "reasoning_tokens": 0,
        "base_url": find_closed_url(),
        "model": MODEL,
        "retries": 0,
        "chat_format": "qwen2",
    }
    code, out, err = call(monkeypatch, capsys, command, write_aimed(tmp_path, teacher))
    assert code == 1, err
    assert "Budget" in out
    shown = {
        line.split("│")[1].strip(): line.split("│")[5].strip()
        for line in out.splitlines()
        if "orders" in line
    }
    assert shown == {slice_: str(rows) for slice_, rows in BUDGET.items()}
