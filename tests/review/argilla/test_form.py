from synth_stack.review.answers import JUDGEMENTS, SEVERITIES
from synth_stack.review.argilla.form import (
    list_defects,
    list_fields,
    list_metadata,
    list_questions,
    name_score,
    write_guidelines,
)
from synth_stack.runs.locks import GateLock

GATES = [GateLock(use="toy_marks", version="1", why="it *says* so"), GateLock(use="Other Gate", version="1")]
TOPICS = [{"slice": "orders/late", "title": "Late parcels", "description": "It comes <b>late</b>."}]


def test_no_field_renders_markdown_and_only_the_conversation_is_in_every_record() -> None:
    fields = list_fields(adjudicates=True)
    assert [field["settings"].get("use_markdown", False) for field in fields] == [False] * len(fields)
    assert [field["name"] for field in fields if field["required"]] == ["conversation"]
    assert "answers" not in {field["name"] for field in list_fields(adjudicates=False)}


def test_the_decision_alone_has_to_be_answered_and_its_values_are_those_of_the_journal() -> None:
    questions = {question["name"]: question for question in list_questions(list_defects(GATES))}
    assert [name for name, question in questions.items() if question["required"]] == ["decision"]
    for name, values in (("decision", JUDGEMENTS), ("severity", SEVERITIES)):
        assert tuple(option["value"] for option in questions[name]["settings"]["options"]) == values
    assert questions["span"]["settings"]["field"] == "answer"


def test_there_is_a_kind_of_defect_for_each_gate_as_a_short_code() -> None:
    assert {"toy_marks", "other-gate", "wrong", "other"} <= list_defects(GATES).keys()


def test_scores_are_for_owners_alone() -> None:
    shown = {each["name"]: each["visible_for_annotators"] for each in list_metadata(["toy_marks", "a b"])}
    assert shown == {"lot": True, "slice": True, "locale": True, "score_toy_marks": False, "score_a_b": False}
    assert name_score("a b") == "score_a_b"


def test_guidelines_say_what_gates_look_for_and_what_slices_are_and_none_of_it_is_markup() -> None:
    text = write_guidelines("questions to a *shop*", GATES, TOPICS)
    assert "- **toy\\_marks**: it \\*says\\* so" in text
    assert "- **orders/late** (Late parcels): It comes &lt;b&gt;late&lt;/b&gt;." in text
    assert "a \\*shop\\*" in text
    assert "disagree" not in text
    assert "disagree" in write_guidelines(None, GATES, [], adjudicates=True)


def test_guidelines_that_are_too_long_for_the_server_leave_slices_out_and_say_how_many() -> None:
    topics = [{"slice": f"s{n}", "title": "T", "description": "x" * 90} for n in range(500)]
    text = write_guidelines("about", GATES, topics)
    assert len(text) <= 10_000
    kept = text.count("- **s")
    assert text.endswith(f"- and {500 - kept} more")
