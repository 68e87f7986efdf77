"""Functions that passed an item's tests, beside the item's own solution on inputs that the tests do not have.

Three asserts on joining letters hold for a function that drops vowels, too. So what passed is compared with
the solution that the eval set gives, on further inputs (further_inputs.py). That answers first, in a bounded
number of steps, since it may never end on what nobody meant to ask; then the function does. Both run in the
sandbox.
"""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from synth_stack.gates.contamination.functions import (
    LIMITS,
    Function,
    Problem,
    Solved,
    prepare_problem,
)
from synth_stack.gates.contamination.further_inputs import MAX_CHARS, Arguments, make_inputs
from synth_stack.sandbox.run_many import run_many

FEWEST = 8
"""Inputs that the solution has to answer for the comparison to say anything."""

_STEPS = 20_000
"""Lines that the solution may run for one input: on those of their tests HumanEval's take 2,000 at most."""

_MARK = "further answers: "

_ANSWERING = """
import json, sys

def _answer(arguments):
    left = [{steps}]
    def count(frame, event, argument):
        left[0] -= 1
        if left[0] < 0:
            raise TimeoutError
        return count
    sys.settrace(count)
    try:
        result = {entry_point}(*arguments)
        sys.settrace(None)
        return repr(result)[:{chars}]
    except Exception:
        return None
    finally:
        sys.settrace(None)

_answers = [_answer(arguments) for arguments in {inputs!r}]
assert any(_answers)
print()
print({mark!r} + json.dumps(_answers))
"""

_COMPARING = """
from solution import {name} as _function

def _is_same(got, want):
    if isinstance(want, float):
        return abs(got - want) <= 1e-6 * max(1.0, abs(want))
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(_is_same(g, w) for g, w in zip(got, want))
    return got == want

for _arguments, _want in {cases!r}:
    try:
        _same = bool(_is_same(_function(*_arguments), _want))
    except Exception:
        continue
    if _same:
        assert _same
"""


Standing = Literal["same", "doubtful", "other"]
"""What a function that passed an item's tests is: the item's function, perhaps it, or another one."""

_FEW_TESTS = 3
_SAME = 0.9
"""More asserts than three are evidence, and so are answers that are the same on nine tenths of the inputs:
both together are proof, neither is another function. Fitted on code_alpaca_2k: of its functions that pass an
item's tests, the 8 that are no solution have neither. Of the 22 right ones without the item's name 20 agree
on all inputs, one has only the answers, and one only the asserts."""


@dataclass(frozen=True, slots=True)
class SolutionComparison:
    """On how many of so many further inputs a function answers what the item's own solution does."""

    inputs: int
    agreed: int


def judge_passed(tests: int, comparison: SolutionComparison | None, *, same_name: bool) -> Standing:
    """What a function that passed `tests` asserts of an item is.

    One of the item's name is the item's function, and so is one that answers all further inputs alike, or
    nearly all after more than a few asserts. With one of both it is in doubt, and with neither another.
    Without a comparison the asserts decide.
    """
    many = tests > _FEW_TESTS
    if same_name or (comparison is not None and comparison.agreed == comparison.inputs):
        return "same"
    if comparison is None:
        return "same" if many else "doubtful"
    near = comparison.agreed >= _SAME * comparison.inputs
    if many and near:
        return "same"
    return "doubtful" if many or near else "other"


def compare_solved(
    functions: Sequence[Function],
    problems: Sequence[Problem],
    solved: Sequence[Solved],
    *,
    workers: int | None = None,
) -> list[SolutionComparison | None]:
    """How each function that passed compares with the solution of its problem, (n,).

    None where the problem has no solution that can be run, or one that answers fewer than FEWEST of the
    further inputs. A function that ends its run agrees on none. Raises SandboxError.
    """
    wanted = list(dict.fromkeys(s.problem for s in solved))
    answers = _answer([problems[p] for p in wanted], workers)
    cases = {p: said for p, said in zip(wanted, answers, strict=True) if len(said) >= FEWEST}
    pairs: dict[tuple[str, str, int], int] = {}
    for s in solved:
        if s.problem in cases:
            pairs.setdefault(_key(functions, s), len(pairs))
    runs = [
        (
            prepare_problem(problems[p]).place(source),
            _COMPARING.format(name=name, cases=cases[p]),
        )
        for source, name, p in pairs
    ]
    outcomes = run_many(runs, limits=LIMITS, workers=workers, confirmed=False)
    return [
        SolutionComparison(len(cases[s.problem]), outcomes[pairs[_key(functions, s)]].checks)
        if s.problem in cases
        else None
        for s in solved
    ]


def _key(functions: Sequence[Function], solved: Solved) -> tuple[str, str, int]:
    function = functions[solved.function]
    return function.source, function.name, solved.problem


def _answer(problems: Sequence[Problem], workers: int | None) -> list[list[tuple[Arguments, object]]]:
    """Of each problem the further inputs that its solution answers, with the answers."""
    inputs = [make_inputs(prepare_problem(problem).inputs) for problem in problems]
    sources = [_find_solution(problem) for problem in problems]
    runs = [
        (
            "",
            source
            + _ANSWERING.format(
                steps=_STEPS, entry_point=problem.entry_point, chars=MAX_CHARS, inputs=asked, mark=_MARK
            ),
        )
        for problem, source, asked in zip(problems, sources, inputs, strict=True)
        if source and asked
    ]
    outcomes = iter(run_many(runs, limits=LIMITS, workers=workers, confirmed=False))
    return [
        _read_answers(next(outcomes).stdout, asked) if source and asked else []
        for source, asked in zip(sources, inputs, strict=True)
    ]


def _find_solution(problem: Problem) -> str:
    """The source that defines the entry point as the item solves it; empty where there is none."""
    prelude = prepare_problem(problem).place("")
    for source in (problem.answer, problem.prompt + problem.answer):
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if problem.answer.strip() and any(getattr(n, "name", None) == problem.entry_point for n in tree.body):
            return f"{prelude}\n{source}\n"
    return ""


def _read_answers(stdout: str, asked: Sequence[Arguments]) -> list[tuple[Arguments, object]]:
    line = stdout.rpartition(f"\n{_MARK}")[2]
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return []
    if not isinstance(said, list):
        return []
    found = []
    for arguments, text in zip(asked, said, strict=False):
        try:
            found += [(arguments, ast.literal_eval(text))] if isinstance(text, str) else []
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return found
