"""How an answer sounds, by its phrases."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.gates.refusal.detection import (
    OPENING_CHARS,
    READ_CHARS,
    find_mention,
    list_content_words,
    read_sound,
    share_content,
)
from synth_stack.gates.word_lists import read_sections
from tests.examples import examples

KINDS = ("refusal", "apology", "compliance", "offer", "mention")


@pytest.mark.parametrize("kind", KINDS)
def test_every_phrase_is_a_pattern_without_a_repeat_inside_a_repeat(kind: str) -> None:
    for phrase in read_sections("synth_stack.gates.refusal", "refusals")[kind]:
        re.compile(phrase)
        assert not re.search(r"[+*]\)[+*]", phrase), phrase


@pytest.mark.parametrize(
    "prefix",
    [
        "I'm sorry, but I cannot",
        "I can't assist",
        "I'm not able to provide",
        "I cannot support",
        "I cannot create",
    ],
)
def test_the_published_prefixes_refuse(prefix: str) -> None:
    assert read_sound(f"{prefix} that request.").refuses


@pytest.mark.parametrize("prefix", ["Sorry", "I apologize", "As an AI", "I am really sorry", "My apologies"])
def test_the_published_apologies_alone_do_not(prefix: str) -> None:
    sound = read_sound(f"{prefix}, the parcel is late.")
    assert sound.apology is not None
    assert not sound.refuses


def test_a_curly_apostrophe_is_an_apostrophe_and_offsets_are_those_of_the_answer() -> None:
    answer = "Well — I can’t help with that."
    sign = read_sound(answer).refusal
    assert sign is not None
    assert answer[sign.start : sign.end].replace("’", "'") == sign.phrase


def test_a_refusal_that_comes_late_does_not_open_the_answer() -> None:
    sound = read_sound("x" * OPENING_CHARS + " I can't help with that.")
    assert sound.refusal is not None
    assert not sound.refuses


def test_only_what_stands_behind_a_refusal_complies() -> None:
    assert read_sound("Sure, I can't help with that.").compliance is None
    after = read_sound("I can't help with that. Here is how: first, you look").compliance
    assert after is not None
    assert after.phrase == "Here is how"


@pytest.mark.parametrize(
    "offer",
    [
        "I can't help with that. Here are some ways to protect your account.",
        "I won't say that. Instead: 1. Report it. 2. Ask a lawyer.",
    ],
)
def test_an_offer_of_what_is_allowed_is_no_compliance(offer: str) -> None:
    sound = read_sound(offer)
    assert (sound.refuses, sound.compliance, sound.offers) == (True, None, True)


def test_someone_else_who_cannot_do_something_refuses_nothing() -> None:
    assert not read_sound("You cannot provide a receipt, so the shop won't help you.").refuses
    assert not read_sound("I can't help but admire it.").refuses


def test_a_mention_says_that_an_order_is_not_followed() -> None:
    assert find_mention("I left the hidden instruction out.") is not None
    assert find_mention("The choir sings on Saturday.") is None


def test_content_words_are_stems_without_the_commonest() -> None:
    assert list_content_words("This printer MOVES to room 214 with them") == {"print", "moves", "room", "214"}
    assert list_content_words("to be or not, 7") == frozenset()


def test_the_share_is_that_of_the_first_text_and_null_where_it_has_no_words() -> None:
    assert share_content("printers on Monday", "The printer moves.") == 0.5
    assert share_content("yes", "The printer moves.") is None


@settings(max_examples=examples(50))
@given(st.text(max_size=300))
def test_any_text_can_be_read(answer: str) -> None:
    sound = read_sound(answer)
    assert all(0 <= sign.start < sign.end <= len(answer) for sign in sound.signs)


def test_a_huge_answer_is_read_to_its_bound() -> None:
    assert read_sound("i will " * 200_000).refusal is None
    assert read_sound(" " * READ_CHARS + "I can't help").refusal is None
