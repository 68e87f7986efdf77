"""Problems go from a recipe to a verified pack with the answer that is right, and what is not verified fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import disable_progress_bars, load_dataset

import synth_stack
from synth_stack.errors import WorkError
from synth_stack.generators.maths.votes import part_truth, vote
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.export import export_pack
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts

Row = dict[str, Any]
SHIPPED = Path(__file__).parents[3] / "pipelines" / "math_reasoning"
TRUTHS = [
    ("honey", "6"), ("Tickets", "42"), ("Mira", "276"), ("pump", "150"), ("trains", "437.5"),
    ("painters", "8"), ("cake", "1/3"), ("rope", "10"), ("3/4", "11/8"),
]  # fmt: skip


def script(*rules: tuple[str, list[str]]) -> Row:
    """A model that knows the truths of the seeds; `rules` come before what it says of itself."""
    own = [
        (f"(?s){word}.*Solve the problem", [f"It comes to {truth}.\n#### {truth}", "#### 5"])
        for word, truth in TRUTHS
    ]
    return {
        "use": "scripted",
        "rules": [{"match": match, "replies": replies} for match, replies in [*rules, *own]],
    }


def load(teacher: Row, *, candidates: int = 9, **method: Any) -> Any:
    return load_recipe(
        SHIPPED / "recipe.yaml",
        {
            "teacher": teacher,
            "generate.candidates": candidates,
            "generate.methods": [{"use": "math_reasoning", **method}],
        },
    )


def make(folder: Path, teacher: Row, **said: Any) -> list[Row]:
    out = synth_stack.generate(load(teacher, **said), folder / "run")
    return [row for table in read_parts(out / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def told(row: Row) -> Row:
    said: Row = json.loads(row["extra"])["final_answer"]
    return said


def test_solutions_with_the_truth_are_packed_verified_loaded_and_exported(tmp_path: Path) -> None:
    result = synth_stack.run(load(script(), candidates=18), tmp_path / "run")
    verify_pack(result.pack.path)
    disable_progress_bars()
    rows = list(load_dataset(str(result.pack.path), split="train", cache_dir=str(tmp_path / "cache")))
    assert len(rows) >= 5
    for row in rows:
        said = told(row)
        assert row["messages"][1]["content"].endswith(f"#### {said['truth']}")
        assert "####" not in row["messages"][0]["content"]
        assert len(said["samples"]) == 8
    export_pack(result.pack.path, tmp_path / "out.jsonl", format="alpaca")
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == len(rows)


def test_a_written_problem_is_put_to_the_vote(tmp_path: Path) -> None:
    teacher = script(
        ("Write another problem", ["Ann has 3 boxes of 24 pens. How many pens has she?"]),
        ("Ann has", ["3 * 24 = 72\n#### 72", "So \\boxed{72}.", "#### 72.0", "#### 27"]),
    )
    rows = make(tmp_path, teacher, problems="written", samples=16, candidates=2)
    for row in rows:
        assert row["failure"] is None
        assert told(row)["truth"] is None
        assert row["messages"][0]["content"].startswith("Ann has")
        assert "27" not in row["messages"][1]["content"]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (["#### 5"], "vote: none of 4 solutions has the truth"),
        (["I do not know."], "vote: no solution has a final answer"),
    ],
)
def test_a_problem_that_nobody_solves_fails_with_its_reason(
    replies: list[str], reason: str, tmp_path: Path
) -> None:
    rows = make(tmp_path, script(("Solve the problem", replies)), samples=4, candidates=2)
    assert {row["failure"] for row in rows} == {reason}


def test_a_run_whose_solutions_all_fail_says_why_and_signs_nothing(tmp_path: Path) -> None:
    teacher = {"use": "scripted", "empty_share": 1.0}
    with pytest.raises(WorkError):
        synth_stack.run(load(teacher), tmp_path / "run")


@pytest.mark.parametrize(
    ("solutions", "truth", "expected"),
    [
        (["#### 1", "#### 2", "#### 2.0"], None, (1, 2)),
        (["#### 1", None, "So it is.", "#### 2", "\\boxed{2}"], None, (3, 2)),
        (["#### 1", "#### 2", "#### 2"], "1", (0, 1)),
        (["#### 0.5", "#### \\frac12"], "1/2", (0, 2)),
    ],
)
def test_the_first_of_the_most_or_of_those_with_the_truth_is_kept(
    solutions: list[str | None], truth: str | None, expected: tuple[int, int]
) -> None:
    said = vote(solutions, truth)
    assert (said.chosen, said.agreeing) == expected


def test_two_answers_with_as_many_votes_are_no_answer() -> None:
    with pytest.raises(ValueError, match="two answers have 1 of 3 votes each"):
        vote(["#### 1", "#### 2", None], None)


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        ("What is 2 + 2?\n#### 4", ("What is 2 + 2?", "4")),
        ("What is 2 + 2?", ("What is 2 + 2?", None)),
        ("#### 4", ("#### 4", None)),
        ("Which mark is ####?\nAnd\nwhy?", ("Which mark is ####?\nAnd\nwhy?", None)),
    ],
)
def test_a_truth_stands_under_its_problem(seed: str, expected: tuple[str, str | None]) -> None:
    assert part_truth(seed) == expected
