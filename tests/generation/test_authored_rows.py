"""What the rows of distilabel's documented pipelines become; with all of them behind the marker distilabel."""

import json
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError
from synth_stack.generation.authored_rows import check_columns
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from tests.generation.documented_pipelines import DOCUMENTED, Documented

Row = dict[str, Any]

pytestmark = [  # distilabel leaves its template files open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
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
    again = read(synth_stack.generate(shown.make(), folder / "run", columns=shown.needs or None))
    assert again == rows


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


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (
            ["instruction", "evolved_instruction", "answer"],
            '"prompt": "evolved_instruction", "answer": "answer"',
        ),
        (
            ["instruction", "response", "evolved_response"],
            '"prompt": "instruction", "answer": "evolved_response"',
        ),
        (["task", "student_solution", "revision"], '"prompt": "task", "answer": "revision"'),
        (["instruction", "scores"], '"prompt": "instruction", "answer": "scores"'),
    ],
)
def test_columns_that_leave_it_open_are_refused_with_the_line_to_add(columns: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_columns("p", columns, {})
    assert f"columns={{{line}}}" in str(caught.value)


def test_a_column_that_is_named_has_to_be_there() -> None:
    with pytest.raises(ConfigError, match="does not give; seen: b"):
        check_columns("p", ["a"], {"text": "b"})


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
