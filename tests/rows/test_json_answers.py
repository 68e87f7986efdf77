"""JSON answers are read strictly, and their values are looked for in a text."""

from typing import Any

import pytest

from synth_stack.rows.json_answers import list_leaves, measure_grounding, parse_answer, strip_fence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("{'a': 1}", "no JSON"),
        ('{"a": 1} and so on', "no JSON: Extra data at character 9"),
        ('{"a": NaN}', "no JSON: NaN"),
        ("-Infinity", "no JSON"),
        ('{"a": {"b": 1, "b": 2}}', "a member is named twice"),
        ("[" * 100_000, "nested too deeply"),
        ('"' + "x" * 300_000 + '"', "more than 262144 characters"),
    ],
)
def test_what_is_not_json_alone_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_answer(text)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("```json\n{}\n```", "{}"),
        ("```\n{\n}\n```\n", "{\n}"),
        ("Look: ```json\n{}\n```", "Look: ```json\n{}\n```"),
        ("{}", "{}"),
    ],
)
def test_a_fence_around_the_whole_is_taken_off(text: str, bare: str) -> None:
    assert strip_fence(text) == bare


def test_leaves_come_in_order_without_nulls() -> None:
    assert list(list_leaves({"a": [1, {"b": "x"}], "c": None, "d": True})) == [1, "x", True]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"name": "Ida Berg"}, (1, 1)),
        ({"name": "BERG, Ida"}, (1, 1)),
        ({"name": "Olaf"}, (0, 1)),
        ({"n": 14, "sum": 1200.5}, (2, 2)),
        ({"n": 14.0, "sum": "1,200.50"}, (2, 2)),
        ({"n": 4}, (0, 1)),
        ({"meal": "dinner", "ok": True, "note": ""}, (0, 0)),
        ({"n": 10**400}, (0, 1)),
    ],
)
def test_values_stand_in_the_text_or_not(value: Any, found: tuple[int, int]) -> None:
    text = "Ida Berg here, for 14 people and 1,200.50 euros."
    assert measure_grounding(value, text, frozenset({"dinner"}))[:2] == found
