import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from synth_stack.gates.contamination.canaries import Sight, plant_items
from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.rows.canonical import Digest
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates, recompute_row_ids
from tests.gates.contamination.exams import judge_rows, make_judge
from tests.some_rows import MakeRow, TextsTable, make_foreign, make_row

EVERYTHING = Sight(run_words=12, whole_words=8, meaning=True, behaviour=True)
EGGS = (
    "Every morning a farmer collects twelve eggs from her hens and sells each of them at the market. "
    "She keeps four eggs for her children every day. How many eggs does she sell in a week?"
)
SOLUTION = "    total = 0\n    for number in numbers:\n        total += number\n    return total\n"
PROMPT = 'def add_up(numbers):\n    """ Return the total of a list of numbers.\n    >>> add_up([1])\n    1\n    """\n'
TEST = "def check(candidate):\n    assert candidate([1, 2]) == 3\n"


def make_set(prompts: Sequence[str], answers: Sequence[str | None], tests: Sequence[str | None]) -> EvalItems:
    n = len(prompts)
    return EvalItems(
        name="exam",
        sha256=Digest("0" * 64),
        ids=[str(k) for k in range(n)],
        prompts=list(prompts),
        answers=list(answers),
        entry_points=["add_up" if test else None for test in tests],
        tests=list(tests),
        passages=[None] * n,
        choices=[()] * n,
    )


WORDS = make_set([EGGS], [None], [None])
CODE = make_set([PROMPT], [SOLUTION], [TEST])


@pytest.fixture
def sample() -> pa.Table:
    spoken = make_row(("user", "Hello?"), ("assistant", "Good day."), kind="dialogue")
    return build_candidates([spoken, make_foreign("Plain.")])


def plant(sets: Sequence[EvalItems], sight: Sight, sample: pa.Table, n: int = 20) -> dict[str, str]:
    """What is wrong with each row, and its text."""
    rows = plant_items(sets, sight, sample, n, 1).to_pylist()
    return {json.loads(row["extra"])["canary"].partition(", ")[2]: row["text"] for row in rows}


def test_each_rule_does_what_it_says(sample: pa.Table) -> None:
    made = plant([WORDS], EVERYTHING, sample)
    assert list(made) == ["copied into other text", "in other formatting", "an excerpt", "in other words"]
    assert EGGS in made["copied into other text"]
    assert made["in other formatting"].startswith("> **EVERY MORNING A FARMER COLLECTS TWELVE EGGS**\n> **")
    piece = made["an excerpt"].removeprefix("Go on from here: ").removesuffix("\n\nGood day.")
    assert piece in EGGS
    assert len(piece.split()) == 18
    other = made["in other words"]
    assert other.startswith("what number of eggs does she sell in indeed a week? Every morning a farmer")
    assert "offers each" in other
    assert "kids" in other
    assert not any(" ".join(EGGS.split()[k : k + 12]) in other for k in range(len(EGGS.split()) - 11))


def test_a_solution_keeps_its_behaviour_and_loses_its_names(sample: pa.Table) -> None:
    made = plant([CODE], EVERYTHING, sample)["solved with other names"]
    code = made.partition("```python\n")[2].partition("```")[0]
    assert not {"add_up", "numbers", "total", "number", ">>>"} & set(code.replace("(", " ").split())
    space: dict[str, object] = {}
    exec(code, space)  # our own solution from above
    (function,) = [value for name, value in space.items() if callable(value)]
    assert function([1, 2, 3]) == 6
    assert made.startswith("give back the total of a sequence of indeed numbers. Use Python.")


def test_rows_have_the_shape_of_the_sample_and_ids_of_their_own(sample: pa.Table) -> None:
    rows = plant_items([WORDS, CODE], EVERYTHING, sample, 7, 1)
    assert rows.schema == CANDIDATE_SCHEMA
    assert recompute_row_ids(rows) == rows["row_id"].to_pylist()
    shapes = [(row["kind"], [m["role"] for m in row["messages"]]) for row in rows.to_pylist()]
    assert shapes[:2] == [("dialogue", ["user", "assistant"]), ("foreign", [])]
    assert all(
        row["text"] == "\n\n".join(m["content"] for m in row["messages"])
        for row in rows.to_pylist()
        if row["messages"]
    )


def test_only_what_the_gate_can_see_is_planted(sample: pa.Table) -> None:
    blind = Sight(run_words=None, whole_words=8, meaning=False, behaviour=False)
    assert list(plant([WORDS, CODE], blind, sample)) == ["copied into other text", "in other formatting"]


def test_no_more_than_asked_and_no_item_twice_by_one_rule(sample: pa.Table) -> None:
    many = make_set(
        [EGGS.replace("farmer", f"farmer called F{k}") for k in range(50)], [None] * 50, [None] * 50
    )
    assert plant_items([many], EVERYTHING, sample, 30, 1).num_rows == 30
    rows = plant_items([many], EVERYTHING, sample, 1000, 1)
    assert rows.num_rows == 4 * 50
    assert len(set(rows.filter(pc.match_substring(rows["extra"], "other words"))["text"].to_pylist())) == 50


@pytest.mark.parametrize(
    "prompt", ["", "Too short to say.", "二" * 100, "x" * 5_000 + " word" * 30, "? " * 100]
)
def test_items_that_no_rule_fits_are_passed_over(sample: pa.Table, prompt: str) -> None:
    assert plant([make_set([prompt], [None], [None])], EVERYTHING, sample) == {}


@pytest.mark.parametrize("answer", [None, "", "    return (", "    " + "(" * 3_000, "\x00"])
def test_a_solution_that_is_no_python_is_passed_over(sample: pa.Table, answer: str | None) -> None:
    made = plant([make_set([PROMPT], [answer], [TEST])], EVERYTHING, sample)
    assert "solved with other names" not in made


def make_sample(row: MakeRow, texts_table: TextsTable) -> pa.Table:
    conversation = row(("user", "My parcel has not come."), ("assistant", "I am sorry to hear that."))
    return pa.concat_tables([build_candidates([conversation]), texts_table(["A plain text of a row."])])


def test_planted_items_are_rows_like_the_samples_and_are_found(
    named: NamedEvalSet, coding: NamedEvalSet, row: MakeRow, texts_table: TextsTable
) -> None:
    judge = make_judge(against=[named, coding])
    sample = make_sample(row, texts_table)
    assert judge.plant is not None
    canaries = judge.plant(sample, 10, 3)
    assert canaries.schema == CANDIDATE_SCHEMA
    assert 5 <= canaries.num_rows <= 10
    assert canaries.equals(judge.plant(sample, 10, 3))
    assert not canaries.equals(judge.plant(sample, 10, 4))
    assert set(canaries["generator"].to_pylist()) == {"canary"}
    shapes = [(r["kind"], len(r["messages"])) for r in canaries.to_pylist()]
    assert set(shapes) == {("instruction", 2), ("foreign", 0)}
    wrong = [json.loads(extra)["canary"] for extra in canaries["extra"].to_pylist()]
    assert "an item of exam, copied into other text" in wrong
    assert "an item of coding, solved with other names" in wrong
    caught = judge_rows(judge, canaries)["outcome"].to_pylist()
    assert caught.count("reject") >= judge.min_recall * len(caught)


def test_without_eval_sets_or_sample_nothing_is_planted(named: NamedEvalSet) -> None:
    assert make_judge().plant is None
    judge = make_judge(against=[named], embedding=None)
    assert judge.plant is not None
    assert judge.plant(CANDIDATE_SCHEMA.empty_table(), 10, 1).num_rows == 0


def test_items_that_no_rule_fits_give_no_canary(
    tmp_path: Path, row: MakeRow, texts_table: TextsTable
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"prompt": "Why?"}, {"prompt": "珍妮特的鸭子每天下十六个蛋她早餐吃三个"}]))
    judge = make_judge(against=[NamedEvalSet(name="x", path=str(path))], embedding=None)
    assert judge.plant is not None
    assert judge.plant(make_sample(row, texts_table), 10, 1).num_rows == 0
