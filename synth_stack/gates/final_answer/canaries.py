"""Canaries of final answers, wrong ones of the kinds that each check has to see; controls that are right."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_texts

_ASKED = "How many are there in all?"

_Answered = tuple[str, str, str, Mapping[str, Any]]
"""The kind, what is special about it, the solution, and what the row states of its final answer."""

_WRONG: Sequence[_Answered] = (
    ("wrong_answer", "its answer is not the truth", "Both together are 71.\n#### 71", {"truth": "72"}),
    ("wrong_fraction", "its fraction is not the truth", r"It is \boxed{\frac{2}{3}}.", {"truth": "0.66"}),
    ("wrong_order", "its pair is turned round", r"So \boxed{(2, 1)}.", {"truth": "(1, 2)"}),
    ("minority", "most of its samples say something else", "#### 7", {"samples": ["7", "8", "8", "9"]}),
    ("no_final_answer", "it has no final answer", "There are a few of them.", {"truth": "5"}),
)
_WRONG_SUM: _Answered = (
    "wrong_sum",
    "a sum on the way is wrong",
    "First 17 + 26 = 33.\n#### 5",
    {"truth": "5"},
)
_RIGHT: Sequence[_Answered] = (
    ("other_form", "a fraction is written as a decimal", "#### 0.75", {"truth": r"\frac{3}{4}"}),
    ("grouped_digits", "thousands are parted", "#### 12,500", {"truth": "12500"}),
    ("unit", "it has a unit", "The answer is 18 dollars.", {"truth": "$18"}),
    ("percentage", "a share is in per cent", r"\boxed{37.5\%}", {"truth": "0.375"}),
    ("formula", "a formula is multiplied out", r"\boxed{x^2 - 1}", {"truth": "(x-1)(x+1)"}),
    ("set", "a set in another order", r"\boxed{\{3, 1\}}", {"truth": "1 and 3"}),
    ("rounded", "a sum on the way is rounded", "10 / 3 = 3.33, so nearly 3.\n#### 3", {"truth": "3"}),
    ("majority", "one sample of four says something else", "#### 8", {"samples": ["8", "8.0", "16/2", "9"]}),
    ("words", "it is a word", "The answer is Tuesday.", {"truth": "tuesday"}),
)


def plant_wrong_answers(sample: pa.Table, n: int, *, sums: bool) -> pa.Table:
    """`n` canaries of each kind; none where no row of the sample states a final answer."""
    if not _states_answers(sample):
        return build_candidates([])
    kinds = [*_WRONG, *([_WRONG_SUM] if sums else [])]
    return build_candidates(
        _state(build_canary("instruction", _talk(text), wrong, k, kind=kind), stated)
        for kind, wrong, text, stated in kinds
        for k in range(n)
    )


def plant_right_answers(sample: pa.Table, n: int) -> pa.Table:
    """`n` controls of each kind; none where no row of the sample states a final answer."""
    if not _states_answers(sample):
        return build_candidates([])
    return build_candidates(
        _state(build_control("instruction", _talk(text), innocent, k, kind=kind), stated)
        for kind, innocent, text, stated in _RIGHT
        for k in range(n)
    )


def _states_answers(sample: pa.Table) -> bool:
    return bool(read_texts(sample.column("extra")).str.contains('"final_answer":', literal=True).any())


def _talk(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": text}]


def _state(row: dict[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    return row | {"extra": canonical_text({**json.loads(row["extra"]), "final_answer": dict(stated)})}
