"""Answers are JSON of their schema and say what stands in the text."""

import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import InputError
from synth_stack.gates.json_answer.canaries import SCHEMA
from synth_stack.gates.json_answer.gate import json_answer
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from tests.gates.playing import play
from tests.some_rows import make_row

ASKED = "Ida Berg, 14 people, dinner please."
GOOD = '{"name": "Ida Berg", "guests": 14, "meal": "dinner"}'


def state(answer: str, schema: Any = SCHEMA, asked: str = ASKED) -> dict[str, Any]:
    extra = canonical_text({"json_answer": {"schema": schema}})
    return make_row(("user", asked), ("assistant", answer), extra=extra)


def judge(*rows: dict[str, Any], **params: Any) -> list[tuple[str, str | None]]:
    [said], _ = play(json_answer(**params), [build_candidates(rows)], name="json_answer")
    return [
        (row["outcome"], (row["reason_class"] or "").partition(".")[2] or None) for row in said.to_pylist()
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (state(GOOD), ("accept", None)),
        (state("Ida Berg"), ("reject", "not_json")),
        (state(f"```\n{GOOD}\n```"), ("reject", "not_bare")),
        (state('{"name": "Ida Berg"}'), ("reject", "misfit")),
        (state('{"name": "", "guests": 1}', {"type": "object"}, "x"), ("hold", "ungrounded")),
        (state('{"name": ""}', {"type": "object"}), ("reject", "says_nothing")),
        (state("{}", True), ("reject", "says_nothing")),
        (state('{"name": "Olaf Lund", "guests": 3}'), ("hold", "ungrounded")),
        (state('{"name": "Olaf Lund", "guests": 14}'), ("accept", None)),
        (state(GOOD, {"$ref": "https://elsewhere.example"}), ("reject", "bad_schema")),
        (state(GOOD, {"pattern": 7}), ("reject", "bad_schema")),
        (state(GOOD, 7), ("reject", "bad_schema")),
        (state('{"name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}', {"properties": {"name": {"pattern": "^(a+)+$"}}}), ("reject", "misfit")),
        (state("[" * 100_000), ("reject", "not_json")),
        (make_row(("user", "Hi"), ("assistant", "Hello.")), ("abstain", "no_schema")),
        (make_row(("user", "Hi"), ("assistant", "{}"), extra='{"json_answer": 7}'), ("abstain", "no_schema")),
    ],
)  # fmt: skip
def test_an_answer_fits_its_schema_and_its_text(
    row: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    assert judge(row) == [expected]


def test_made_up_values_may_be_rejected_or_let_be() -> None:
    made_up = state('{"name": "Olaf Lund", "guests": 3}')
    assert judge(made_up, ungrounded="reject") == [("reject", "ungrounded")]
    assert judge(made_up, ungrounded="ignore") == [("accept", None)]
    assert judge(made_up, min_grounded=0.0) == [("accept", None)]


def test_rows_of_strangers_are_held_against_a_common_schema(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    row = make_row(("user", ASKED), ("assistant", GOOD), kind="foreign")
    assert judge(row) == [("abstain", "no_schema")]
    assert judge(row, common_schema=str(tmp_path / "schema.json")) == [("accept", None)]
    (tmp_path / "schema.json").write_text("[")
    with pytest.raises(InputError, match=r"schema\.json holds no JSON schemas"):
        json_answer(common_schema=str(tmp_path / "schema.json"))


def test_every_canary_is_found_and_every_control_passes() -> None:
    bound = json_answer()
    assert bound.plant is not None
    assert bound.control is not None
    sample = build_candidates([state(GOOD)])
    planted, controls = bound.plant(sample, 2, 0), bound.control(sample, 2, 0)
    assert len({json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()}) == 11
    [found, passed], _ = play(bound, [planted, controls], name="json_answer")
    assert set(found["outcome"].to_pylist()) == {"reject", "hold"}
    assert set(passed["outcome"].to_pylist()) == {"accept"}
    nothing = build_candidates([make_row(("user", "Hi"), ("assistant", "Hello."))])
    assert len(bound.plant(nothing, 2, 0)) == len(bound.control(nothing, 2, 0)) == 0
