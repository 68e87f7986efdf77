import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from synth_stack.errors import ModelError
from synth_stack.models import devices
from synth_stack.models.devices import choose_device, find_gpu


def make_torch(gpu: bool) -> SimpleNamespace:
    return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: gpu))


def test_the_gpu_is_taken_where_there_is_one_and_it_is_not_refused() -> None:
    assert [choose_device(make_torch(gpu), "auto") for gpu in (True, False)] == ["cuda", "cpu"]
    assert choose_device(make_torch(gpu=True), "cpu") == "cpu"


def test_a_gpu_that_is_asked_for_and_not_there_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="there is no GPU that torch can use"):
        choose_device(make_torch(gpu=False), "cuda")


def test_torch_is_asked_for_a_gpu_only_where_a_driver_and_all_modules_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "torch", make_torch(gpu=True))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "missing" else object())
    monkeypatch.setattr(devices, "_DRIVERS", (str(tmp_path / "none"),))
    assert not find_gpu()
    monkeypatch.setattr(devices, "_DRIVERS", (str(tmp_path / "none"), str(tmp_path)))
    assert find_gpu("torch", "onnx")
    assert not find_gpu("onnx", "missing")
    monkeypatch.setitem(sys.modules, "torch", make_torch(gpu=False))
    assert not find_gpu()
