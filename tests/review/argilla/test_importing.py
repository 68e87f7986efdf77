from typing import Any
from uuid import UUID

import pytest

from synth_stack.errors import ConfigError
from synth_stack.review.argilla.client import ServerRecord
from synth_stack.review.argilla.importing import AnswerMap, parse_answer_map, read_foreign_dataset
from tests.review.argilla.test_collecting import DATASET, WHO, say
from tests.some_rows import make_row

MAP = "decision=quality,release=good|fine,reject=bad,note=why,row=metadata.row"
ROWS: list[dict[str, Any]] = [
    {
        **make_row(("user", f"Question {n}?"), ("assistant", f"Answer {n}.")),
        "row_id": f"{n}" * 32,
        "source_id": f"s{n}",
    }
    for n in range(1, 4)
]


def test_a_map_says_which_question_is_the_decision_and_what_its_values_mean() -> None:
    assert parse_answer_map([MAP]) == AnswerMap(
        {"decision": "quality", "note": "why"},
        {"good": "release", "fine": "release", "bad": "reject"},
        "metadata.row",
    )
    assert parse_answer_map(["decision=q", "reject=no"]).row == "external_id"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "decision=q",
        "release=good",
        "decision=q,release",
        "decision=q,release=a,reject=a",
        "colour=q",
        "decision=q,decision=r,reject=n",
    ],
)
def test_a_map_that_says_too_little_or_twice_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"map|value"):
        parse_answer_map([text])


def read(*records: ServerRecord, where: str = "metadata.row") -> Any:
    answer_map = parse_answer_map([MAP.replace("metadata.row", where)])
    return read_foreign_dataset(DATASET, records, ROWS, answer_map, journal={}, name_reviewer=lambda _: WHO)


def annotated(n: int, decision: Any, **fields: Any) -> ServerRecord:
    said = say(n).model_copy(update={"values": {"quality": {"value": decision}, "why": {"value": "so"}}})
    return ServerRecord(id=UUID(int=n), responses=[said], **fields)


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        ("metadata.row", {"metadata": {"row": "1" * 32}}),
        ("metadata.row", {"metadata": {"row": "s1"}}),
        ("external_id", {"external_id": "s1"}),
        ("prompt", {"fields": {"prompt": "Question 1?"}}),
        ("reply", {"fields": {"reply": "Answer 1."}}),
        ("text", {"fields": {"text": "Question 1?\n\nAnswer 1."}}),
    ],
)
def test_a_record_is_that_of_the_row_that_it_names_or_quotes(where: str, fields: dict[str, Any]) -> None:
    [answer] = read(annotated(1, "fine", **fields), where=where).answers
    assert (answer["row_id"], answer["judgement"], answer["note"]) == ("1" * 32, "release", "so")
    assert answer["source"] == "import"


def test_records_of_other_rows_are_counted_and_values_without_a_meaning_are_left_out() -> None:
    found = read(
        annotated(1, "bad", metadata={"row": "s1"}),
        annotated(2, "perhaps", metadata={"row": "s2"}),
        annotated(3, "good", metadata={"row": "of another run"}),
    )
    assert [answer["judgement"] for answer in found.answers] == ["reject"]
    assert len(found.notices) == 2


def test_a_text_that_two_rows_have_names_neither() -> None:
    ROWS.append({**ROWS[0], "row_id": "9" * 32, "source_id": "s9"})
    try:
        with pytest.raises(ConfigError, match="no record"):
            read(annotated(1, "good", fields={"prompt": "Question 1?"}), where="prompt")
    finally:
        ROWS.pop()


def test_a_dataset_of_other_rows_is_refused_with_what_to_say() -> None:
    with pytest.raises(ConfigError, match="Say where a record names its row"):
        read(annotated(1, "good"))
