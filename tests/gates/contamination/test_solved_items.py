from collections.abc import Collection, Mapping, Sequence

import polars as pl
import pyarrow as pa
import pytest

from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.gates.contamination.solved_items import (
    Behaviour,
    ItemTrials,
    Trial,
    list_wanted,
    prepare_trials,
    try_functions,
)
from synth_stack.rows.canonical import Digest
from tests.some_rows import TextsTable

DOUBLE = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n"
SQUARE = "def check(candidate):\n    assert candidate(3) == 9\n"
TWICE = "def twice(x):\n    return x + x\n"


def make_set(name: str, *items: tuple[str | None, str | None], solution: str | None = None) -> EvalItems:
    """Items of an entry point and a test each; a `solution` is that of all."""
    return EvalItems(
        name=name,
        sha256=Digest("0" * 64),
        ids=[f"i{k}" for k in range(len(items))],
        prompts=["Say what to do."] * len(items),
        answers=[solution] * len(items),
        entry_points=[entry_point for entry_point, _ in items],
        tests=[test for _, test in items],
        passages=[None] * len(items),
        choices=[()] * len(items),
    )


def list_near(near: Mapping[int, Sequence[int]]) -> pl.DataFrame:
    """The items that rows are near to, the nearest first, as the comparison by meaning gives them."""
    lines = [(row, item, 1 - k / 100) for row, items in near.items() for k, item in enumerate(items)]
    schema = {"row": pl.Int64, "item": pl.Int64, "nearness": pl.Float64}
    return pl.DataFrame(lines, schema=schema, orient="row")


def try_rows(
    trials: ItemTrials,
    table: pa.Table,
    near: Mapping[int, Sequence[int]],
    skip: Collection[int] = (),
    runs: int = 100,
) -> dict[int, Trial]:
    """What comes of rows of which each has so many runs."""
    wanted = {row: asked.pairs for row, asked in list_wanted(trials, table, list_near(near), skip).items()}
    taken = {row: min(runs, len(pairs)) for row, pairs in wanted.items()}
    return try_functions(trials, table, wanted, taken)


@pytest.fixture
def trials() -> ItemTrials:
    sets = [
        make_set("first", (None, None), ("square", SQUARE)),
        make_set("second", ("double", DOUBLE), ("f", None)),
    ]
    return prepare_trials(sets, Behaviour())


def test_items_with_an_entry_point_and_a_test_are_tried_and_no_others(trials: ItemTrials) -> None:
    assert list(trials.items) == [1, 2]
    assert trials.facts == {"items": 2, "sandbox": trials.level, "why_not": None}


def test_a_function_is_tried_on_the_items_that_its_row_is_like(
    trials: ItemTrials, texts_table: TextsTable
) -> None:
    table = texts_table([TWICE, TWICE, "Nothing to run.", None])
    tried = try_rows(trials, table, {0: [0, 1, 2, 3], 2: [2]})
    assert list(tried) == [0]
    reason, evidence = tried[0].solved or ("", {})
    assert reason == "passes 2 tests of second/i0"
    assert (evidence["function"], evidence["message"], evidence["tests_passed"]) == ("twice", 0, 2)
    assert (evidence["eval_set"], evidence["item"], evidence["item_text"]) == (
        "second",
        "i0",
        "Say what to do.",
    )
    assert (tried[0].tried, tried[0].untried) == (2, 0)


def test_a_function_of_an_items_name_is_tried_first(trials: ItemTrials, texts_table: TextsTable) -> None:
    table = texts_table(["def Square(x):\n    return x * x\n", "def double(n):\n    return 2 * n + 1\n"])
    tried = try_rows(trials, table, {0: [2]})
    assert tried[0].solved is not None
    assert tried[0].solved[0].endswith("passes 1 tests of first/i1")
    assert tried[0].tried == 2
    assert tried[1] == Trial(1, 0)


def test_the_item_with_most_tests_passed_is_named(texts_table: TextsTable) -> None:
    sets = [make_set("a", ("p", "def check(candidate):\n    assert candidate(0) == 0\n"), ("q", DOUBLE))]
    tried = try_rows(prepare_trials(sets, Behaviour()), texts_table([TWICE]), {0: [0, 1]})
    assert tried[0].solved is not None
    assert tried[0].solved[1]["item"] == "i1"


def test_rows_to_skip_are_not_tried(trials: ItemTrials, texts_table: TextsTable) -> None:
    assert try_rows(trials, texts_table([TWICE]), {0: [2]}, skip=[0]) == {}


def test_runs_are_bounded_for_a_row_and_what_a_row_is_not_granted_is_untried(texts_table: TextsTable) -> None:
    sets = [make_set("a", ("p", SQUARE), ("q", SQUARE), ("r", DOUBLE))]
    near = {row: [0, 1, 2] for row in (2, 0, 1)}
    table = texts_table([TWICE + f"\nx = {k}\n" for k in range(3)])
    by_row = prepare_trials(sets, Behaviour(runs_per_row=2))
    assert list(try_rows(by_row, table, near).values()) == [Trial(2, 0)] * 3
    granted = try_rows(prepare_trials(sets, Behaviour()), table, near, runs=2)
    assert list(granted.values()) == [Trial(2, 1)] * 3
    assert all(trial.has_too_few for trial in granted.values())


def test_a_row_that_was_tried_on_its_three_nearest_items_has_had_enough(texts_table: TextsTable) -> None:
    sets = [make_set("a", *[(f"p{k}", SQUARE) for k in range(4)])]
    trials = prepare_trials(sets, Behaviour())
    [trial] = try_rows(trials, texts_table([TWICE]), {0: [0, 1, 2, 3]}, runs=3).values()
    assert (trial.tried, trial.untried, trial.has_too_few) == (3, 1, False)


def test_a_row_asks_for_runs_by_the_name_of_its_functions_and_by_nearness(
    trials: ItemTrials, texts_table: TextsTable
) -> None:
    table = texts_table(["def double(n):\n    return n\n", TWICE, TWICE])
    wanted = list_wanted(trials, table, list_near({1: [1, 2], 0: [1]}), skip=[2])
    assert list(wanted) == [0, 1]
    assert (wanted[0].by_name, wanted[0].nearness, wanted[0].pairs) == (True, 1.0, [(0, 1), (0, 0)])
    assert (wanted[1].by_name, wanted[1].nearness, wanted[1].pairs) == (False, 1.0, [(0, 0), (0, 1)])


def test_a_function_that_the_row_does_not_have_is_refused(
    trials: ItemTrials, texts_table: TextsTable
) -> None:
    with pytest.raises(GateError, match="does not have the functions"):
        try_functions(trials, texts_table([TWICE]), {0: [(1, 0)]}, {0: 1})


def test_an_item_whose_test_passes_another_number_of_arguments_takes_no_run(
    texts_table: TextsTable,
) -> None:
    of_two = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    trials = prepare_trials([make_set("a", ("p", of_two), ("q", DOUBLE))], Behaviour(runs_per_row=1))
    [trial] = try_rows(trials, texts_table([TWICE]), {0: [0, 1]}).values()
    assert (trial.tried, trial.untried) == (1, 0)
    assert trial.solved is not None


@pytest.mark.parametrize(
    "hostile",
    [
        "def f(x):\n    while True:\n        pass\n",
        "import os\n\ndef f(x):\n    os._exit(0)\n",
        "import sys\n\ndef f(x):\n    sys.exit(0)\n",
        "class Yes:\n    def __eq__(self, other):\n        raise SystemExit\n\ndef f(x):\n    return Yes()\n",
        "def f(x):\n    return " + "(" * 5_000 + "\n",
        "def f(\x00):\n    pass\n",
    ],
)
def test_code_that_means_harm_solves_nothing(
    trials: ItemTrials, texts_table: TextsTable, hostile: str
) -> None:
    tried = try_rows(trials, texts_table([hostile]), {0: [2]})
    assert all(trial.solved is None for trial in tried.values())


def test_without_items_that_have_tests_nothing_is_tried(texts_table: TextsTable) -> None:
    trials = prepare_trials([make_set("a", (None, None), ("f", None), (None, SQUARE))], Behaviour())
    assert trials.facts == {"items": 0, "sandbox": None, "why_not": "no eval set has tests"}
    assert try_rows(trials, texts_table([TWICE]), {0: [0]}) == {}
    with pytest.raises(ConfigError, match="behaviour is required and cannot be tried; seen: no eval set has"):
        prepare_trials([make_set("a", (None, None))], Behaviour(required=True))


def test_an_item_whose_test_is_no_python_is_never_solved(texts_table: TextsTable) -> None:
    trials = prepare_trials([make_set("a", ("f", "def check(candidate:\n"), ("g", "pass"))], Behaviour())
    tried = try_rows(trials, texts_table([TWICE]), {0: [0, 1]})
    assert [t.solved for t in tried.values()] == [None]


JOIN = """
def check(candidate):
    assert candidate([]) == ''
    assert candidate(['x', 'y']) == 'xy'
    assert candidate(['z']) == 'z'
"""
JOINED = "def join(xs):\n    return ''.join(xs)\n"
OTHERS = {
    "same": "def glue(xs):\n    out = ''\n    for x in xs:\n        out += x\n    return out\n",
    "other": "def once(xs):\n    return ''.join(dict.fromkeys(xs))\n",
    "doubtful": "def strip(xs):\n    return ''.join(xs).strip()\n",
}


@pytest.mark.parametrize("standing", OTHERS)
def test_what_passes_a_few_tests_is_compared_with_the_items_solution(
    texts_table: TextsTable, standing: str
) -> None:
    trials = prepare_trials([make_set("a", ("join", JOIN), solution=JOINED)], Behaviour())
    [trial] = try_rows(trials, texts_table([OTHERS[standing]]), {0: [0]}).values()
    assert trial.standing == standing
    assert trial.solved is not None
    assert trial.solved[1]["further_inputs"] == 120
    assert (trial.solved[1]["agreed_on"] == 120) == (standing == "same")


def test_a_function_of_the_items_name_is_its_solution_whatever_it_does_elsewhere(
    texts_table: TextsTable,
) -> None:
    trials = prepare_trials(
        [make_set("a", ("double", DOUBLE), solution="def double(x):\n    return x * 2\n")], Behaviour()
    )
    clumsy = "def Double(x):\n    return x + x if x > -4 else 0\n"
    named, other = (clumsy, clumsy.replace("Double", "f"))
    tried = try_rows(trials, texts_table([named, other]), {0: [0], 1: [0]})
    assert [trial.standing for trial in tried.values()] == ["same", "other"]


def test_few_tests_of_an_item_without_a_solution_leave_a_doubt(texts_table: TextsTable) -> None:
    many = "def check(candidate):\n" + "".join(f"    assert candidate({k}) == {2 * k}\n" for k in range(5))
    trials = prepare_trials([make_set("a", ("p", DOUBLE)), make_set("b", ("q", many))], Behaviour())
    table = texts_table([TWICE])
    few, enough = (try_rows(trials, table, {0: [item]})[0] for item in (0, 1))
    assert (few.standing, enough.standing) == ("doubtful", "same")
