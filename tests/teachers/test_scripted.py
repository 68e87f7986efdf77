"""The scripted teacher: the same words for the same prompt and seed, and faults on request."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError
from synth_stack.registry import bind
from synth_stack.teachers.prompt import Prompt
from synth_stack.teachers.scripted_llm import STOCK_REPLY, write_reply


def make(**params: Any) -> Any:
    return bind("teacher", "scripted", params, where="recipe r: teacher").make()


def ask(llm: Any, *prompts: Any) -> list[str | None]:
    llm.load()
    outputs = llm.generate(list(prompts))
    llm.unload()
    return [output["generations"][0] for output in outputs]


def chat(text: str, seed: int | None = None) -> Prompt:
    return Prompt([{"role": "user", "content": text}], seed=seed)


def test_prompt_and_seed_decide_the_answer_in_any_order() -> None:
    prompts = [chat("a", 1), chat("a", 2), chat("b", 1)]
    first = ask(make(), *prompts)
    assert ask(make(), *reversed(prompts)) == first[::-1]
    assert len(set(first)) == 3


def test_a_prompt_without_a_seed_is_answered_as_with_zero() -> None:
    assert ask(make(), chat("a")) == ask(make(), chat("a", 0))


def test_a_raw_prompt_and_a_chat_with_the_same_text_are_different_prompts() -> None:
    raw = Prompt([{"role": "user", "content": "a"}], seed=1, raw=True)
    assert ask(make(), raw) != ask(make(), chat("a", 1))


@given(st.text(), st.integers())
def test_what_it_makes_up_is_sentences(prompt: str, seed: int) -> None:
    assert re.fullmatch(r"([A-Z][A-Za-z ]+\.(?: |$)){2,4}", write_reply(prompt, seed, [], 0.0, 0.0))


def test_the_first_rule_that_matches_gives_one_of_its_replies() -> None:
    rules = [{"match": "refund", "replies": ["R1", "R2"]}, {"match": ".", "replies": ["other"]}]
    llm = make(rules=rules)
    assert set(ask(llm, *[chat("a refund", seed) for seed in range(20)])) == {"R1", "R2"}
    assert ask(llm, chat("a lamp", 1)) == ["other"]


def test_shares_of_empty_and_stock_replies_are_kept_to() -> None:
    replies = [write_reply("p", seed, [], 0.25, 0.25) for seed in range(2000)]
    # three standard deviations of a share of 0.25 over 2,000 draws: 0.029
    assert abs(replies.count("") / 2000 - 0.25) < 0.029
    assert abs(replies.count(STOCK_REPLY) / 2000 - 0.25) < 0.029


def test_an_empty_reply_is_a_failure_with_its_reason() -> None:
    llm = make(empty_share=1.0)
    llm.load()
    (output,) = llm.generate([chat("a", 1)])
    llm.unload()
    assert output["generations"] == [None]
    assert "empty answer" in output["call"][0]


def test_it_dies_after_as_many_answers_as_it_was_told() -> None:
    llm = make(dies_after=2)
    llm.load()
    answers = [llm.generate([chat("a", seed)])[0]["generations"][0] is not None for seed in range(3)]
    llm.unload()
    assert answers == [True, True, False]
    assert llm.health.down == "died, as its script says"


def test_its_digest_names_the_script_and_not_its_pace_or_its_end() -> None:
    digest = make().digest
    assert make(delay_s=0.5, dies_after=3).digest == digest
    others = [make(empty_share=0.1), make(repeat_share=0.1), make(rules=[{"match": "a", "replies": ["b"]}])]
    assert len({digest, *(other.digest for other in others)}) == 4


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"rules": [{"match": "(", "replies": ["a"]}]}, "regular expression"),
        ({"rules": [{"match": "a", "replies": []}]}, "replies is not usable"),
        ({"rules": [{"match": "a", "reply": "a"}]}, "Did you mean .replies."),
        ({"empty_share": 1.5}, "empty_share is not usable"),
        ({"dies_after": -1}, "dies_after is not usable"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused_when_it_is_read(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make(**params)
