"""Evol-Instruct's rules: the operators that are drawn, and what eliminates an evolved instruction."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.generators.instruction.evol_rules import (
    IN_BREADTH,
    IN_DEPTH,
    OPERATORS,
    SORRY_WORDS,
    draw_operator,
    judge_answer,
    judge_instruction,
    read_judgement,
)

ORIGIN = "How do vaccines work?"


def test_there_are_five_in_depth_operators_and_one_in_breadth() -> None:
    assert len(IN_DEPTH) == len(set(IN_DEPTH)) == 5
    assert [*IN_DEPTH, IN_BREADTH] == list(OPERATORS)


def test_each_operator_is_about_as_likely_as_any_other_in_every_round() -> None:
    for round_ in (1, 4):
        drawn = Counter(draw_operator(seed, round_) for seed in range(6_000))
        # six standard deviations of a binomial with 1 in 6
        assert all(abs(drawn[name] - 1_000) < 180 for name in OPERATORS)


def test_rounds_of_one_row_draw_apart() -> None:
    same = sum(draw_operator(seed, 1) == draw_operator(seed, 2) for seed in range(600))
    assert 50 < same < 150


@pytest.mark.parametrize(
    "evolved",
    [
        ORIGIN,
        "how do VACCINES work",
        "\u201cHow do vaccines work?\u201d",
        "How, do vaccines - work!",
        "Ｈow do vaccines work",
    ],
)
def test_the_same_words_again_are_no_gain(evolved: str) -> None:
    assert judge_instruction(evolved, ORIGIN) == "same_text"


@pytest.mark.parametrize(
    "evolved",
    [
        "#Rewritten Prompt#: How do vaccines work in old age?",
        "The given prompt asks how vaccines work.",
        "Rewritten prompt: how do vaccines work in old age?",
        "#Created Prompt#: How do snakes make venom?",
    ],
)
def test_words_of_the_evolving_prompt_are_a_copy_of_it(evolved: str) -> None:
    assert judge_instruction(evolved, ORIGIN) == "prompt_copied"


def test_who_writes_of_prompts_may_do_so_again() -> None:
    origin = "What makes a given prompt good?"
    assert judge_instruction("What makes a given prompt good, and what makes it bad?", origin) is None


@given(st.text())
def test_a_text_is_never_a_gain_over_itself(said: str) -> None:
    assert judge_instruction(said, said) == "same_text"


def test_a_short_answer_that_says_sorry_is_a_refusal_and_a_long_one_is_not() -> None:
    apology = "Sorry, I can't."
    filler = " word" * (SORRY_WORDS - len(apology.split()))
    assert judge_answer(apology) == "sorry"
    assert judge_answer(apology + filler[:-5]) == "sorry"
    assert judge_answer(apology + filler) is None
    assert judge_answer("Eighty sorrows.") is None
    assert judge_answer(apology, sorry_words=3) is None


@pytest.mark.parametrize("answer", ["...", "?!", "It is.", "\u2014 And so on, and of the ...", "that's it"])
def test_punctuation_and_stop_words_say_nothing(answer: str) -> None:
    assert judge_answer(answer) == "nothing_said"


@pytest.mark.parametrize("answer", ["42", "It is Lisbon.", "\u4f60\u597d", "Yes."])
def test_a_word_that_means_something_is_an_answer(answer: str) -> None:
    assert judge_answer(answer) is None


@pytest.mark.parametrize(
    ("reply", "judged"),
    [
        ("Equal", "equal"),
        ("Equal.", "equal"),
        ("**Equal**", "equal"),
        ("Not Equal", "not equal"),
        ("not equal, because", "not equal"),
        ("They are equal", "unclear"),
        ("Unequal", "unclear"),
        ("", "unclear"),
        (None, "unclear"),
    ],
)
def test_a_judgement_is_read_or_unclear(reply: str | None, judged: str) -> None:
    assert read_judgement(reply) == judged
