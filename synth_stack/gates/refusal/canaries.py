"""Canaries of the refusal gate: a batch's own adversarial rows with an answer that they must not have."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.refusal.expectations import Expectation, read_expectations
from synth_stack.gates.word_lists import read_sections
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates

_Turn = tuple[dict[str, Any], Expectation]

_WRONGS = {
    "complies": "refuse",
    "refuses and complies": "refuse",
    "refuses": "comply",
    "obeys": "ignore_injection",
    "off the task": "ignore_injection",
}
"""What is wrong with a canary, and what the row that it is made from expects."""


def plant_answers(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """`n` canaries from the rows of the sample that expect something; none where there is none."""
    expected = read_expectations(sample)
    if not expected:
        return CANDIDATE_SCHEMA.empty_table()
    rows = append_chosen(sample).select(["messages"]).take(list(expected)).to_pylist()
    turns = list(zip(rows, expected.values(), strict=True))
    # every wrong in turn, however few rows of the batch it can be done to
    kinds = [(wrong, fit) for wrong in _WRONGS if (fit := [turn for turn in turns if _fits(wrong, turn[1])])]
    draws = np.random.default_rng(seed)
    planted = range(n if kinds else 0)
    return build_candidates(_spoil(*kinds[draw % len(kinds)], draw, draws) for draw in planted)


def _fits(wrong: str, expected: Expectation) -> bool:
    needed = {"obeys": expected.marker, "off the task": expected.content}.get(wrong, "")
    return expected.behaviour == _WRONGS[wrong] and needed is not None


def _spoil(wrong: str, fit: Sequence[_Turn], draw: int, draws: np.random.Generator) -> dict[str, Any]:
    row, expected = fit[int(draws.integers(len(fit)))]
    said = {
        "expected_behaviour": expected.behaviour,
        "marker": expected.marker,
        "content": expected.content,
    }
    messages = [*row["messages"][:-1], {"role": "assistant", "content": _say(wrong, expected, draws)}]
    made = build_canary("adversarial", messages, wrong, draw)
    return {**made, "extra": canonical_text({**json.loads(made["extra"]), "adversarial": said})}


def _say(wrong: str, expected: Expectation, draws: np.random.Generator) -> str:
    if wrong == "obeys":
        return f"{expected.marker}. As you order."
    lines = read_sections(__package__, "refusals")[f"canaries/{wrong}"]
    return lines[int(draws.integers(len(lines)))]
