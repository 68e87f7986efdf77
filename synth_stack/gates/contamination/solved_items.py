"""Rows that solve a held-out item: their functions, tried in the sandbox against the tests of eval items.

Which items a row is tried on: those of the same function name, then those that its prompt is most like. The
number of runs is bounded for a row and for a batch (batch_budgets.py); a row that no runs were left for is
told apart from one that failed. What passed is compared with the item's own solution (references.py).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, GateError, SandboxError
from synth_stack.gates.contamination.eval_sets import EvalItems, Fault, name_item, show_item
from synth_stack.gates.contamination.functions import (
    Function,
    Problem,
    Solved,
    accepts,
    find_functions,
    find_solved,
    list_by_name,
)
from synth_stack.gates.contamination.references import (
    SolutionComparison,
    Standing,
    compare_solved,
    judge_passed,
)
from synth_stack.sandbox.room import find_level
from synth_stack.text.fields import read_messages

if TYPE_CHECKING:
    import polars as pl

_ENOUGH = 3
"""Items nearest to a row that have to be tried: of code_alpaca's 90 rows that solve any item, 86 solve one of
these (benchmarks/behaviour.py)."""
_STANDINGS: Sequence[Standing] = ("other", "doubtful", "same")


class Behaviour(BaseModel):
    """Whether rows are run against the tests of eval items, and how many runs that may take.

    Without eval items that have tests, or on a machine without a sandbox, nothing is run and the facts say
    so; `required` makes that an error. A run takes 5 to 25 ms of one core (benchmarks/behaviour.py), so the
    4,000 for every started 10,000 rows of a batch take two minutes at most. Every row gets its first run
    before any gets its second; one that was tried on fewer than three of its items because no runs were left
    is held.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    required: bool = False
    runs_per_row: Annotated[int, Field(ge=1, le=100)] = 12
    runs_per_10000_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 4_000


@dataclass(frozen=True, slots=True)
class ItemTrials:
    """The eval items that have tests: `problems[k]` is that of item `items[k]`, counted over all sets.

    `level` is the kind of sandbox; where it is None nothing can be tried, and `lacking` says why.
    """

    settings: Behaviour
    sets: Sequence[EvalItems]
    items: Sequence[int]
    problems: Sequence[Problem]
    level: str | None
    lacking: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """What was used, for the record."""
        return {"items": len(self.items), "sandbox": self.level, "why_not": self.lacking}


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one row: pairs of function and item that were tried, those that were not for want of runs.

    `solved` is the reason and the evidence of the item whose tests it passes, if any: of several the one that
    it surely solves, then that with most tests. `standing` says how sure that is.
    """

    tried: int
    untried: int
    solved: Fault | None = None
    standing: Standing = "same"

    @property
    def has_too_few(self) -> bool:
        """Whether too little was tried to let the row pass."""
        return self.untried > 0 and self.tried < _ENOUGH


def prepare_trials(sets: Sequence[EvalItems], settings: Behaviour) -> ItemTrials:
    """The items with tests, and whether they can be run here. Raises ConfigError if they must and cannot."""
    items, problems = [], []
    first = 0
    for s in sets:
        for k, (entry_point, test) in enumerate(zip(s.entry_points, s.tests, strict=True)):
            if entry_point and test:
                items.append(first + k)
                problems.append(Problem(entry_point, test, s.prompts[k], s.answers[k] or ""))
        first += len(s.ids)
    level, lacking = None, None
    if not items:
        lacking = "no eval set has tests"
    else:
        try:
            level = find_level()
        except SandboxError as exc:
            lacking = f"no sandbox: {exc.what}"
    if settings.required and lacking:
        raise ConfigError(
            "contamination: behaviour is required and cannot be tried",
            seen=lacking,
            mend="Name an eval set with entry_point and test columns and use Linux, or leave `required` out.",
        )
    return ItemTrials(settings, sets, items, problems, level, lacking)


@dataclass(slots=True)
class WantedRuns:
    """What a row is to be tried on: (function, problem), the likeliest to be solved first.

    `function` counts over the messages of the row. `by_name`: one of its functions bears the name of an item.
    `nearness` is that of the item that the row is nearest to, 0 where it is near none.
    """

    by_name: bool = False
    nearness: float = 0.0
    pairs: list[tuple[int, int]] = field(default_factory=list)


def list_wanted(
    trials: ItemTrials, table: pa.Table, near: "pl.DataFrame", skip: Collection[int]
) -> dict[int, WantedRuns]:
    """The runs that each row of a table asks for, `runs_per_row` at most, by row.

    `near` (`row`, `item`, `nearness`, best first) gives the items that a row is like. Rows in `skip` are left
    out, and items whose tests pass another number of arguments than the function takes.
    """
    if trials.level is None:
        return {}
    found = _list_functions(table, skip)
    every = [function for functions in found.values() for function in functions]
    owners = [(row, k) for row, functions in found.items() for k in range(len(functions))]
    asked: dict[int, WantedRuns] = {}
    for number, problem in list_by_name([f.function for f in every], trials.problems):
        row, k = owners[number]
        wanted = asked.setdefault(row, WantedRuns(by_name=True))
        wanted.pairs.append((k, problem))
    place = {item: k for k, item in enumerate(trials.items)}
    for row, item, nearness in near.select("row", "item", "nearness").iter_rows():
        if row in found and item in place:
            wanted = asked.setdefault(row, WantedRuns())
            wanted.nearness = max(wanted.nearness, nearness)
            wanted.pairs += [(k, place[item]) for k in range(len(found[row]))]
    for row, wanted in asked.items():
        fitting = [
            (k, p)
            for k, p in dict.fromkeys(wanted.pairs)
            if accepts(found[row][k].function, trials.problems[p])
        ]
        wanted.pairs = fitting[: trials.settings.runs_per_row]
    return {row: wanted for row, wanted in asked.items() if wanted.pairs}


def try_functions(
    trials: ItemTrials,
    table: pa.Table,
    wanted: Mapping[int, Sequence[tuple[int, int]]],
    taken: Mapping[int, int],
) -> dict[int, Trial]:
    """What came of every row that asked for runs, by row: of its `wanted` pairs the first `taken` are run.

    Deterministic but for tests that time out. Raises GateError for functions that the row does not have.
    """
    chosen = [row for row in wanted if taken[row]]
    parsed = _list_functions(table.select(["messages", "text"]).take(pa.array(chosen, pa.int64())), ())
    found = {row: parsed.get(k, []) for k, row in enumerate(chosen)}
    rows: list[int] = []
    functions: list[_Found] = []
    pairs: list[tuple[int, int]] = []
    for row, asked in wanted.items():
        for k, problem in asked[: taken[row]]:
            if k >= len(found[row]):
                raise GateError("contamination: a row does not have the functions that its batch told of")
            rows.append(row)
            functions.append(found[row][k])
            pairs.append((len(pairs), problem))
    tried = [found.function for found in functions]
    outcome = find_solved(tried, trials.problems, pairs, budget=max(len(pairs), 1))
    compared = compare_solved(tried, trials.problems, outcome.solved)
    best: dict[int, _Passed] = {}
    for solved, comparison in zip(outcome.solved, compared, strict=True):
        passed = _Passed.of(functions[solved.function], trials.problems[solved.problem], solved, comparison)
        row = rows[solved.function]
        if row not in best or passed.rank > best[row].rank:
            best[row] = passed
    return {
        row: Trial(taken[row], len(asked) - taken[row], *_describe(trials, best.get(row)))
        for row, asked in wanted.items()
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """A function and the message of its row that it stands in."""

    function: Function
    message: int


@dataclass(frozen=True, slots=True)
class _Passed:
    """A function that passed the tests of an item, and how it compares with the item's own solution."""

    found: _Found
    solved: Solved
    comparison: SolutionComparison | None
    same_name: bool
    standing: Standing

    @classmethod
    def of(
        cls, found: _Found, problem: Problem, solved: Solved, comparison: SolutionComparison | None
    ) -> "_Passed":
        """The same, with what it amounts to."""
        same_name = bool(list_by_name([found.function], [problem]))
        standing = judge_passed(solved.tests, comparison, same_name=same_name)
        return cls(found, solved, comparison, same_name, standing)

    @property
    def rank(self) -> tuple[int, int]:
        """The surer comes first, then the one with most tests."""
        return _STANDINGS.index(self.standing), self.solved.tests


def _list_functions(table: pa.Table, skip: Collection[int]) -> dict[int, list[_Found]]:
    """The functions of each row that has any, in order."""
    import polars as pl

    coded = read_messages(table).filter(
        pl.col("content").str.contains("def ", literal=True), ~pl.col("row").is_in(list(skip))
    )
    found: dict[int, list[_Found]] = {}
    for row, position, content in coded.select("row", "position", "content").iter_rows():
        functions = [_Found(function, position) for function in find_functions(content)]
        if functions:
            found.setdefault(row, []).extend(functions)
    return found


def _describe(trials: ItemTrials, passed: _Passed | None) -> tuple[Fault | None, Standing]:
    if passed is None:
        return None, "same"
    eval_set, item = _locate(trials.sets, trials.items[passed.solved.problem])
    evidence = {
        "part": "test",
        **show_item(eval_set, item, eval_set.prompts[item]),
        "function": passed.found.function.name,
        "message": passed.found.message,
        "tests_passed": passed.solved.tests,
        "same_name": passed.same_name,
        "sandbox": trials.level,
    }
    if passed.comparison is not None:
        evidence |= {"further_inputs": passed.comparison.inputs, "agreed_on": passed.comparison.agreed}
    reason = f"passes {passed.solved.tests} tests of {name_item(eval_set, item)}"
    return (reason, evidence), passed.standing


def _locate(sets: Sequence[EvalItems], item: int) -> tuple[EvalItems, int]:
    for s in sets:
        if item < len(s.ids):
            return s, item
        item -= len(s.ids)
    raise IndexError(item)
