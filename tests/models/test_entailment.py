"""Classifiers of entailment: a tiny random checkpoint, pinned, and what is refused."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synth_stack.errors import ModelError
from synth_stack.models.entailment import load_entailer

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None,
    reason="needs torch and transformers",
)

TINY_ENTAILMENT = """
import string, sys
from pathlib import Path
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

folder = Path(sys.argv[1])
letters = string.ascii_lowercase
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *["##" + c for c in letters]]
for name, labels in {
    "three": ["contradiction", "neutral", "entailment"], "two": ["LABEL_0", "LABEL_1"], "none": ["good", "bad"],
}.items():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=512, num_labels=len(labels), initializer_range=0.6,
        id2label=dict(enumerate(labels)), label2id={label: k for k, label in enumerate(labels)},
    )
    BertForSequenceClassification(config).save_pretrained(folder / name)
    (folder / name / "vocab.txt").write_text("\\n".join(words))
    BertTokenizer(str(folder / name / "vocab.txt")).save_pretrained(folder / name)
"""

pytestmark = [needs_torch, pytest.mark.filterwarnings("default")]
PAIRS = [("a lamp is on", "the lamp is on"), ("x " * 900, "the lamp is off"), ("", "y")]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("entailment")
    subprocess.run([sys.executable, "-W", "ignore", "-c", TINY_ENTAILMENT, str(folder)], check=True)
    return folder


def find(folder: Path, name: str) -> tuple[str, str]:
    path = folder / name / "model.safetensors"
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


def test_pairs_get_two_shares_whatever_stands_beside_them(checkpoints: Path) -> None:
    entailer = load_entailer(*find(checkpoints, "three"), device="cpu")
    shares = entailer.rate(PAIRS)
    assert shares.shape == (3, 2)
    assert ((shares > 0) & (shares < 1)).all()
    assert np.allclose(shares[:1], entailer.rate(PAIRS[:1]), atol=1e-5)
    assert entailer.rate([]).shape == (0, 2)
    assert entailer.facts["labels"] == ["contradiction", "neutral", "entailment"]


def test_a_model_of_two_labels_denies_nothing(checkpoints: Path) -> None:
    shares = load_entailer(*find(checkpoints, "two"), device="cpu").rate(PAIRS)
    assert (shares[:, 1] == 0).all()
    assert (shares[:, 0] > 0).all()


def test_what_cannot_be_trusted_is_refused(checkpoints: Path, tmp_path: Path) -> None:
    weights, digest = find(checkpoints, "three")
    with pytest.raises(ModelError, match="not the one that was pinned"):
        load_entailer(weights, "0" * 64, device="cpu")
    with pytest.raises(ModelError, match=r"has to be a \.safetensors file"):
        load_entailer(weights.replace(".safetensors", ".bin"), digest)
    with pytest.raises(ModelError, match="labels of the entailment model"):
        load_entailer(*find(checkpoints, "none"), device="cpu")
    broken = tmp_path / "model.safetensors"
    broken.write_bytes(b"nonsense")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="is no entailment model"):
        load_entailer(str(broken), hashlib.sha256(b"nonsense").hexdigest(), device="cpu")
