"""What a run may ask, and what tokens cost."""

from typing import Any

import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError
from synth_stack.registry import bind
from synth_stack.teachers.openai_llm import SharedLLM, collect_answers
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.teachers.teacher import Price, Teacher, require_teacher

HTTP = {"base_url": "http://127.0.0.1/v1", "model": "m"}


class Parrot(SharedLLM):
    """The least that a teacher of another author has to say."""

    @property
    def model_name(self) -> str:
        return "parrot"

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        return collect_answers([Answer(input[-1]["content"])] * num_generations, Prompt(input))


class Bare:
    """A thing that answers and says nothing of itself."""

    model_name = "bare"

    def generate(self, inputs: list[Any], num_generations: int = 1) -> list[dict[str, Any]]:
        raise NotImplementedError


@pytest.mark.parametrize("use", ["http", "vllm", "scripted"])
def test_the_teachers_of_the_package_are_teachers(use: str) -> None:
    made = bind("teacher", use, HTTP if use != "scripted" else {}, where="r").make()
    assert require_teacher(use, made) is made


def test_a_derived_class_is_a_teacher_that_promises_nothing_which_it_does_not_say() -> None:
    teacher = require_teacher("parrot", Parrot())
    assert (teacher.digest, teacher.price, teacher.health, teacher.address) == (None, None, None, None)
    assert (teacher.replayable, teacher.prefers_raw, teacher.gives_reasoning) == (False, False, False)
    assert (teacher.concurrency, teacher.chat_format, dict(teacher.sampling)) == (1, None, {})
    teacher.check()
    teacher.load()
    try:
        [output] = teacher.generate([[{"role": "user", "content": "hello"}]])
    finally:
        teacher.unload()
    assert output["generations"] == ["hello"]


def test_a_thing_that_says_nothing_of_itself_is_refused_with_what_it_lacks() -> None:
    assert not isinstance(Bare(), Teacher)
    with pytest.raises(ConfigError) as caught:
        require_teacher("bare", Bare())
    message = str(caught.value)
    assert message.startswith(
        "teacher bare is not what a run can ask; seen: Bare without address, chat_format"
    )
    assert "model_name" not in message
    assert "synth_stack.extend.SharedLLM" in message


def test_a_price_is_per_million_tokens_in_and_out() -> None:
    price = Price(input_per_million=0.5, output_per_million=2.0)
    assert price.cost_of(1_000_000, 0) == 0.5
    assert price.cost_of(2_000, 500) == pytest.approx(0.002)
    assert price.cost_of(0, 0) == 0
    assert price.currency == "USD"


@pytest.mark.parametrize("use", ["http", "vllm", "scripted"])
def test_a_teacher_knows_the_price_that_its_recipe_states(use: str) -> None:
    price: dict[str, Any] = {"input_per_million": 0.1, "output_per_million": 0.4, "currency": "EUR"}
    params = {"price": price, **(HTTP if use != "scripted" else {})}
    assert bind("teacher", use, params, where="r").make().price == Price(**price)


@pytest.mark.parametrize(
    "price",
    [
        {"input_per_million": 1.0},
        {"input_per_million": -1.0, "output_per_million": 1.0},
        {"input_per_million": float("nan"), "output_per_million": 1.0},
        {"input_per_million": "1.0", "output_per_million": 1.0},
        {"input_per_million": 1.0, "output_per_million": 1.0, "currency": "dollars"},
        {"input_per_million": 1.0, "output_per_million": 1.0, "per": "hour"},
    ],
)
def test_a_price_that_is_none_is_refused(price: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="price"):
        bind("teacher", "http", {**HTTP, "price": price}, where="r")
