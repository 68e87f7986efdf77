"""What tokens cost."""

from typing import Any

import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError
from synth_stack.registry import bind
from synth_stack.teachers.teacher import Price

HTTP = {"base_url": "http://127.0.0.1/v1", "model": "m"}


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
