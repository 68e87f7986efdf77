from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.dedup.row_parts import (
    hash_part,
    mark_short_answers,
    read_parts,
    show_words,
    split_words,
)
from synth_stack.rows.schemas import build_candidates
from tests.examples import examples
from tests.some_rows import make_preference_row, make_row, make_texts, make_tool_row


def words_of(text: str) -> list[int]:
    import polars as pl

    return [int(word) for word in hash_part(pl.Series([text])).values]


def test_a_row_is_parted_into_what_is_asked_and_what_is_answered() -> None:
    turns = (
        ("system", "Be kind."),
        ("user", "Why?"),
        ("assistant", "So."),
        ("user", "How?"),
        ("assistant", "Thus."),
    )
    parts = read_parts(build_candidates([make_row(*turns)]), "text")
    assert parts.asked.to_list() == ["Why?\nHow?"]
    assert parts.answered.to_list() == ["So.\nThus."]
    assert parts.whole.tolist() == [False]


def test_without_a_user_all_but_the_answer_is_asked() -> None:
    parts = read_parts(build_candidates([make_row(("system", "Count."), ("assistant", "One."))]), "text")
    assert (parts.asked.to_list(), parts.answered.to_list()) == (["Count."], ["One."])


def test_calls_and_alternatives_are_answers() -> None:
    parts = read_parts(build_candidates([make_tool_row(), make_preference_row()]), "text")
    called, compared = parts.answered.to_list()
    assert 'weather {"city":"Oslo"}' in called
    assert '"rain"' not in called
    for side in make_preference_row()["alternatives"]:
        assert side["messages"][-1]["content"] in compared


@pytest.mark.parametrize("field", ["prompt", "answer"])
def test_where_one_field_is_compared_rows_are_whole(field: Literal["prompt", "answer"]) -> None:
    table = build_candidates([make_row(("user", "Why?"), ("assistant", "So."))])
    parts = read_parts(table, field)
    assert parts.asked.to_list() == [{"prompt": "Why?", "answer": "So."}[field]]
    assert (parts.answered.to_list(), parts.whole.tolist()) == ([None], [True])


def test_a_text_without_messages_is_whole() -> None:
    words = split_words(make_texts(["one two", None]), "text")
    assert words.whole.tolist() == [True, True]
    assert words.asked.lengths.tolist() == [2, 0]


def test_case_and_the_punctuation_around_a_word_do_not_count_but_signs_do() -> None:
    assert words_of('"Yes," he said.') == words_of("yes he SAID")
    for one, other in (("c++", "c"), ("-5", "5"), ("2 + 2", "2 - 2"), ("a.b", "ab")):
        assert words_of(one) != words_of(other)


def test_short_answers_have_one_mark_each_and_long_ones_none() -> None:
    said = ["Yes.", "yes", "no", "one two three four five", ""]
    table = build_candidates(
        [make_row(("user", "?"), ("assistant", text), draw=k) for k, text in enumerate(said)]
    )
    yes, same, no, long, nothing = mark_short_answers(table, "text", 4).tolist()
    assert yes == same
    assert len({yes, no, long, nothing}) == 4
    assert long == 0
    assert mark_short_answers(pa.table({"row_id": ["a"], "text": ["x"]}), "text", 4).tolist() == [0]


def test_the_words_that_are_shown_are_those_that_are_compared() -> None:
    import numpy as np
    import polars as pl

    texts = pl.Series(["One two, THREE four.", "我想取消 the order", "x " * 300])
    shown = show_words(texts, np.array([1, 2, 0]), np.array([3, 5, 300]))
    assert shown.to_list() == ["two three", "取消the", ("x " * 300)[:200]]


PIECES = [
    "Yes",
    "yes.",
    '"no"',
    " ",
    "  ",
    "\n",
    "A",
    "ΑΣ",
    "b,",
    "(c)",
    "中文",
    "e\u0301",
    "\u0301x",
    "\xa8",
    "x" * 70,
    "ﬁ",
]


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=60), min_size=1, max_size=20))
def test_every_answer_of_few_words_is_marked_however_long_it_is(drawn: list[list[str]]) -> None:
    answers = ["".join(pieces) for pieces in drawn]
    rows = [make_row(("user", "Well?"), ("assistant", answer), draw=k) for k, answer in enumerate(answers)]
    marks = mark_short_answers(build_candidates(rows), "text", 4)
    few = [len(answer.encode()) <= 1_000 and len(set(words_of(answer))) <= 4 for answer in answers]
    assert [mark > 0 for mark in marks.tolist()] == few
