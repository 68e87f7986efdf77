from typing import Any

import pytest

from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.rows.answers import read_answers
from synth_stack.rows.schemas import build_candidates
from tests.some_rows import make_row


def compare(draw: int = 0, **sides: Any) -> dict[str, Any]:
    """A row that asks and has one answer for each label."""
    alternatives = [
        {"label": label, "messages": [{"role": "assistant", "content": said}]}
        for label, said in sides.items()
    ]
    return make_row(("user", "?"), kind="preference", alternatives=alternatives, draw=draw)


def test_the_chosen_answer_is_the_last_one() -> None:
    plain = make_row(("user", "a"), ("assistant", "b"), draw=3)
    rows = [compare(rejected="bad", chosen="good"), plain, compare(1, rejected="bad"), compare(2, chosen="c")]
    table = build_candidates(rows)
    appended = append_chosen(table)
    assert [answer for _, _, answer, _ in read_answers(appended)] == ["good", "b", "", "c"]
    assert appended["messages"].to_pylist()[0] == [
        {**dict.fromkeys(table.schema.field("messages").type.value_type.names), "role": role, "content": said}
        for role, said in (("user", "?"), ("assistant", "good"))
    ]
    others = [name for name in table.schema.names if name != "messages"]
    assert appended.schema.equals(table.schema)
    assert appended.select(others).equals(table.select(others))


def test_of_two_chosen_alternatives_the_first_counts() -> None:
    row = compare(chosen="first")
    row["alternatives"].append({"label": "chosen", "messages": [{"role": "assistant", "content": "second"}]})
    assert [answer for _, _, answer, _ in read_answers(append_chosen(build_candidates([row])))] == ["first"]


@pytest.mark.parametrize("sides", [None, []])
def test_a_chosen_alternative_that_says_nothing_adds_nothing(sides: list[Any] | None) -> None:
    row = {
        **make_row(("user", "a"), ("assistant", "b")),
        "alternatives": [{"label": "chosen", "messages": sides}],
    }
    table = build_candidates([row])
    assert append_chosen(table)["messages"].to_pylist() == table["messages"].to_pylist()


def test_a_table_without_alternatives_is_given_back() -> None:
    table = build_candidates([make_row(("user", "a"))])
    assert append_chosen(table) is table
    assert len(append_chosen(build_candidates([]))) == 0


def test_a_part_of_a_table_is_read_as_the_whole() -> None:
    table = build_candidates([compare(k, rejected="bad", chosen=f"good {k}") for k in range(5)])
    whole = append_chosen(table)["messages"].to_pylist()
    assert append_chosen(table.slice(2, 2))["messages"].to_pylist() == whole[2:4]
