"""What a model thought is told apart from what it said, in every form that servers leave it in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.teachers.reasoning import join_reasoning, split_reasoning

HARMONY = (
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>"
)


@pytest.mark.parametrize(
    ("text", "content", "reasoning"),
    [
        ("<think>\nHm.\n</think>\n\nHello.", "Hello.", "Hm."),
        ("<think></think>Hello.", "Hello.", None),
        ("Hm.\n</think>\n\nHello.", "Hello.", "Hm."),
        ("[THINK]Hm.[/THINK]Hello.", "Hello.", "Hm."),
        ("<THINKING>a</THINKING>\n<think>b</think> Hello.", "Hello.", "a\n\nb"),
        ("Sure.\n<think>Hm.</think>\nHello.", "Sure.\n\nHello.", "Hm."),
        (HARMONY, "Hello.", "Hm."),
        ("analysisWe may.assistantfinalHello.", "Hello.", "We may."),
    ],
)
def test_a_closed_thought_is_cut_off(text: str, content: str, reasoning: str | None) -> None:
    said = split_reasoning(text)
    assert (said.content, said.reasoning, said.open) == (content, reasoning, False)


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("<think>", None),
        ("<think>\nOkay, the user", "Okay, the user"),
        ("<|channel|>analysis<|message|>We need", "We need"),
        ("analysisWe need", "We need"),
    ],
)
def test_a_thought_that_was_cut_leaves_nothing_said(text: str, reasoning: str | None) -> None:
    said = split_reasoning(text)
    assert (said.content, said.reasoning, said.open) == ("", reasoning, True)


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        " Hello.",
        "The <think> tag and its end </think> are HTML that no browser knows.",
        "```html\n<think>Hm.</think>\n```",
        "Analysis of the final results is due.",
        "analysis of the final results is due.",
    ],
)
def test_a_text_without_thoughts_stays_as_it_is(text: str) -> None:
    assert split_reasoning(text) == (text, None, False)


@pytest.mark.parametrize("end", ["<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>\n"])
def test_a_token_that_ends_the_turn_is_no_part_of_it(end: str) -> None:
    assert split_reasoning(f"Hello.{end}").content == "Hello."


@given(st.text(alphabet="ab<>/think \n`", max_size=60))
def test_a_thought_before_any_text_is_cut_off(text: str) -> None:
    assert (split_reasoning(f"<think>x</think>\n{text}").reasoning or "").startswith("x")


def test_thoughts_that_are_there_are_joined() -> None:
    assert join_reasoning(None, " a ", "", "b") == "a\n\nb"
    assert join_reasoning(None, " ") is None
