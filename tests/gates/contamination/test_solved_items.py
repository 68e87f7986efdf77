import pytest

from synth_stack.errors import ConfigError
from synth_stack.gates.contamination.eval_sets import EvalSet
from synth_stack.gates.contamination.solved_items import Behaviour, Trials, prepare_trials, try_functions
from synth_stack.rows.canonical import Digest
from tests.some_rows import TextsTable

DOUBLE = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n"
SQUARE = "def check(candidate):\n    assert candidate(3) == 9\n"
TWICE = "def twice(x):\n    return x + x\n"


def make_set(name: str, *items: tuple[str | None, str | None]) -> EvalSet:
    """Items of an entry point and a test each."""
    return EvalSet(
        name=name,
        sha256=Digest("0" * 64),
        ids=[f"i{k}" for k in range(len(items))],
        prompts=["Say what to do."] * len(items),
        answers=[None] * len(items),
        entry_points=[entry_point for entry_point, _ in items],
        tests=[test for _, test in items],
    )


@pytest.fixture
def trials() -> Trials:
    sets = [
        make_set("first", (None, None), ("square", SQUARE)),
        make_set("second", ("double", DOUBLE), ("f", None)),
    ]
    return prepare_trials(sets, Behaviour())


def test_items_with_an_entry_point_and_a_test_are_tried_and_no_others(trials: Trials) -> None:
    assert list(trials.items) == [1, 2]
    assert trials.facts == {"items": 2, "sandbox": trials.level, "why_not": None}


def test_a_function_is_tried_on_the_items_that_its_row_is_like(
    trials: Trials, texts_table: TextsTable
) -> None:
    table = texts_table([TWICE, TWICE, "Nothing to run.", None])
    tried = try_functions(trials, table, {0: [0, 1, 2, 3], 2: [2]}, skip=())
    assert list(tried) == [0]
    reason, evidence = tried[0].solved or ("", {})
    assert reason == "solves a held-out item: passes 2 tests of second/i0"
    assert (evidence["function"], evidence["message"], evidence["tests_passed"]) == ("twice", 0, 2)
    assert (evidence["eval_set"], evidence["item"], evidence["item_text"]) == (
        "second",
        "i0",
        "Say what to do.",
    )
    assert tried[0].counts == {"tried": 2, "untried": 0}


def test_a_function_of_an_items_name_is_tried_first(trials: Trials, texts_table: TextsTable) -> None:
    table = texts_table(["def Square(x):\n    return x * x\n", "def double(n):\n    return 2 * n + 1\n"])
    tried = try_functions(trials, table, {0: [2]}, skip=())
    assert tried[0].solved is not None
    assert tried[0].solved[0].endswith("passes 1 tests of first/i1")
    assert tried[0].tried == 2
    assert tried[1].solved is None
    assert tried[1].counts == {"tried": 1, "untried": 0}


def test_the_item_with_most_tests_passed_is_named(texts_table: TextsTable) -> None:
    sets = [make_set("a", ("p", "def check(candidate):\n    assert candidate(0) == 0\n"), ("q", DOUBLE))]
    tried = try_functions(prepare_trials(sets, Behaviour()), texts_table([TWICE]), {0: [0, 1]}, skip=())
    assert tried[0].solved is not None
    assert tried[0].solved[1]["item"] == "i1"


def test_rows_to_skip_are_not_tried(trials: Trials, texts_table: TextsTable) -> None:
    assert try_functions(trials, texts_table([TWICE]), {0: [2]}, skip=[0]) == {}


def test_runs_are_bounded_for_a_row_and_for_a_table(texts_table: TextsTable) -> None:
    sets = [make_set("a", ("p", SQUARE), ("q", SQUARE), ("r", DOUBLE))]
    near = {row: [0, 1, 2] for row in (2, 0, 1)}
    texts = [TWICE + f"\nx = {k}\n" for k in range(3)]
    by_row = prepare_trials(sets, Behaviour(runs_per_row=2))
    tried = try_functions(by_row, texts_table(texts), near, skip=())
    assert [t.counts for t in tried.values()] == [{"tried": 2, "untried": 0}] * 3
    assert all(t.solved is None for t in tried.values())
    by_table = prepare_trials(sets, Behaviour(runs_per_table=4))
    tried = try_functions(by_table, texts_table(texts), near, skip=())
    assert {row: (t.tried, t.untried) for row, t in tried.items()} == {2: (2, 1), 0: (1, 2), 1: (1, 2)}
    assert all(t.is_starved for t in tried.values())


def test_a_row_that_was_tried_on_its_three_nearest_items_is_not_starved(texts_table: TextsTable) -> None:
    sets = [make_set("a", *[(f"p{k}", SQUARE) for k in range(4)])]
    trials = prepare_trials(sets, Behaviour(runs_per_table=3))
    [trial] = try_functions(trials, texts_table([TWICE]), {0: [0, 1, 2, 3]}, skip=()).values()
    assert (trial.tried, trial.untried, trial.is_starved) == (3, 1, False)


def test_an_item_whose_test_passes_another_number_of_arguments_takes_no_run(
    texts_table: TextsTable,
) -> None:
    of_two = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    trials = prepare_trials([make_set("a", ("p", of_two), ("q", DOUBLE))], Behaviour(runs_per_row=1))
    [trial] = try_functions(trials, texts_table([TWICE]), {0: [0, 1]}, skip=()).values()
    assert trial.counts == {"tried": 1, "untried": 0}
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
def test_code_that_means_harm_solves_nothing(trials: Trials, texts_table: TextsTable, hostile: str) -> None:
    tried = try_functions(trials, texts_table([hostile]), {0: [2]}, skip=())
    assert all(trial.solved is None for trial in tried.values())


def test_without_items_that_have_tests_nothing_is_tried(texts_table: TextsTable) -> None:
    trials = prepare_trials([make_set("a", (None, None), ("f", None), (None, SQUARE))], Behaviour())
    assert trials.facts == {"items": 0, "sandbox": None, "why_not": "no eval set has tests"}
    assert try_functions(trials, texts_table([TWICE]), {0: [0]}, skip=()) == {}
    with pytest.raises(ConfigError, match="behaviour is required and cannot be tried; seen: no eval set has"):
        prepare_trials([make_set("a", (None, None))], Behaviour(required=True))


def test_an_item_whose_test_is_no_python_is_never_solved(texts_table: TextsTable) -> None:
    trials = prepare_trials([make_set("a", ("f", "def check(candidate:\n"), ("g", "pass"))], Behaviour())
    tried = try_functions(trials, texts_table([TWICE]), {0: [0, 1]}, skip=())
    assert [t.solved for t in tried.values()] == [None]
