"""Scorers of toxicity from files on this machine: Detoxify, and the linear model of hate in the package."""

import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ModelError
from synth_stack.models.devices import Device, choose_device
from synth_stack.models.files import HATE_NGRAMS, PINS, find_model, need_module, read_model
from synth_stack.models.hate_ngrams import LABELS, read_weights

if TYPE_CHECKING:
    import polars as pl


_DETOXIFY_WINDOW_CHARS = 500
"""Surely within the 512 tokens that Detoxify reads, in any script, and about the length of the comments that
it was trained on."""

SENTENCE_CHARS = 300
"""A longer sentence is cut into windows: prose has few, and what has no sentences (code, tables) has many."""

_DETOXIFY_TOKENS = 512
_BATCH = {"cpu": 16, "cuda": 128}

_SAME_LABEL = {
    "toxic": "toxicity",
    "identity_hate": "identity_attack",
    "severe_toxic": "severe_toxicity",
}
"""Detoxify's own renaming of the labels of its first model (detoxify.py, load_checkpoint)."""

_TOXIC = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
"""What all three models tell; two of them also `sexual_explicit`. The unbiased model has further outputs for
identities that are mentioned, which are no toxicity."""

_UNLOADABLE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,
    AttributeError,
    TypeError,
    ImportError,
    pickle.UnpicklingError,
)
"""What torch and transformers raise for a checkpoint that is none, or not one of theirs."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """`score(texts)`: the highest toxicity of each text, (n,) in [0, 1], and which of `labels` it is, (n,).

    It is nan for a text that the scorer cannot read. A text is handed over sentence by sentence where
    `by_sentence` is set, else in windows of `window_chars`. The log odds of the highest of n ordinary
    sentences lie some `excess` * ln(n) above those of one.
    """

    name: str
    window_chars: int
    labels: tuple[str, ...]
    score: Callable[["pl.Series"], tuple[NDArray[np.float64], NDArray[np.int64]]]
    facts: Mapping[str, Any]
    by_sentence: bool = False
    excess: float = 0.0


@cache
def load_hate_ngrams() -> Scorer:
    """The linear model of hate and offence that comes with the package (hate_ngrams.py): English only.

    Its score is 0.5 at the bar that benchmarks/toxicity_fit.py set. Raises ModelError for a changed file.
    """
    data = read_model(HATE_NGRAMS)
    model = read_weights(data, HATE_NGRAMS)

    def score(texts: "pl.Series") -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        table = model.score(texts)
        # a text that cannot be read is nan in every label
        return table.max(axis=1), np.nan_to_num(table).argmax(axis=1)

    facts = {"files": {HATE_NGRAMS: PINS[HATE_NGRAMS]}}
    return Scorer("hate-ngrams", SENTENCE_CHARS, LABELS, score, facts, by_sentence=True, excess=model.excess)


def load_detoxify(model: str, weights: str, sha256: str, device: Device = "auto") -> Scorer:
    """Detoxify as a scorer; the score is the highest of its labels of toxicity.

    `weights` is a checkpoint of Detoxify's own releases, or the `.safetensors` file of Unitary's repository
    of the same model, with its config.json and tokenizer beside it. A checkpoint is a pickle, so `sha256` is
    not optional, and torch has to be able to read it as weights only, without running anything. What the
    checkpoint names as its base model comes from a local folder or the Hugging Face cache, never from the
    network. `auto` is the GPU where there is one. Raises MissingExtra, ModelError.
    """
    data = read_model(weights, sha256)
    torch = need_module("torch")
    place = choose_device(torch, device)
    try:
        with _offline_hub():
            if weights.endswith(".safetensors"):
                network, tokenizer, names = _load_safetensors(data, weights)
            else:
                network, tokenizer, names = _load_checkpoint(torch, data, model)
    except _UNLOADABLE as exc:
        raise ModelError(
            f"Detoxify could not load {weights}",
            seen=str(exc),
            mend="The base model that the checkpoint names must be in the Hugging Face cache: "
            "run `hf download <that model> config.json tokenizer.json tokenizer_config.json vocab.txt`.",
        ) from exc
    labels = [_SAME_LABEL.get(name, name) for name in names]
    if not set(_TOXIC) <= set(labels):
        raise ModelError(
            f"{weights} has not the labels of Detoxify", seen=", ".join(labels), allowed=", ".join(_TOXIC)
        )
    told = [k for k, label in enumerate(labels) if label in {*_TOXIC, "sexual_explicit"}]
    network = network.to(place).eval()

    def score(texts: "pl.Series") -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        best, which = np.zeros(len(texts)), np.zeros(len(texts), dtype=np.int64)
        order = texts.str.len_chars().arg_sort().to_numpy()  # little padding in a batch of like lengths
        for first in range(0, len(texts), _BATCH[place]):
            rows = order[first : first + _BATCH[place]]
            table = _predict(torch, network, tokenizer, texts.gather(rows).to_list())[:, told]
            best[rows], which[rows] = table.max(axis=1), table.argmax(axis=1)
        return best, which

    facts = {"files": {weights: sha256}, "labels": [labels[k] for k in told], "device": place}
    return Scorer(f"detoxify:{model}", _DETOXIFY_WINDOW_CHARS, tuple(facts["labels"]), score, facts)


def _load_checkpoint(torch: Any, data: bytes, model: str) -> tuple[Any, Any, list[str]]:
    """Network, tokenizer and labels by Detoxify's own class, from bytes that were seen to run nothing."""
    detoxify = need_module("detoxify")
    torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    loaded = detoxify.Detoxify(model_type=model, checkpoint=io.BytesIO(data), device="cpu")
    return loaded.model, loaded.tokenizer, list(loaded.class_names)


def _load_safetensors(data: bytes, weights: str) -> tuple[Any, Any, list[str]]:
    transformers = need_module("transformers")
    folder = find_model(weights).parent
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    network = transformers.AutoModelForSequenceClassification.from_config(config)
    unused = network.load_state_dict(need_module("safetensors.torch").load(data), strict=False)
    if unused.missing_keys:
        raise ValueError(f"the file lacks {', '.join(unused.missing_keys)}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return network, tokenizer, [config.id2label[k] for k in range(config.num_labels)]


def _predict(torch: Any, network: Any, tokenizer: Any, texts: list[str]) -> NDArray[np.float64]:
    """The probability of every label for every text, (n, labels), as Detoxify.predict gives it."""
    with torch.inference_mode():
        inputs = tokenizer(
            texts, return_tensors="pt", truncation=True, padding=True, max_length=_DETOXIFY_TOKENS
        )
        logits = network(**inputs.to(network.device))[0]
        table: NDArray[np.float64] = torch.sigmoid(logits.float()).cpu().numpy().astype(np.float64)
    return table


@contextmanager
def _offline_hub() -> Iterator[None]:
    """Hugging Face libraries look in their cache only."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
