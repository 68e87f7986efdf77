"""Rows that solve a held-out item: their functions, tried in the sandbox against the tests of eval items.

Which items a row is tried on: those of the same function name, then those that its prompt is most like. The
number of runs is bounded for a row and for a table; a row whose turn never comes is told apart from one that
failed.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, SandboxError
from synth_stack.gates.contamination.eval_sets import EvalSet, Fault, name_item, show_item
from synth_stack.gates.contamination.functions import (
    Function,
    Problem,
    Solved,
    accepts,
    find_functions,
    find_solved,
    list_by_name,
)
from synth_stack.sandbox.room import find_level
from synth_stack.text.fields import read_messages

_ENOUGH = 3
"""Items nearest to a row that have to be tried: of code_alpaca's 90 rows that solve any item, 86 solve one of
these (benchmarks/behaviour.py)."""


class Behaviour(BaseModel):
    """Whether rows are run against the tests of eval items, and how many runs that may take.

    Without eval items that have tests, or on a machine without a sandbox, nothing is run and the facts say
    so; `required` makes that an error. A run takes 5 to 25 ms of one core (benchmarks/behaviour.py), so the
    4,000 of a table take a minute at most. Every row gets its first run before any gets its second; one that
    was tried on fewer than three of its items because no runs were left is held.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    required: bool = False
    runs_per_row: Annotated[int, Field(ge=1, le=100)] = 12
    runs_per_table: Annotated[int, Field(ge=1, le=1_000_000)] = 4_000


@dataclass(frozen=True, slots=True)
class Trials:
    """The eval items that have tests: `problems[k]` is that of item `items[k]`, counted over all sets.

    `level` is the kind of sandbox; where it is None nothing can be tried, and `lacking` says why.
    """

    settings: Behaviour
    sets: Sequence[EvalSet]
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

    `solved` is the reason and the evidence of the item that it solves with most tests, if any.
    """

    tried: int
    untried: int
    solved: Fault | None = None

    @property
    def is_starved(self) -> bool:
        """Whether too little was tried to let the row pass."""
        return self.untried > 0 and self.tried < _ENOUGH

    @property
    def counts(self) -> dict[str, int]:
        """The numbers, for evidence."""
        return {"tried": self.tried, "untried": self.untried}


def prepare_trials(sets: Sequence[EvalSet], settings: Behaviour) -> Trials:
    """The items with tests, and whether they can be run here. Raises ConfigError if they must and cannot."""
    items, problems = [], []
    first = 0
    for s in sets:
        for k, (entry_point, test) in enumerate(zip(s.entry_points, s.tests, strict=True)):
            if entry_point and test:
                items.append(first + k)
                problems.append(Problem(entry_point, test, s.prompts[k]))
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
    return Trials(settings, sets, items, problems, level, lacking)


def try_functions(
    trials: Trials, table: pa.Table, near: Mapping[int, Sequence[int]], skip: Collection[int]
) -> dict[int, Trial]:
    """What came of every row that holds a function for which there is an item to try, by row.

    `near` gives the items that a row is like, the nearest first, rows in the order in which they have a claim
    to the table's runs; rows that have an item's function by name come before them. Rows in `skip` are not
    tried. Deterministic but for tests that time out.
    """
    if trials.level is None:
        return {}
    found = _list_functions(table, skip)
    wanted = _list_pairs(trials, found, near)
    chosen = wanted[: trials.settings.runs_per_table]
    outcome = find_solved(found.functions, trials.problems, chosen, budget=max(len(chosen), 1))
    best: dict[int, Solved] = {}
    for solved in outcome.solved:
        row = found.rows[solved.function]
        if row not in best or solved.tests > best[row].tests:
            best[row] = solved
    every = Counter(found.rows[k] for k, _ in wanted)
    tried = Counter(found.rows[k] for k, _ in chosen)
    return {
        row: Trial(
            tried[row], pairs - tried[row], _describe(trials, found, best[row]) if row in best else None
        )
        for row, pairs in every.items()
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """The functions of a table; function k stands in row `rows[k]`, in message `messages[k]`."""

    functions: list[Function]
    rows: list[int]
    messages: list[int]


def _list_functions(table: pa.Table, skip: Collection[int]) -> _Found:
    import polars as pl

    coded = read_messages(table).filter(
        pl.col("content").str.contains("def ", literal=True), ~pl.col("row").is_in(list(skip))
    )
    found = _Found([], [], [])
    for row, position, content in coded.select("row", "position", "content").iter_rows():
        functions = find_functions(content)
        found.functions.extend(functions)
        found.rows.extend([row] * len(functions))
        found.messages.extend([position] * len(functions))
    return found


def _list_pairs(trials: Trials, found: _Found, near: Mapping[int, Sequence[int]]) -> list[tuple[int, int]]:
    """(function, problem) in the order of trying, runs_per_row for each row at most: the first of every row,
    then the second of every row, and so on. Items whose tests pass another number of arguments are left out.
    """
    number = {item: k for k, item in enumerate(trials.items)}
    of_row: dict[int, list[int]] = {}
    for k, row in enumerate(found.rows):
        of_row.setdefault(row, []).append(k)
    wanted: dict[int, dict[tuple[int, int], None]] = {}
    for k, p in list_by_name(found.functions, trials.problems):
        wanted.setdefault(found.rows[k], {})[k, p] = None
    for row, items in near.items():
        pairs = [(k, number[item]) for item in items if item in number for k in of_row.get(row, ())]
        if pairs:
            wanted.setdefault(row, {}).update(dict.fromkeys(pairs))
    fitting = [
        [(k, p) for k, p in pairs if accepts(found.functions[k], trials.problems[p])]
        for pairs in wanted.values()
    ]
    bounded = [pairs[: trials.settings.runs_per_row] for pairs in fitting]
    return [pair for rank in zip_longest(*bounded) for pair in rank if pair is not None]


def _describe(trials: Trials, found: _Found, solved: Solved) -> Fault:
    eval_set, item = _locate(trials.sets, trials.items[solved.problem])
    evidence = {
        "part": "test",
        **show_item(eval_set, item, eval_set.prompts[item]),
        "function": found.functions[solved.function].name,
        "message": found.messages[solved.function],
        "tests_passed": solved.tests,
        "sandbox": trials.level,
    }
    return f"solves a held-out item: passes {solved.tests} tests of {name_item(eval_set, item)}", evidence


def _locate(sets: Sequence[EvalSet], item: int) -> tuple[EvalSet, int]:
    for s in sets:
        if item < len(s.ids):
            return s, item
        item -= len(s.ids)
    raise IndexError(item)
