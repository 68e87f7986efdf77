"""Where quotations stand in a passage, and how alike two answers are."""

import pytest

from synth_stack.generators.documents.spans import Span, find_span, measure_overlap, points_at_passage

PASSAGE = "A loan lasts seven days\nand may be renewed once. It is free (for now)."


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("seven days and may be renewed", "seven days\nand may be renewed"),
        ('"It is free (for now)."', "It is free (for now)."),
        ("seven weeks", None),
        ("Seven days", None),
        ("", None),
        ("“”", None),
    ],
)
def test_a_quotation_is_found_word_for_word_or_not_at_all(quote: str, found: str | None) -> None:
    span = find_span(PASSAGE, quote)
    assert (span and PASSAGE[span.start : span.end]) == found


def test_the_span_counts_characters_of_the_passage() -> None:
    assert find_span("ab cd", "cd") == Span(3, 5)


def test_overlap_is_token_f1_without_case_articles_and_points() -> None:
    assert measure_overlap("The seven days.", "seven days") == 1
    assert measure_overlap("seven days", "seven long days") == pytest.approx(0.8)
    assert measure_overlap("seven days", "a week") == 0
    assert measure_overlap("", "") == 0


@pytest.mark.parametrize(
    ("question", "points"),
    [
        ("According to the passage, how long is a loan?", True),
        ("What does this document's section say of loans in the text?", True),
        ("Does the text name a price?", True),
        ("How long is a loan?", False),
        ("What is the text message limit of my contract?", False),
        ("Where do I find the passage to platform 2?", False),
    ],
)
def test_a_question_that_speaks_of_the_passage_is_told(question: str, points: bool) -> None:
    assert points_at_passage(question) is points
