"""MiniLM in PyTorch is MiniLM in onnxruntime, whatever stands beside a text."""

import numpy as np
import pytest

from synth_stack.errors import ModelError
from synth_stack.models.embedders import Embedder, load_embedder, load_torch_minilm
from synth_stack.models.files import MINILM, PINS, read_model
from synth_stack.models.torch_minilm import read_weights

TEXTS = [
    "How do I cancel my order?",
    "please cancel the order",
    "",
    "日本語のテキスト",
    "word " * 3000,
    "\x00\ufffd",
    "The weather in Lisbon is mild. " * 6,
    " ".join(f"w{number}" for number in range(90)),
]


@pytest.fixture(scope="module")
def by_torch() -> Embedder:
    return load_torch_minilm("cpu")


def test_torch_gives_the_vectors_of_onnxruntime(by_torch: Embedder) -> None:
    expected = load_embedder("minilm").embed(TEXTS)
    made = by_torch.embed(TEXTS)
    assert made.dtype == np.float32
    assert np.abs(made - expected).max() < 1e-5
    assert by_torch.embed([]).shape == (0, 384)


def test_a_vector_has_the_same_bits_whatever_stands_beside_its_text(by_torch: Embedder) -> None:
    alone = np.vstack([by_torch.embed([text]) for text in TEXTS])
    beside = by_torch.embed([*TEXTS[1:], *TEXTS[:4] * 3, TEXTS[0]])
    assert np.array_equal(beside[: len(TEXTS) - 1], alone[1:])
    assert np.array_equal(beside[-1], alone[0])


def test_the_facts_say_where_it_runs_so_that_no_worker_runs_it_elsewhere(by_torch: Embedder) -> None:
    elsewhere = load_embedder("minilm").facts
    assert by_torch.facts != elsewhere
    assert by_torch.facts[f"{MINILM} by torch on cpu"] == PINS[MINILM] == elsewhere[MINILM]


def test_a_network_of_another_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = read_weights(read_model(MINILM))
    short = {name: array for name, array in weights.items() if "layer.5" not in name}
    monkeypatch.setattr("synth_stack.models.torch_minilm.read_weights", lambda data: short)
    with pytest.raises(ModelError, match="not that of all-MiniLM-L6-v2"):
        load_torch_minilm("cpu")


def test_the_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("synth_stack.models.embedders.find_gpu", lambda *modules: bool(modules))
    monkeypatch.setattr("synth_stack.models.embedders.load_torch_minilm", asked.append)
    load_embedder("minilm")
    assert asked == ["cuda"]
    assert load_embedder("wordllama").name == "wordllama"
