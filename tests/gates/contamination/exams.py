"""Eval items and rows that repeat them, and the gate played on a batch, for the tests of contamination."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synth_stack.gates.contamination.gate import contamination
from synth_stack.gates.gate import Judge
from synth_stack.gates.resources import Ask, NoResources, Resources
from tests.gates.playing import play

DUCKS = (
    "Janet's ducks lay 16 eggs per day; she eats three for breakfast every morning, and bakes muffins for her "
    "friends with four. How many eggs are left?"
)
REPHRASED = (
    "Every day Janet's ducks produce 16 eggs. Three of them she has for breakfast and four go into muffins that "
    "she bakes for friends. What number of eggs remains?"
)
SHORT = "Name the capital of the country north of Spain."
ITEMS: list[dict[str, Any]] = [
    {"id": "ducks", "prompt": DUCKS, "answer": "16 - 3 - 4 = 9"},
    {"id": "short", "prompt": SHORT, "answer": "Paris"},
    {"id": "tiny", "prompt": "Why?", "answer": "Because."},
]

CODING: list[dict[str, Any]] = [
    {
        "task_id": "C/0",
        "prompt": 'def sum_even(numbers):\n    """ Add up the numbers of a list that are even.\n    """\n',
        "canonical_solution": "    return sum(n for n in numbers if n % 2 == 0)\n",
        "entry_point": "sum_even",
        "test": "def check(candidate):\n    assert candidate([1, 2, 4]) == 6\n    assert candidate([]) == 0\n"
        "    assert candidate([3]) == 0\n",
    },
    {
        "task_id": "C/1",
        "prompt": 'def is_odd(n):\n    """ Say whether a number is odd.\n    """\n',
        "canonical_solution": "    return n % 2 == 1\n",
        "entry_point": "is_odd",
        "test": "def check(candidate):\n    assert candidate(3)\n    assert not candidate(4)\n",
    },
]
SOLVED = "Here you are:\n\n```python\ndef addUp(xs):\n    t = 0\n    for x in xs:\n        t += x * (x % 2 == 0)\n    return t\n```"
ASKED = "It is for my statistics course, can you help me with this one?"


@dataclass(frozen=True)
class Reachable(NoResources):
    """A model that answers as it is told, and a Hub of one dataset."""

    ask: Ask | None = None
    hub: Callable[..., Any] | None = None

    def make_asker(self, teacher: Mapping[str, Any], where: str) -> Ask:
        return self.ask or super().make_asker(teacher, where)

    def open_hub(self, name: str, *, config: str | None, split: str, revision: str | None) -> Any:
        assert self.hub is not None
        return self.hub(name, config, split, revision)


def make_judge(resources: Resources | None = None, **params: Any) -> Judge:
    return contamination(resources or NoResources(), **params)


def judge_rows(judge: Judge, table: pa.Table) -> pa.Table:
    """The verdicts on a batch of one table."""
    (verdicts,), _ = play(judge, [table], name="contamination")
    return verdicts


def judge_tables(judge: Judge, tables: Sequence[pa.Table]) -> pa.Table:
    """The verdicts on a batch of several tables, in their order."""
    verdicts, _ = play(judge, tables, name="contamination")
    return pa.concat_tables(verdicts).combine_chunks()


def judge_text(judge: Judge, table: pa.Table) -> dict[str, Any]:
    (verdict,) = judge_rows(judge, table).to_pylist()
    return dict(verdict)
