"""Magpie's filters decide by the tags of a row, and abstain, with a reason, where there are none."""

import json
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.registry import bind
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates

GOOD = {"quality": "good", "safety": "safe", "difficulty": "hard", "category": "Math", "reward": "7.5"}


def build(tags: Any, asked: str = "Name a river.", extra: str | None = None) -> pa.Table:
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": "The Loire."}]
    row = {
        "kind": "instruction",
        "slice": "s",
        "messages": messages,
        "text": f"{asked}\n\nThe Loire.",
        "attachments": [],
        "generator": "test",
        "generator_version": "1",
        "draw": 0,
        "replayable": True,
        "extra": canonical_text({"tags": tags}) if extra is None else extra,
    }
    return build_candidates([row])


def judge(table: pa.Table, **params: Any) -> dict[str, Any]:
    made = bind("gate", "judged_tags", params, where="test").make()
    (verdict,) = made.judge(table, {}).to_pylist()
    return dict(verdict)


@pytest.mark.parametrize(
    ("tags", "params", "outcome", "reason_class"),
    [
        (GOOD, {}, "accept", None),
        ({**GOOD, "quality": "poor"}, {}, "reject", "judged_tags.quality"),
        ({**GOOD, "quality": "poor"}, {"quality": None}, "accept", None),
        ({**GOOD, "quality": "average"}, {"quality": ["average"]}, "accept", None),
        ({**GOOD, "safety": "unsafe"}, {}, "reject", "judged_tags.safety"),
        ({**GOOD, "safety": "unsafe"}, {"safe": False}, "accept", None),
        (GOOD, {"difficulty": ["medium"]}, "reject", "judged_tags.difficulty"),
        (GOOD, {"categories": ["Math", "Reasoning"]}, "accept", None),
        (GOOD, {"categories": ["Editing"]}, "reject", "judged_tags.category"),
        (GOOD, {"min_reward": 7.0}, "accept", None),
        (GOOD, {"min_reward": 7.5}, "reject", "judged_tags.reward"),  # it has to be above
        ({**GOOD, "reward": "-11"}, {"min_reward": -10.0}, "reject", "judged_tags.reward"),
        ({"quality": "good"}, {}, "abstain", "judged_tags.no_tag"),
        ({"quality": "poor"}, {}, "reject", "judged_tags.quality"),
        ({**GOOD, "reward": "many"}, {"min_reward": 1.0}, "abstain", "judged_tags.no_tag"),
        ({**GOOD, "quality": ["good"]}, {}, "abstain", "judged_tags.no_tag"),
        ("good", {}, "abstain", "judged_tags.no_tag"),
    ],
)
def test_a_row_is_judged_by_its_tags(
    tags: Any, params: dict[str, Any], outcome: str, reason_class: str | None
) -> None:
    verdict = judge(build(tags), **params)
    assert (verdict["outcome"], verdict["reason_class"]) == (outcome, reason_class)


def test_what_is_missing_is_named() -> None:
    assert judge(build({}), min_reward=0.0)["reason"] == (
        "no tag quality, safety, reward: no model was named for it, or it gave none"
    )


def test_an_instruction_that_ends_in_a_colon_is_not_whole() -> None:
    assert judge(build(GOOD, "Sort this list: "))["reason_class"] == "judged_tags.open_end"
    assert judge(build(GOOD, "Sort this list:"), open_ends=False)["outcome"] == "accept"


@pytest.mark.parametrize("extra", ["no json", "[]", json.dumps({"tags": None}), "[" * 50_000])
def test_an_extra_of_any_form_is_no_tag(extra: str) -> None:
    assert judge(build(None, extra=extra))["outcome"] == "abstain"


def test_canaries_are_rejected_and_controls_accepted_where_rows_have_tags() -> None:
    params = {"min_reward": 2.0, "difficulty": ["hard"], "categories": ["Math"]}
    made = bind("gate", "judged_tags", params, where="test").make()
    assert made.plant is not None
    assert made.control is not None
    planted, controls = made.plant(build(GOOD), 2, 1), made.control(build(GOOD), 3, 1)
    assert set(made.judge(planted, {})["outcome"].to_pylist()) == {"reject"}
    assert len(planted) == 2 * 6
    assert made.judge(controls, {})["outcome"].to_pylist() == ["accept"] * 3
    assert not len(made.plant(build({}, extra="{}"), 2, 1))
