from types import SimpleNamespace

import pytest

from synth_stack.errors import ModelError
from synth_stack.models.devices import choose_device


def make_torch(gpu: bool) -> SimpleNamespace:
    return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: gpu))


def test_the_gpu_is_taken_where_there_is_one_and_it_is_not_refused() -> None:
    assert [choose_device(make_torch(gpu), "auto") for gpu in (True, False)] == ["cuda", "cpu"]
    assert choose_device(make_torch(gpu=True), "cpu") == "cpu"


def test_a_gpu_that_is_asked_for_and_not_there_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="there is no GPU that torch can use"):
        choose_device(make_torch(gpu=False), "cuda")
