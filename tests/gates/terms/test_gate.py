"""Rows of a teacher whose terms do not allow what the pack is for are turned away."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest

from synth_stack.errors import GateError
from synth_stack.gates.gate import Judge
from synth_stack.gates.resources import NoResources
from synth_stack.gates.terms.gate import Purpose, terms
from synth_stack.inputs.terms import read_terms
from synth_stack.rows.schemas import build_candidates
from synth_stack.runs.locks import compute_identity
from synth_stack.workflows.resources import RunResources
from tests.some_rows import make_row

DECLARED = {
    "open": {"output": "train-any", "license": "Apache-2.0"},
    "closed": {
        "output": "no-competing-models",
        "license": "LicenseRef-acme",
        "url": "https://acme.example/t",
    },
    "nc": {"output": "non-commercial", "license": "CC-BY-NC-4.0"},
    "paper": {"output": "research-only", "license": "LicenseRef-lab"},
    "sha256:1": {"output": "research-only", "license": "LicenseRef-lab"},
    "odd": {"output": "whatever", "license": "MIT"},
}


def bind(purpose: Purpose) -> Judge:
    return terms(RunResources(terms=DECLARED), purpose=purpose)


def make_rows(models: Sequence[Mapping[str, Any]]) -> pa.Table:
    base = make_row(("user", "Why?"), ("assistant", "Because of the weather."))
    return build_candidates([{**base, "draw": draw, **each} for draw, each in enumerate(models)])


def judge(purpose: Purpose, *models: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    said = bind(purpose).judge(make_rows(models), {})
    return list(zip(said["outcome"].to_pylist(), said["reason_class"].to_pylist(), strict=True))


ACCEPT, FORBIDDEN = ("accept", None), ("reject", "terms.forbidden")


@pytest.mark.parametrize(
    ("purpose", "outcomes"),
    [
        ("research", [ACCEPT, ACCEPT, ACCEPT, ACCEPT]),
        ("non-commercial", [ACCEPT, ACCEPT, ACCEPT, FORBIDDEN]),
        ("commercial", [ACCEPT, ACCEPT, FORBIDDEN, FORBIDDEN]),
        ("competing-models", [ACCEPT, FORBIDDEN, FORBIDDEN, FORBIDDEN]),
    ],
)
def test_each_purpose_needs_terms_that_reach_it(
    purpose: Purpose, outcomes: list[tuple[str, str | None]]
) -> None:
    assert judge(purpose, *({"teacher": name} for name in ("open", "closed", "nc", "paper"))) == outcomes


def test_the_strictest_model_that_worked_on_a_row_counts() -> None:
    rater = {"part": "judge", "name": "paper", "digest": None}
    unknown = {"part": "rewriter", "name": "nobody knows", "digest": None}
    said = judge(
        "commercial",
        {"teacher": "open"},
        {"teacher": "open", "models": [rater]},
        {"teacher": "open", "models": [rater, unknown]},
        {"teacher": "renamed", "teacher_digest": "sha256:1"},
        {"teacher": "never heard of"},
        {},
        {"teacher": "odd"},
        {"teacher": None, "teacher_digest": "sha256:2"},
    )
    undeclared = ("reject", "terms.undeclared")
    nothing = ("abstain", "terms.no_model")
    assert said == [ACCEPT, FORBIDDEN, undeclared, FORBIDDEN, undeclared, nothing, FORBIDDEN, undeclared]


def test_the_terms_of_each_row_are_counted_and_the_reason_names_the_model() -> None:
    said = bind("commercial").judge(make_rows([{"teacher": "closed"}, {"teacher": "nc"}]), {}).to_pylist()
    assert orjson.loads(said[0]["evidence"])["counts"] == {"rows_no_competing_models": 1}
    assert said[1]["reason"] == "the terms of nc (non-commercial) do not allow this purpose: commercial"
    assert bind("commercial").facts["declared"]["closed"]["url"] == "https://acme.example/t"


def test_nothing_is_said_of_an_empty_table() -> None:
    assert len(bind("research").judge(make_rows([{}]).slice(0, 0), {})) == 0


@pytest.mark.parametrize("purpose", ["research", "competing-models"])
def test_canaries_are_caught_and_controls_pass_whatever_the_purpose(purpose: Purpose) -> None:
    gate = bind(purpose)
    assert gate.plant is not None
    assert gate.control is not None
    rows = make_rows([{"teacher": "open"}, {"teacher": "paper"}])
    planted, innocent = gate.plant(rows, 5, 1), gate.control(rows, 5, 1)
    assert len(planted) == 10
    assert {*gate.judge(planted, {})["outcome"].to_pylist()} == {"reject"}
    assert {*gate.judge(innocent, {})["outcome"].to_pylist()} == {"accept"}
    assert len(gate.plant(rows.slice(0, 0), 5, 1)) == 0


def test_terms_are_read_from_a_lock_and_change_no_identity() -> None:
    lock = {
        "teacher": {"model": "a", "digest": "sha256:a", "terms": {"output": "train-any", "license": "MIT"}},
        "models": {"judge": {"model": "a", "terms": {"output": "research-only", "license": "X"}}},
    }
    found = read_terms(lock)
    assert found["a"]["output"] == "research-only"
    assert found["sha256:a"]["output"] == "train-any"
    bare = {"teacher": {"model": "a", "digest": "sha256:a"}, "models": {"judge": {"model": "a"}}}
    assert compute_identity(lock) == compute_identity(bare)
    assert read_terms({"teacher": "x", "models": []}) == {}


def test_no_other_process_can_build_it() -> None:
    with pytest.raises(GateError, match="terms"):
        terms(NoResources())
