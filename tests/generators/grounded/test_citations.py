"""Which sentences answer a question: by words that stand for vectors, so that each rule is seen alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from synth_stack.generators.grounded.citations import Scores, cite, read_asks

WORDS = "return days label printer collect home cost lock seal fault refund card month".split()
PASSAGE = (
    "You have 45 days to return a device. They count from delivery. A label for the return needs no printer. "
    "We collect from your home at a cost. Locks are another matter. A lock with its seal can be refunded."
)


def embed(texts: Sequence[str]) -> Scores:
    """Unit vectors that count the known words."""
    counts = np.array(
        [[text.lower().count(word) for word in WORDS] for text in texts], dtype=np.float32
    ) + np.float32(0.01)
    unit: Scores = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    return unit


def answer(question: str, *, passage: str = PASSAGE, sentences: int = 5) -> str:
    return " ".join(each.text for each in cite(question, "", passage, embed, sentences))


def test_one_thing_that_is_asked_gets_the_sentence_nearest_to_it() -> None:
    assert answer("Can you collect it from my home, at which cost?") == "We collect from your home at a cost."


def test_two_things_that_are_asked_get_a_sentence_each() -> None:
    said = answer("Does the label need a printer, and can you collect from home?")
    assert said == "A label for the return needs no printer. We collect from your home at a cost."


def test_a_sentence_that_leans_on_the_one_before_it_brings_it_along() -> None:
    passage = "The label is free. It needs no printer. We collect nothing."
    assert answer("Is a printer required?", passage=passage).startswith(
        "The label is free. It needs no printer."
    )


def test_the_answer_to_a_question_of_the_source_brings_the_question_along() -> None:
    passage = "We sell locks. No printer? Collect the label at any shop."
    said = answer("Where can I collect the label?", passage=passage)
    assert said == "No printer? Collect the label at any shop."


def test_what_is_nearest_comes_first_where_one_thing_is_asked_and_else_the_order_of_the_source_stays() -> (
    None
):
    passage = (
        "A refund of the lock takes days. We sell lamps. A lock with a seal is a lock that gets a refund."
    )
    asked = answer("Is a lock with a seal given a refund?", passage=passage)
    assert asked.startswith("A lock with a seal")
    way = answer("How do I get a refund for a lock with a seal?", passage=passage)
    assert way == passage


def test_no_more_sentences_are_cited_than_were_allowed() -> None:
    assert len(cite("How do I return a lock for a refund of the cost?", "", PASSAGE, embed, 1)) == 1


def test_each_citation_says_where_its_sentence_stands() -> None:
    for each in cite("How do I return it, and what does it cost?", "", PASSAGE, embed, 6):
        assert PASSAGE[each.start : each.end] == each.text
        assert 0 <= each.nearness <= 1 + 1e-6


@pytest.mark.parametrize("passage", ["", "   ", "\n\n"])
def test_a_passage_without_a_sentence_answers_nothing(passage: str) -> None:
    assert cite("Why?", "", passage, embed, 5) == []


def test_the_asking_sentences_of_a_message_are_read_and_all_of_it_where_none_asks() -> None:
    assert read_asks("My lamp hums. Why does it? Thanks.") == "Why does it?"
    assert read_asks("password reset please") == "password reset please"
