import subprocess
import sys

import numpy as np
import pytest

from synth_stack.models import embedders

TEXTS = [
    "How do I cancel my order?",
    "please cancel the order",
    "The weather in Lisbon is mild.",
    "",
    "日本語のテキスト",
    "word " * 3000,
    "\x00\ufffd",
]


@pytest.mark.parametrize(("name", "size"), [("wordllama", 256), ("minilm", 384)])
def test_an_embedder_gives_unit_vectors_that_know_meaning(name: str, size: int) -> None:
    embedder = embedders.load_embedder(name)  # type: ignore[arg-type]  # parametrised
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), size)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    assert embedder.embed([]).shape == (0, size)
    assert all(len(digest) == 64 for digest in embedder.facts.values())


@pytest.mark.parametrize("name", ["wordllama", "minilm"])
def test_a_vector_does_not_depend_on_the_texts_beside_it(name: str) -> None:
    embedder = embedders.load_embedder(name)  # type: ignore[arg-type]  # parametrised
    alone = np.vstack([embedder.embed([text]) for text in TEXTS])
    assert np.allclose(embedder.embed(TEXTS * 8)[: len(TEXTS)], alone, atol=1e-5)


def test_minilm_gives_the_same_bits_on_one_thread_and_on_several() -> None:
    texts = [f"{text[:200]} {k}" for k in range(12) for text in TEXTS]
    one, several = (embedders.load_embedder("minilm", threads=n).embed(texts) for n in (1, 3))
    assert np.array_equal(one, several)


def test_wordllama_vectors_are_those_of_its_own_class() -> None:
    code = (
        "import pathlib, numpy, wordllama; from synth_stack.models.embedders import load_embedder\n"
        "folder = pathlib.Path(wordllama.__file__).parent\n"
        "theirs = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)\n"
        "texts = ['How do I cancel my order?', 'a', 'Grüße aus Köln 😀', 'x = [1, 2]']\n"
        "assert numpy.allclose(theirs.embed(texts, norm=True), load_embedder('wordllama').embed(texts), atol=1e-6)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
