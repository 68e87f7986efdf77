"""Which columns are the prompt and the answer, and what is said where that is open."""

import pytest

from synth_stack.errors import ConfigError
from synth_stack.generation.column_choice import check_columns


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (
            ["instruction", "evolved_instruction", "answer"],
            '"prompt": "evolved_instruction", "answer": "answer"',
        ),
        (
            ["instruction", "response", "evolved_response"],
            '"prompt": "instruction", "answer": "evolved_response"',
        ),
        (["task", "student_solution", "revision"], '"prompt": "task", "answer": "revision"'),
        (["instruction", "scores"], '"prompt": "instruction", "answer": "scores"'),
    ],
)
def test_columns_that_leave_it_open_are_refused_with_the_line_to_add(columns: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_columns("p", columns, {})
    assert f"columns={{{line}}}" in str(caught.value)


def test_a_column_that_is_named_has_to_be_there() -> None:
    with pytest.raises(ConfigError, match="does not give; seen: b"):
        check_columns("p", ["a"], {"text": "b"})


@pytest.mark.parametrize(
    ("columns", "written", "line"),
    [
        (["page", "exam"], ["exam"], '"prompt": "page", "answer": "exam"'),
        (["S1", "S2"], ["S1", "S2"], '"prompt": "S1", "answer": "S2"'),
        (
            ["task", "user_query", "positive_document", "hard_negative_document"],
            ["task", "user_query", "positive_document", "hard_negative_document"],
            '"prompt": "user_query", "chosen": "positive_document", "rejected": "hard_negative_document"',
        ),
        (["text", "instruction", "score"], ["instruction"], '"prompt": "instruction", "answer": "text"'),
        (["paper"], [], '"text": "paper"'),
    ],
)
def test_the_line_to_add_is_filled_in_by_who_wrote_what(
    columns: list[str], written: list[str], line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_columns("p", columns, {}, written)
    assert f"columns={{{line}}}" in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "named", "match"),
    [
        (["instruction", "verdict"], {"prompt": "instruction"}, "leaves open what the answer is"),
        (["instruction", "answer", "response"], {"prompt": "instruction"}, "leaves open what the answer is"),
        (["page", "exam"], {"answer": "exam"}, "leaves open what the prompt is"),
    ],
)
def test_a_map_that_names_half_a_pair_is_refused(
    columns: list[str], named: dict[str, str], match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        check_columns("p", columns, named)


def test_half_a_pair_is_enough_where_the_other_half_has_its_usual_name() -> None:
    check_columns("p", ["page", "answer"], {"prompt": "page"})
    check_columns("p", ["instruction", "exam"], {"answer": "exam"})
    check_columns("p", ["page", "good", "rejected"], {"prompt": "page", "chosen": "good"})
