"""ROUGE-L of two texts: its words, its arithmetic, and what it is where rouge_score sees nothing."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.gates.novelty.rouge_l import MAX_WORDS, measure_rouge_l, read_words


def rouge_l(one: str | None, other: str | None) -> float:
    words = read_words(pl.Series([one, other], dtype=pl.String))
    first, second = (words.values[words.offsets[k] : words.offsets[k + 1]] for k in (0, 1))
    return measure_rouge_l(first, second)


def reference(one: str, other: str) -> float:
    """As rouge_score has it: [a-z0-9]+ in lower case, the table of Lin 2004, 2PR / (P + R)."""
    a, b = (re.findall("[a-z0-9]+", text.lower()) for text in (one, other))
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if left == right else max(table[i, j + 1], table[i + 1, j])
    common = table[-1, -1]
    if not common:
        return 0.0
    precision, recall = common / len(a), common / len(b)
    return float(2 * precision * recall / (precision + recall))


sentences = st.lists(st.sampled_from("a b c the The do don't x_y 7 7.5 --".split()), max_size=90).map(
    " ".join
)


@given(sentences, sentences)
def test_for_words_it_is_what_the_paper_s_code_measures(one: str, other: str) -> None:
    assert rouge_l(one, other) == pytest.approx(reference(one, other), abs=1e-12)


@given(st.text(st.characters(max_codepoint=127)), st.text(st.characters(max_codepoint=127)))
def test_for_any_ascii_text_it_is_what_the_paper_s_code_measures(one: str, other: str) -> None:
    assert rouge_l(one, other) == pytest.approx(reference(one, other), abs=1e-12)


@given(st.text(), st.text())
def test_it_is_a_share_and_the_same_both_ways(one: str, other: str) -> None:
    assert 0 <= rouge_l(one, other) == rouge_l(other, one) <= 1


@given(st.text(min_size=1))
def test_a_text_with_a_word_is_1_with_itself(said: str) -> None:
    words = read_words(pl.Series([said])).lengths[0]
    assert rouge_l(said, said) == (1.0 if words else 0.0)


def test_a_worked_example() -> None:
    # Lin 2004, section 3.1: S1 and S2 share "police the gunman", S1 and S3 "the gunman" or "police ... "
    assert rouge_l("police killed the gunman", "police kill the gunman") == 0.75
    assert rouge_l("police killed the gunman", "the gunman kill police") == 0.5


def test_the_bound_of_the_paper_is_met_exactly() -> None:
    seven = "one two three four five six seven"
    assert rouge_l(f"{seven} a b c", f"{seven} d e f") == 0.7


@pytest.mark.parametrize("empty", [None, "", "  ", "?!", "--", "\U0001f600"])
def test_a_text_without_words_is_like_nothing(empty: str | None) -> None:
    assert rouge_l(empty, empty) == 0.0
    assert rouge_l(empty, "a word") == 0.0


def test_letters_of_every_script_count() -> None:
    assert rouge_l("Где моя посылка?", "где моя посылка") == 1.0
    assert rouge_l("Wo ist für mich Platz", "Wo ist vor mich Platz") == 0.8


def test_where_words_have_no_spaces_each_character_is_one() -> None:
    assert rouge_l("我的包裹在哪里", "我的包裹在哪儿") == pytest.approx(6 / 7)
    assert rouge_l("我的包裹在哪里", "天气很好") == 0.0


def test_one_latin_name_does_not_make_two_other_texts_alike() -> None:
    assert rouge_l("Как настроить iPhone для бабушки", "Почему iPhone так быстро разряжается") == 0.2


def test_words_after_the_first_thousand_are_not_compared() -> None:
    same = " ".join(["word"] * MAX_WORDS)
    assert rouge_l(f"{same} one", f"{same} other thing") == 1.0
