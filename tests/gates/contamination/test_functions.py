import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.contamination.functions import (
    Function,
    Problem,
    Solved,
    find_functions,
    find_solved,
    list_by_name,
)
from tests.examples import examples

SUM = Problem(
    "add_all",
    "METADATA = {}\n\ndef check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n",
    'from typing import List\n\n\ndef add_all(numbers: List[int]) -> int:\n    """ Add. """\n',
)
GCD = Problem(
    "gcd", "def check(candidate):\n    assert candidate(6, 4) == 2\n    assert candidate(7, 5) == 1\n"
)
ANSWER = "Here you go:\n\n```python\ndef total(values):\n    return sum(values)\n```\n\nIt adds them up."

# Other words, names and ways for the same two items, and near misses that solve neither.
SOLVE_SUM = [
    "def total(values):\n    return sum(values)",
    "def f(x):\n    r = 0\n    for k in x:\n        r += k\n    return r",
    "from functools import reduce\n\ndef fold(x):\n    return reduce(lambda a, b: a + b, x, 0)",
    "def rec(x):\n    return x[0] + rec(x[1:]) if x else 0\n\nprint(rec([1, 2, 3]))",
    "import numpy as np\n\nSTART = 0\n\ndef go(x, start=START):\n    return helper(x) + start\n\ndef helper(x):\n    return sum(x)",
    "class Solution:\n    def total(self, values):\n        return self.add(values)\n    def add(self, v):\n        return sum(v)",
    "class Sum:\n    @staticmethod\n    def of(values):\n        return sum(values)",
    "n = int(input())\ndef plus(numbers: List[int]) -> Optional[int]:\n    return sum(numbers)\nprint(plus([n]))",
    "Use this:\n\ndef plus(*numbers):\n    return sum(numbers[0])\n\nIt is short.",
]
SOLVE_GCD = [
    "def hcf(a, b):\n    while b:\n        a, b = b, a % b\n    return a",
    "import math\ndef divisor(a, b):\n    return math.gcd(a, b)",
]
SOLVE_NONE = [
    "def total(values):\n    return sum(values) + 1",
    "def total(values):\n    return values[0] + values[1]",
    "def total(values):\n    print(sum(values))",
    "def total(a, b):\n    return a * b",
    "def total(values):\n    while True: pass",
    "def total(values):\n    raise SystemExit(0)",
    "import os\ndef total(values):\n    os._exit(0)",
    "import sys\nsys.exit(0)\ndef total(): pass",
    "def total(values):\n    return open('/etc/passwd').read()",
    "class Sum:\n    def __init__(self, values):\n        pass\n    def total(self, values):\n        return sum(values)",
]


def solve(contents: list[str], problems: list[Problem]) -> set[tuple[int, int]]:
    """(content, problem) where a function of the content solves the problem."""
    found = [(k, function) for k, content in enumerate(contents) for function in find_functions(content)]
    pairs = [(f, p) for f in range(len(found)) for p in range(len(problems))]
    trials = find_solved([function for _, function in found], problems, pairs, budget=1000)
    return {(found[solved.function][0], solved.problem) for solved in trials.solved}


def test_a_planted_corpus_is_told_apart_without_a_miss_or_a_false_alarm() -> None:
    contents = [*SOLVE_SUM, *SOLVE_GCD, *SOLVE_NONE]
    sums, gcds = len(SOLVE_SUM), len(SOLVE_GCD)

    solved = solve(contents, [SUM, GCD])

    assert solved == {(k, 0) for k in range(sums)} | {(sums + k, 1) for k in range(gcds)}


def test_what_passed_says_how_many_asserts_held() -> None:
    functions = find_functions(ANSWER)
    trials = find_solved(functions, [GCD, SUM], [(0, 0), (0, 1)], budget=10)

    assert trials.solved == [Solved(function=0, problem=1, tests=2)]
    assert (trials.runs, trials.unmatched, trials.beyond_budget) == (1, 1, 0)


def test_a_test_that_asserts_nothing_is_never_solved() -> None:
    trivial = [
        Problem("f", test)
        for test in ["def check(candidate):\n    candidate([1])", "assert True", "", "no Python"]
    ]

    assert find_solved(find_functions(ANSWER), trivial, [(0, k) for k in range(4)], budget=9).solved == []


def test_the_budget_bounds_the_runs_in_the_order_of_the_pairs() -> None:
    functions = [Function(f"f{k}", 1, 1, f"def f{k}(x):\n    return sum(x)\n") for k in range(5)]
    pairs = [(k, 0) for k in (3, 1, 3, 4, 0, 2)]
    trials = find_solved(functions, [SUM], pairs, budget=3)

    assert [solved.function for solved in trials.solved] == [1, 3, 4]
    assert (trials.runs, trials.beyond_budget) == (3, 2)
    assert find_solved(functions, [SUM], pairs, budget=0).solved == []
    assert find_solved([], [], [], budget=3).solved == []


def test_equal_functions_are_run_once_and_all_of_them_solve() -> None:
    functions = find_functions(ANSWER) * 4
    trials = find_solved(functions, [SUM], [(k, 0) for k in range(4)], budget=1)

    assert [solved.function for solved in trials.solved] == [0, 1, 2, 3]
    assert trials.runs == 1


def test_helpers_of_the_prompt_serve_the_solution_and_the_test_and_cannot_be_replaced() -> None:
    prompt = "import math\n\ndef twice(x):\n    return 2 * x\n\ndef undo(x):\n    ''' Undo twice. '''\n"
    problem = Problem(
        "undo",
        "def check(candidate):\n    for k in range(1, 9):\n        assert candidate(twice(k)) == k",
        prompt,
    )
    cheat = "def twice(x):\n    return x\n\ndef same(x):\n    return x"

    assert solve(["def half(x):\n    return math.floor(x / 2)"], [problem]) == {(0, 0)}
    assert solve([cheat], [problem]) == set()


def test_a_test_of_plain_asserts_on_the_entry_point_counts_too() -> None:
    problem = Problem(
        "add_all", "assert add_all([1, 2]) == 3\nassert add_all([4]) == 4", "Write a function that adds."
    )

    assert solve([ANSWER, "def f(x):\n    return 3"], [problem]) == {(0, 0)}


@pytest.mark.parametrize(
    ("signature", "matches"),
    [
        *[(signature, True) for signature in ("x", "x, y=1", "*x", "x, **y", "x, *, y=1")],
        *[(signature, False) for signature in ("", "x, y", "x, *, y", "*, x")],
    ],
)
def test_only_functions_that_the_test_can_call_are_run(signature: str, matches: bool) -> None:
    functions = find_functions(f"def f({signature}):\n    return 0")
    trials = find_solved(functions, [SUM], [(k, 0) for k in range(len(functions))], budget=9)

    assert trials.runs == matches


def test_functions_are_found_in_python_blocks_and_not_in_others() -> None:
    text = (
        "```js\ndef no(): pass\n```\n```python\nimport re\ndef one(a, b=2): return a\n```\n"
        "prose with def in it\n```\ndef two(*c): return c\n``` \n````py\n  broken\n````\n```py\ndef three(): pass"
    )
    found = find_functions(text)

    assert [(f.name, f.least, f.most) for f in found] == [("one", 1, 2), ("two", 0, None), ("three", 0, 0)]
    assert "import re" in found[0].source


@pytest.mark.parametrize(
    "text", ["", "Let us def initely not.", "int f() { return 1; }", "def f(:\n    pass", "x = 1"]
)
def test_a_text_without_a_function_has_none(text: str) -> None:
    assert find_functions(text) == []


HOSTILE = {
    "parentheses": "x = " + "(" * 19_000,
    "signs": "x = " + "-" * 19_000 + "1",
    "a sum": "x = " + "1+" * 9_900 + "1",
    "attributes": "x = a" + ".a" * 9_000,
    "calls": "x = f" + "()" * 9_000,
    "lambdas": "x = " + "lambda:" * 2_700 + "1",
    "conditions": "x = " + "1 if 1 else " * 1_600 + "1",
    "indents": "".join(" " * k + "if 1:\n" for k in range(99)) + " " * 99 + "pass",
    "NUL": "x = '\0'",
    "a surrogate": "x = '\ud800'",
    "an integer": "x = " + "9" * 15_000,
    "length": "x = 1\n" * 1_000_000,
    "fences": "```\n" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sources_are_read_or_left_without_an_error(name: str) -> None:
    for content in (
        HOSTILE[name] + "\ndef f(x):\n    return x\n",
        f"```python\n{HOSTILE[name]}\ndef f(x): return x\n```",
    ):
        for function in find_functions(content):
            assert function.name == "f"


@settings(max_examples=examples(60))
@given(content=st.text(alphabet=st.sampled_from("def f(x):\n    return`*,@=[]1\\'\t")))
def test_any_text_can_be_searched_and_what_is_found_is_python(content: str) -> None:
    for function in find_functions("def f(): pass\n" + content):
        assert isinstance(ast.parse(function.source), ast.Module)


def test_names_match_without_case_and_underscores() -> None:
    functions = [Function(name, 0, None, "") for name in ["AddAll", "add__all_", "add", "GCD"]]

    assert list_by_name(functions, [GCD, SUM, SUM]) == [(0, 1), (0, 2), (1, 1), (1, 2), (3, 0)]
    assert list_by_name([], [SUM]) == list_by_name(functions, []) == []


@pytest.mark.corpora
def test_every_reference_solution_of_humaneval_solves_its_own_item_alone(corpora: Path) -> None:
    lines = (corpora / "humaneval" / "HumanEval.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines][::4]
    problems = [Problem(item["entry_point"], item["test"], item["prompt"]) for item in items]
    functions = [
        function
        for item in items
        for function in find_functions(
            re.sub(
                r"\b" + item["entry_point"] + r"\b", "renamed", item["prompt"] + item["canonical_solution"]
            )
        )
        if function.name == "renamed"
    ]
    own = [(k, k) for k in range(len(items))]
    other = [(k, (k + 1) % len(items)) for k in range(len(items))]

    assert len(functions) == len(items)
    assert [s.problem for s in find_solved(functions, problems, own, budget=999).solved] == list(
        range(len(items))
    )
    assert find_solved(functions, problems, other, budget=999).solved == []
