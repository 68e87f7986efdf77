"""The second reader sees neither gate nor first label, and his answers become labels."""

import json
from typing import Any

import pytest
from labels import Claim, Label, LabelError, Labels
from second_reading import ask, name_faults, read_answers


def tell(number: int, reason_class: str) -> dict[str, Any]:
    gate = reason_class.partition(".")[0]
    claim = {"digest": f"{number:024x}", "gate": gate, "reason_class": reason_class, "against": None}
    facts = {"corpus": "dolly", "outcome": "hold", "gates": "0" * 12}
    return {**claim, **facts, "text": f"row {number}", "other": None, "evidence": "tone .98"}


AWAY = [tell(n, "toxicity.tone" if n % 2 else "personal_data.phone") for n in range(20)]


def label_all() -> Labels:
    claims = {n: Claim(t["digest"], t["gate"], t["reason_class"]) for n, t in enumerate(AWAY)}
    first = {
        claim: Label(claim, "dolly", "hold", "right" if n % 3 else "wrong", "why", "first", "0" * 12)
        for n, claim in claims.items()
    }
    return Labels(first, {})


def test_questions_name_no_gate_no_class_and_no_verdict() -> None:
    questions = ask(AWAY, label_all(), 10)
    assert len(questions) == 10
    assert {key for question in questions for key in question} == {"number", "text", "other"}
    shown = json.dumps(questions)
    assert not [word for word in ("toxicity", "phone", "tone", "wrong", "right") if word in shown]


def test_questions_are_spread_over_classes_and_verdicts() -> None:
    texts = {question["text"] for question in ask([*AWAY, *AWAY], label_all(), 4)}
    numbers = [int(text.split()[1]) for text in texts]
    assert {(n % 2, n % 3 == 0) for n in numbers} == {(0, False), (0, True), (1, False), (1, True)}


def test_only_labelled_claims_are_asked() -> None:
    assert ask(AWAY, Labels({}, {}), 10) == []


@pytest.mark.parametrize(
    ("faults", "sure", "verdict"),
    [
        (["phone"], True, "right"),
        (["mailbox"], True, "wrong"),
        ([], True, "wrong"),
        (["phone"], False, "arguable"),
    ],
)
def test_an_answer_is_right_where_it_names_the_fault(faults: list[str], sure: bool, verdict: str) -> None:
    question = next(q for q in ask(AWAY, label_all(), 20) if q["text"] == "row 2")
    answer = {"number": question["number"], "faults": faults, "sure": sure, "why": "a number"}
    (label,) = read_answers(AWAY, [answer])
    assert (label.verdict, label.labeller, label.claim.digest) == (verdict, "second", f"{2:024x}")


def test_an_answer_to_no_question_is_refused() -> None:
    with pytest.raises(LabelError, match="no such question"):
        read_answers(AWAY, [{"number": "x", "faults": []}])
    number = ask(AWAY, label_all(), 1)[0]["number"]
    with pytest.raises(LabelError, match="boring"):
        read_answers(AWAY, [{"number": number, "faults": ["boring"]}])


def test_the_longest_start_of_a_class_says_the_fault() -> None:
    assert name_faults("personal_data.phone") == ("phone",)
    assert name_faults("personal_data.iban") == ("number_or_key",)
    assert name_faults("novelty.not_new") == ()


def test_a_claim_that_has_its_second_label_is_not_asked_again() -> None:
    labels = label_all()
    questions = ask(AWAY, labels, 20)
    second = read_answers(AWAY, [{"number": q["number"], "faults": [], "why": "none"} for q in questions[:5]])
    rest = ask(AWAY, Labels(labels.first, {label.claim: label for label in second}), 20)
    assert [q["number"] for q in rest] == [q["number"] for q in questions[5:]]
