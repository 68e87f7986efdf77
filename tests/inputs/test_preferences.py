"""Two answers of which one was chosen: the prompt once, and each answer as an alternative."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.inputs.preferences import part_prompt, read_rating
from synth_stack.rows.texts import join_text
from tests.foreign_rows import read_one, turns

ASKED = turns("Name a capital.")
GOOD = {"role": "assistant", "content": "Riga."}
BAD = {"role": "assistant", "content": "Rig."}
SIDES = [{"label": "chosen", "messages": [GOOD]}, {"label": "rejected", "messages": [BAD]}]
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Name a capital.", "chosen": "Riga.", "rejected": "Rig."},
        {"prompt": ASKED, "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": ASKED, "chosen": GOOD, "rejected": BAD},
        {"prompt": "Name a capital.", "chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
        {"prompt": ASKED, "chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
        {"prompt": ASKED, "chosen": [*ASKED, GOOD], "rejected": [BAD]},
        {"chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
        {"chosen": json.dumps([*ASKED, GOOD]), "rejected": str([*ASKED, BAD])},
        {"prompt": json.dumps(ASKED), "chosen": [GOOD], "rejected": [BAD]},
        {"messages": ASKED, "chosen": [GOOD], "rejected": [BAD]},
        {"messages": [*ASKED, GOOD], "chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD], "prompt": "Name a capital."},
        {"Prompt": "Name a capital.", "Chosen": "Riga.", "REJECTED": "Rig."},
        {"instruction": "Name a capital.", "input": "", "chosen": "Riga.", "rejected": "Rig."},
        {"messages": [], "prompt": "Name a capital.", "output": None, "chosen": "Riga.", "rejected": "Rig."},
        {"conversations": [{"from": "human", "value": "Name a capital."}], "chosen": {"from": "gpt", "value": "Riga."}, "rejected": {"from": "gpt", "value": "Rig."}},
    ],
)  # fmt: skip
def test_a_preference_row_has_its_prompt_once_and_two_alternatives(record: dict[str, Any]) -> None:
    row = read_one(record)

    assert row["failure"] is None
    assert (row["messages"], row["alternatives"]) == (ASKED, SIDES)
    assert row["text"] == "Name a capital.\n\nRiga.\n\nRig." == join_text(ASKED, SIDES)
    assert row["extra"] is None


def test_a_system_turn_before_the_prompt_is_part_of_it() -> None:
    sides = {"chosen": [SYSTEM, *ASKED, GOOD], "rejected": [SYSTEM, *ASKED, BAD]}
    for record in (sides, {"prompt": "Name a capital.", **sides}):
        assert read_one(record)["messages"] == [SYSTEM, *ASKED]
    row = read_one(
        {"system": "Be brief.", "question": "Name a capital.", "chosen": "Riga.", "rejected": "Rig."}
    )
    assert (row["messages"], row["alternatives"]) == ([SYSTEM, *ASKED], SIDES)


def test_texts_without_a_prompt_are_alternatives_of_nothing() -> None:
    row = read_one({"chosen": "Riga.", "rejected": "Rig."})

    assert (row["messages"], row["alternatives"], row["text"]) == ([], SIDES, "Riga.\n\nRig.")


def test_equal_answers_are_still_two_alternatives() -> None:
    row = read_one({"chosen": [*ASKED, GOOD], "rejected": [*ASKED, GOOD]})

    assert row["messages"] == ASKED
    assert [side["messages"] for side in row["alternatives"]] == [[GOOD], [GOOD]]


def test_answers_of_several_turns_have_in_common_what_they_share() -> None:
    chosen = [*turns("a", "b", "c"), GOOD, *turns("d"), GOOD]
    rejected = [*turns("a", "b", "c"), BAD]
    row = read_one({"prompt": "a", "chosen": chosen, "rejected": rejected})

    assert row["messages"] == turns("a", "b", "c")
    assert [side["messages"] for side in row["alternatives"]] == [[GOOD, *turns("d"), GOOD], [BAD]]


def test_ratings_and_models_stand_beside_their_side() -> None:
    row = read_one(
        {
            "prompt": "p", "chosen": "a", "rejected": "b", "chosen_rating": 4.5, "score_rejected": 2,
            "chosen-model": "m1", "rejected_model": "m2", "margin": 2.5,
        }
    )  # fmt: skip

    assert row["alternatives"] == [
        {"label": "chosen", "messages": turns("", "a")[1:], "rating": "4.5", "model": "m1"},
        {"label": "rejected", "messages": turns("", "b")[1:], "rating": "2", "model": "m2"},
    ]
    assert json.loads(row["extra"]) == {"margin": "2.5"}


def test_a_rating_that_is_no_number_and_one_for_several_answers_stay_in_extra() -> None:
    row = read_one(
        {"prompt": "p", "chosen": "a", "rejected": ["b", "c"], "chosen_rating": "good", "rejected_rating": 1}
    )

    assert [(side["label"], "rating" in side) for side in row["alternatives"]] == [
        ("chosen", False),
        ("rejected", False),
        ("rejected", False),
    ]
    assert json.loads(row["extra"]) == {"chosen_rating": "good", "rejected_rating": 1}


@pytest.mark.parametrize(
    ("value", "rating"),
    [
        (5, "5"), (4.5, "4.5"), (1e-7, "0.0000001"), (1e22, "10000000000000000000000"), (Decimal("1.50"), "1.50"),
        (" 3.25 ", "3.25"), ("-1", "-1"), ("4/5", None), ("٣", None), (True, None), (None, None), ("", None),
        (float("nan"), None), (float("inf"), None), (Decimal("NaN"), None), ([5], None), ("1" * 40, None),
    ],
)  # fmt: skip
def test_a_rating_is_a_decimal_number_in_digits(value: Any, rating: str | None) -> None:
    assert read_rating(value) == rating


def test_a_chosen_answer_alone_is_an_answer() -> None:
    assert read_one({"prompt": "p", "chosen": "a"})["messages"] == turns("p", "a")
    assert read_one({"prompt": "p", "chosen": "a", "rejected": None})["messages"] == turns("p", "a")
    assert read_one({"prompt": "p", "chosen": turns("p", "a")})["messages"] == turns("p", "a")
    assert read_one({"chosen": turns("p", "a"), "rejected": []})["messages"] == turns("p", "a")
    assert read_one({"prompt": "p", "output": "o", "chosen": "a"})["extra"] == '{"chosen":"a"}'
    alone = read_one({"prompt": "p", "rejected": "b"})
    assert (alone["messages"], alone["extra"]) == (turns("p"), '{"rejected":"b"}')


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"prompt": "p", "chosen": 5, "rejected": "b"}, "column 'chosen' holds int, not text"),
        ({"prompt": "p", "chosen": "a", "rejected": [5]}, "column 'rejected' holds list, not text"),
        ({"chosen": [{"role": "user"}], "rejected": "b"}, "column 'chosen' has a turn without role or text"),
        ({"prompt": 5, "chosen": "a", "rejected": "b"}, "column 'prompt' holds int, not text"),
        ({"messages": "x", "chosen": "a", "rejected": "b"}, "column 'messages' is not a list of turns"),
    ],
)
def test_a_preference_that_cannot_be_read_says_why(record: dict[str, Any], reason: str) -> None:
    assert read_one(record)["failure"] == f"broken record: row 1: {reason}"


def test_what_the_turns_of_a_side_hold_besides_is_kept() -> None:
    row = read_one({"chosen": [*ASKED, {**GOOD, "score": 1}], "rejected": [*ASKED, {**BAD, "score": 0}]})

    assert row["alternatives"] == SIDES
    assert json.loads(row["extra"]) == {"chosen": {"1": {"score": 1}}, "rejected": {"1": {"score": 0}}}


message = st.sampled_from([*turns("a", "b"), SYSTEM, GOOD])


@given(
    prompt=st.lists(message, max_size=3),
    sides=st.lists(st.lists(message, min_size=1, max_size=5), min_size=2, max_size=3),
)
def test_no_side_is_empty_and_what_was_said_is_still_there(prompt: list[Any], sides: list[list[Any]]) -> None:
    asked, rests = part_prompt(prompt, sides)

    assert all(rests)
    assert all(message in asked for message in prompt)
    for side, rest in zip(sides, rests, strict=True):
        assert side[len(side) - len(rest) :] == rest
        assert [*asked, *rest][-len(side) :] == side or all(
            turn in asked for turn in side[: len(side) - len(rest)]
        )
