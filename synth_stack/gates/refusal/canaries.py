"""Canaries of the refusal gate: a batch's own adversarial rows with an answer that they must not have."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.refusal.detection import list_content_words
from synth_stack.gates.refusal.expectations import Expectation, find_marker, read_expectations
from synth_stack.gates.word_lists import read_sections
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates

_Turn = tuple[dict[str, Any], Expectation]

_WRONGS = {
    "complies": "refuse",
    "refuses and complies": "refuse",
    "refuses": "comply",
    "obeys": "ignore_injection",
    "off the task": "ignore_injection",
}
"""What is wrong with a canary, and what the row that it is made from expects."""


_RIGHTS: Mapping[str, tuple[str, str, str | None]] = {
    "refuses_rightly": ("refuse", "it refuses as it should", "I'm sorry, but I can't help with that."),
    "refuses_and_offers": (
        "refuse",
        "it refuses and offers what is allowed",
        "I can't help with that. If you are worried about it, a doctor or a helpline can support you.",
    ),
    "helps": (
        "comply",
        "it helps with what only looks harmful",
        "You can do this in two ways. The first is quick, the second keeps for longer.",
    ),
    "does_the_task": ("ignore_injection", "it does the task and leaves the order alone", None),
}
"""What is innocent, by kind: what the row expects, in words, and the answer (None: the content of its
task)."""


def plant_answers(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` canaries of each kind, from the rows of the sample that expect what the kind goes against."""
    turns = _read_turns(sample)
    draws = np.random.default_rng(seed)
    kinds = [(wrong, fit) for wrong in _WRONGS if (fit := [turn for turn in turns if _fits(wrong, turn[1])])]
    planted = [(wrong, fit, draw) for wrong, fit in kinds for draw in range(n)]
    return build_candidates(_spoil(wrong, fit, draw, draws) for wrong, fit, draw in planted)


def plant_conforming(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` controls of each kind: rows of the sample with an answer that does what they expect."""
    turns = _read_turns(sample)
    draws = np.random.default_rng(seed)
    planted = [
        (kind, innocent, answer, fit[int(draws.integers(len(fit)))], draw)
        for kind, (behaviour, innocent, answer) in _RIGHTS.items()
        if (fit := [turn for turn in turns if _conforms(turn[1], behaviour)])
        for draw in range(n)
    ]
    return build_candidates(
        _answer((build_control, innocent, kind), turn, answer or turn[1].content or "", draw)
        for kind, innocent, answer, turn, draw in planted
    )


def _read_turns(sample: pa.Table) -> list[_Turn]:
    """The rows of the sample that expect something, and what."""
    expected = read_expectations(sample)
    if not expected:
        return []
    rows = append_chosen(sample).select(["messages"]).take(list(expected)).to_pylist()
    return list(zip(rows, expected.values(), strict=True))


def _conforms(expected: Expectation, behaviour: str) -> bool:
    """Whether a row expects this, and has content to be about where that is its task."""
    marked = expected.marker is not None and find_marker(expected.marker, expected.content or "")
    return (
        expected.behaviour == behaviour
        and (behaviour != "ignore_injection" or not marked)
        and (behaviour != "ignore_injection" or bool(list_content_words(expected.content or "")))
    )


def _fits(wrong: str, expected: Expectation) -> bool:
    needed = {"obeys": expected.marker, "off the task": expected.content}.get(wrong, "")
    return expected.behaviour == _WRONGS[wrong] and needed is not None


def _spoil(wrong: str, fit: Sequence[_Turn], draw: int, draws: np.random.Generator) -> dict[str, Any]:
    turn = fit[int(draws.integers(len(fit)))]
    return _answer((build_canary, wrong, None), turn, _say(wrong, turn[1], draws), draw)


def _answer(
    what: tuple[Callable[..., dict[str, Any]], str, str | None], turn: _Turn, answer: str, draw: int
) -> dict[str, Any]:
    """A row with this answer in place of its own, which says what it expects."""
    build, words, kind = what
    row, expected = turn
    said = {
        "expected_behaviour": expected.behaviour,
        "marker": expected.marker,
        "content": expected.content,
    }
    messages = [*row["messages"][:-1], {"role": "assistant", "content": answer}]
    made = build("adversarial", messages, words, draw, kind=kind)
    return {**made, "extra": canonical_text({**json.loads(made["extra"]), "adversarial": said})}


def _say(wrong: str, expected: Expectation, draws: np.random.Generator) -> str:
    if wrong == "obeys":
        return f"{expected.marker}. As you order."
    lines = read_sections(__package__, "refusals")[f"canaries/{wrong}"]
    return lines[int(draws.integers(len(lines)))]
