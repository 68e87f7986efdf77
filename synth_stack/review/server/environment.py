"""The Python environment of the Argilla server: apart from ours, locked with digests, made on first use.

Argilla's server needs older releases of libraries that this package needs newer. Its packages are those of
argilla_server.lock, each checked against its digest; the folder is named after the lock and the interpreter,
so a new lock is a new environment and an old one is never changed.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from synth_stack.errors import MissingExtra, StoreError, WorkError
from synth_stack.files import store_errors
from synth_stack.host import lock_file
from synth_stack.runs.folder import remove_folder

LOCK_FILE = Path(__file__).with_name("argilla_server.lock")
CACHE_VARIABLE = "SYNTH_STACK_CACHE"
"""The folder for what can be made again; else synth_stack under XDG_CACHE_HOME or ~/.cache."""
_COMPLETE = ".complete"
_SIZE = "about 600 MB, one to three minutes"


def find_environment() -> Path:
    """Where the environment is, or would be."""
    digest = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]
    return _find_cache() / f"argilla-server-{digest}-py{sys.version_info[0]}.{sys.version_info[1]}"


def has_environment() -> bool:
    """Whether it is there, whole."""
    return (find_environment() / _COMPLETE).is_file()


def ensure_environment(tell: Callable[[str], None] = lambda _: None) -> Path:
    """The interpreter of the environment, which is made where it is not there; `tell` gets one line before.

    Another process that makes it is waited for. Raises MissingExtra where Python cannot make environments,
    WorkError where a package cannot be had or is not the locked one (the log lies beside the folder), and
    StoreError for the disk.
    """
    folder = find_environment()
    with store_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if not has_environment():
            tell(f"making the environment of the Argilla server ({_SIZE}) in {folder}")
            remove_folder(folder)  # what a killed process left
            log = folder.with_name(f"{folder.name}.log")
            _make(folder, log)
            with store_errors(folder):
                (folder / _COMPLETE).touch()
                log.unlink(missing_ok=True)
    return folder / "bin" / "python"


def _make(folder: Path, log: Path) -> None:
    python = folder / "bin" / "python"
    failed = _call([sys.executable, "-I", "-m", "venv", str(folder)], log)
    if failed is not None:
        raise MissingExtra(
            "this Python cannot make virtual environments",
            seen=failed,
            mend="Install its venv module (Debian and Ubuntu: apt-get install python3-venv).",
        )
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK_FILE)]
    failed = _call([str(python), "-I", "-m", "pip", "install", *quiet, *locked], log)
    if failed is not None:
        raise WorkError(
            "the packages of the Argilla server could not be installed",
            seen=failed,
            mend=f"See {log} and run the same command again; PIP_INDEX_URL names another package index.",
        )


def _call(command: list[str], log: Path) -> str | None:
    """The last line of a program that failed, None for one that did its work; all it wrote is in `log`."""
    with store_errors(log), os.fdopen(_open_private(log), "wb") as file:
        done = subprocess.run(  # noqa: S603  (this Python and the lock of this package)
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
        )
    if done.returncode == 0:
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [f"exit {done.returncode}"])[-1]


def _open_private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _find_cache(environment: Mapping[str, str] = os.environ) -> Path:
    if named := environment.get(CACHE_VARIABLE):
        return Path(named)
    home = environment.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "synth_stack"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with store_errors(path):
        file = path.open("ab")
    with file:
        try:
            lock_file(file, wait=True)
        except OSError as exc:
            raise StoreError(f"{path} cannot be locked: {exc.strerror}") from exc
        yield
