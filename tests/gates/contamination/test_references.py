import pytest

from synth_stack.gates.contamination.functions import Function, Problem, Solved
from synth_stack.gates.contamination.references import (
    SolutionComparison,
    _read_answers,
    compare_solved,
    judge_passed,
)

TEST = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(9) == 18\n"
BODY = Problem("double", TEST, 'def double(n):\n    """Twice a number."""\n', "    return 2 * n\n")
TWICE = Function("twice", 1, 1, "def twice(n):\n    return n + n\n")


def compare(problem: Problem, function: Function = TWICE) -> SolutionComparison | None:
    (comparison,) = compare_solved([function], [problem], [Solved(0, 0, 2)])
    return comparison


@pytest.mark.parametrize(
    "problem", [BODY, Problem("double", TEST, "Twice a number.", "def double(n):\n    return 2 * n\n")]
)
def test_a_solution_is_a_body_after_its_prompt_or_a_module(problem: Problem) -> None:
    found = compare(problem)
    assert found is not None
    assert found.inputs == found.agreed >= 8


@pytest.mark.parametrize(
    "answer",
    ["", "Multiply by two.", "    return 2 *\n", "    while True:\n        n += 1\n", "    raise OSError\n"],
)
def test_without_a_solution_that_answers_there_is_no_comparison(answer: str) -> None:
    assert compare(Problem("double", TEST, BODY.prompt, answer)) is None


@pytest.mark.parametrize("said", ["5", "[" * 30_000, '["[", "x y", "9" ]', "null"])
def test_a_solution_that_prints_answers_of_its_own_is_no_danger(said: str) -> None:
    answer = f"    import atexit\n    print()\n    atexit.register(print, 'further answers: {said}')\n    return 2 * n\n"
    found = compare(Problem("double", TEST, BODY.prompt, answer))
    assert found is None or found.inputs == found.agreed
    assert _read_answers(f"\nfurther answers: {said}", [(1,), (2,), (3,)]) in ([], [((3,), 9)])


def test_an_answer_too_long_to_write_is_left_out() -> None:
    answer = "    return 2 * n if n % 2 else 10 ** 5_000\n"
    found = compare(Problem("double", TEST, BODY.prompt, answer))
    assert found is not None
    assert found.inputs == found.agreed >= 8


def test_an_input_that_the_solution_never_ends_on_is_left_out() -> None:
    answer = "    while n < 0:\n        n -= 1\n    return 2 * n\n"
    found, whole = compare(Problem("double", TEST, BODY.prompt, answer)), compare(BODY)
    assert found is not None
    assert whole is not None
    assert found.inputs == found.agreed < whole.inputs


@pytest.mark.parametrize(
    "source",
    [
        "def twice(n):\n    raise SystemExit\n",
        "class Yes:\n    def __eq__(self, other):\n        return True\n\ndef twice(n):\n    return Yes()\n",
        "def twice(n):\n    print('further answers: [1]')\n    return None\n",
    ],
)
def test_a_function_that_ends_its_run_or_answers_something_else_agrees_on_nothing(source: str) -> None:
    found = compare(BODY, Function("twice", 1, 1, source))
    assert found is not None
    assert found.agreed == 0


@pytest.mark.parametrize(
    ("tests", "comparison", "same_name", "standing"),
    [
        (1, None, True, "same"),
        (3, None, False, "doubtful"),
        (4, None, False, "same"),
        (1, SolutionComparison(60, 60), False, "same"),
        (3, SolutionComparison(60, 53), False, "other"),
        (3, SolutionComparison(60, 54), False, "doubtful"),
        (4, SolutionComparison(60, 53), False, "doubtful"),
        (4, SolutionComparison(60, 54), False, "same"),
        (1, SolutionComparison(60, 0), True, "same"),
    ],
)
def test_what_a_function_that_passed_is(
    tests: int, comparison: SolutionComparison | None, same_name: bool, standing: str
) -> None:
    assert judge_passed(tests, comparison, same_name=same_name) == standing
