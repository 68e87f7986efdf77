"""What the rows of distilabel's documented pipelines become; with all of them behind the marker distilabel."""

import json
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from tests.generation.documented_pipelines import DOCUMENTED, Documented

Row = dict[str, Any]

pytestmark = [  # distilabel leaves its template files open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:PosixUPath:UserWarning"),  # its LoadDataFromFileSystem
]
FEW = ("grouped_generations", "template_and_columns", "ultrafeedback", "evol_quality", "two_leaves")


def read(folder: Path) -> list[Row]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def check(shown: Documented, folder: Path) -> None:
    if shown.needs:
        with pytest.raises(ConfigError, match=r"generate\(pipeline, out, columns=\{"):
            synth_stack.generate(shown.make(), folder / "unnamed")
    rows = read(synth_stack.generate(shown.make(), folder / "run", columns=shown.needs or None))
    assert len(rows) == shown.rows
    assert sum(row["failure"] is not None for row in rows) == shown.failed
    assert [row["draw"] for row in rows] == list(range(len(rows)))
    for row in rows:
        assert row["text"] or row["failure"]
    if shown.first is not None:
        prompt, answer, teacher = shown.first
        assert rows[0]["messages"][0]["content"] == prompt
        assert rows[0]["teacher"] == teacher
        said = find_answer(rows[0])
        assert answer[1:] in said if answer.startswith("*") else said == answer
    again = read(synth_stack.generate(shown.make(), folder / "run", columns=shown.needs or None))
    assert again == rows


def find_answer(row: Row) -> str:
    """What a row answers: the chosen text of a comparison, the tool that is called, or the text."""
    (said,) = row["alternatives"][0]["messages"] if row["alternatives"] else row["messages"][1:]
    return str(said["tool_calls"][0]["name"] if said["tool_calls"] else said["content"])


@pytest.mark.parametrize("name", FEW)
def test_a_documented_pipeline_gives_its_rows_or_says_what_has_to_be_named(name: str, tmp_path: Path) -> None:
    check(next(shown for shown in DOCUMENTED if shown.name == name), tmp_path)


@pytest.mark.distilabel
@pytest.mark.parametrize("shown", DOCUMENTED, ids=lambda shown: shown.name)
def test_every_documented_pipeline_gives_its_rows_or_says_what_has_to_be_named(
    shown: Documented, tmp_path: Path
) -> None:
    check(shown, tmp_path)


def test_rated_generations_are_a_comparison_with_its_best_and_its_worst(tmp_path: Path) -> None:
    shown = next(shown for shown in DOCUMENTED if shown.name == "ultrafeedback")
    row, *_ = read(synth_stack.generate(shown.make(), tmp_path))
    assert row["kind"] == "preference"
    sides = [(side["label"], side["rating"], side["model"]) for side in row["alternatives"]]
    assert sides == [("chosen", "4", "doc-a"), ("rejected", "2", "doc-b")]


def test_the_rows_of_each_leaf_say_which_it_was(tmp_path: Path) -> None:
    shown = next(shown for shown in DOCUMENTED if shown.name == "two_leaves")
    rows = read(synth_stack.generate(shown.make(), tmp_path))
    assert {json.loads(row["params"])["step"] for row in rows} == {"short", "long"}


def test_the_table_in_the_docs_is_that_of_the_pipelines_that_are_run() -> None:
    page = (Path(__file__).parents[2] / "docs" / "distilabel.md").read_text(encoding="utf-8")
    assert len(DOCUMENTED) >= 25
    assert page.rstrip().endswith(draw_table())


def draw_table() -> str:
    """The rows of the table in docs/distilabel.md."""
    lines = []
    for shown in DOCUMENTED:
        named = ", ".join(f"`{field}`: `{column}`" for field, column in shown.needs.items()) or "none"
        failed = f", {shown.failed} failed" if shown.failed else ""
        lines.append(f"| `{shown.name}` | {shown.page} | {shown.rows}{failed} | {named} |")
    return "\n".join(lines)
