from typing import Any

import pytest

from tests.gates.structure.judging import find_fault, judge_row
from tests.some_rows import make_call, make_preference_row, make_row

ASK = {"role": "user", "content": "How do I take back an order?"}
GOOD = {"role": "assistant", "content": "Refuse the parcel at your door."}
BAD = {"role": "assistant", "content": "You can not do that at all."}
CALL = {"role": "assistant", "content": None, "tool_calls": [make_call(city="Oslo")]}
RESULT = {"role": "tool", "content": "sent", "tool_call_id": "c1"}


def side(label: str | None, *messages: dict[str, Any], rating: str | None = None) -> dict[str, Any]:
    return {"label": label, "messages": list(messages), "rating": rating}


def find(
    *sides: dict[str, Any], messages: tuple[dict[str, Any], ...] = (ASK,), **fields: Any
) -> tuple[str | None, dict[str, Any]]:
    row = make_preference_row(alternatives=list(sides), messages=list(messages), **fields)
    return find_fault(row, languages=[])


CHOSEN, REJECTED = side("chosen", GOOD), side("rejected", BAD)


def test_a_chosen_and_a_rejected_answer_to_a_prompt_are_accepted() -> None:
    assert find_fault(make_preference_row()) == (None, {})


@pytest.mark.parametrize(
    "sides",
    [
        [REJECTED, CHOSEN],
        [CHOSEN, REJECTED, side(None, {"role": "assistant", "content": "Send it back."})],
        [side(None, GOOD, rating="5"), side(None, BAD, rating="4.5")],
        [side(None, GOOD, rating="5"), side(None, BAD, rating="5"), side(None, BAD, rating="1")],
        [side("chosen", GOOD, ASK, GOOD), side("rejected", GOOD, ASK, BAD)],
        [side("chosen", CALL, RESULT, GOOD), side("rejected", BAD)],
        [side("chosen", CALL), side("rejected", BAD)],
        [
            side("chosen", {**GOOD, "reasoning": "They can."}),
            side("rejected", {**GOOD, "reasoning": "Or not."}),
        ],
    ],
)
def test_labels_or_ratings_make_two_sides(sides: list[dict[str, Any]]) -> None:
    assert find(*sides) == (None, {})


def test_a_prompt_may_be_a_dialogue_and_end_with_a_result() -> None:
    assert find(CHOSEN, REJECTED, messages=(ASK, GOOD, ASK)) == (None, {})
    assert find(CHOSEN, REJECTED, messages=(ASK, CALL, RESULT)) == (None, {})
    assert find(CHOSEN, REJECTED, messages=(ASK, CALL, RESULT), kind="foreign") == (None, {})


@pytest.mark.parametrize(
    ("sides", "kind", "place"),
    [
        ([], "missing_side", {}),
        ([CHOSEN], "missing_side", {}),
        ([REJECTED], "missing_side", {}),
        ([CHOSEN, side(None, BAD)], "missing_side", {}),
        ([side(None, GOOD), side(None, BAD)], "missing_side", {}),
        ([side(None, GOOD, rating="3"), side(None, BAD, rating="3.0")], "missing_side", {}),
        ([side(None, GOOD, rating="3"), side(None, BAD)], "missing_side", {}),
        ([CHOSEN, side("rejected")], "missing_side", {"alternative": 1}),
        ([CHOSEN, REJECTED, side(None)], "missing_side", {"alternative": 2}),
        ([CHOSEN, side("rejected", GOOD)], "equal_sides", {"alternative": 1}),
        (
            [CHOSEN, side("rejected", {**GOOD, "content": GOOD["content"] + "\n"})],
            "equal_sides",
            {"alternative": 1},
        ),
        ([side("chosen", CALL), side("rejected", CALL)], "equal_sides", {"alternative": 1}),
        (
            [CHOSEN, side("rejected", {**BAD, "content": " "})],
            "empty_answer",
            {"alternative": 1, "path": "alternatives.1.messages.0.content"},
        ),
        (
            [CHOSEN, side("rejected", {**BAD, "content": None})],
            "unreadable_text",
            {"alternative": 1, "path": "alternatives.1.messages.0.content"},
        ),
        (
            [CHOSEN, side("rejected", {**BAD, "content": "No\0"})],
            "broken_characters",
            {"alternative": 1, "path": "alternatives.1.messages.0.content"},
        ),
        (
            [CHOSEN, side("rejected", ASK, BAD)],
            "wrong_roles",
            {"alternative": 1, "path": "alternatives.1.messages.0.content"},
        ),
        (
            [CHOSEN, side("rejected", BAD, ASK)],
            "wrong_roles",
            {"alternative": 1, "path": "alternatives.1.messages.1.content"},
        ),
        (
            [CHOSEN, side("rejected", {**BAD, "content": "no " * 9_000})],
            "too_long",
            {"alternative": 1, "path": "alternatives.1.messages.0.content"},
        ),
        (
            [side("chosen", {**GOOD, "content": ASK["content"]}), REJECTED],
            "echo",
            {"alternative": 0, "path": "alternatives.0.messages.0.content"},
        ),
        (
            [side("chosen", CALL, GOOD), REJECTED],
            "unanswered_tool_call",
            {"alternative": 0, "call": 0, "path": "alternatives.0.messages.0.content"},
        ),
        (
            [CHOSEN, side("rejected", RESULT, BAD)],
            "unmatched_tool_result",
            {"alternative": 1, "path": "alternatives.1.messages.0.content"},
        ),
    ],
)
def test_what_is_no_comparison_is_named(
    sides: list[dict[str, Any]], kind: str, place: dict[str, Any]
) -> None:
    assert find(*sides) == (kind, place)


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([], "no_messages"),
        ([ASK, GOOD], "wrong_roles"),
        ([{"role": "system", "content": "Be brief."}], "wrong_roles"),
        ([ASK, CALL], "unanswered_tool_call"),
        ([{**ASK, "content": ""}], "empty_prompt"),
    ],
)
def test_alternatives_follow_on_a_prompt(messages: list[dict[str, Any]], kind: str) -> None:
    assert find(CHOSEN, REJECTED, messages=tuple(messages))[0] == kind
    assert find(CHOSEN, REJECTED, messages=tuple(messages), kind="foreign")[0] == kind


def test_a_side_goes_on_with_the_assistant_even_after_a_result() -> None:
    calls = [make_call(city="Oslo"), make_call(call_id="c2", city="Rome")]
    two = {**CALL, "tool_calls": calls}
    found = find(
        side("chosen", {**RESULT, "tool_call_id": "c2"}, GOOD), REJECTED, messages=(ASK, two, RESULT)
    )
    assert found[0] in {"wrong_roles", "unanswered_tool_call"}


def test_a_row_with_an_empty_list_of_alternatives_is_a_plain_one() -> None:
    row = make_row(("user", ASK["content"]), ("assistant", GOOD["content"]), alternatives=[])
    assert find_fault(row) == (None, {})


def test_which_side_is_missing_is_said() -> None:
    verdict = judge_row(make_preference_row(alternatives=[CHOSEN]))
    assert verdict["reason"] == "missing side: no alternative is labelled rejected"
