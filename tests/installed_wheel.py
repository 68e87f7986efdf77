"""The wheel, built from the source distribution and installed in environments without the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
FETCHING = (
    "PIP_",
    "UV_",
    "SSL_CERT_",
    "REQUESTS_CA_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)
"""Variables that say where and how packages are fetched; no other variable reaches the environments."""
BUILD_TIMEOUT_S = 240
COMMAND_TIMEOUT_S = 240


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel, and the folder that commands run in."""

    python: Path
    folder: Path

    def call(self, *words: str, code: int = 0, **env: str) -> str:
        """What the installed command prints; its exit code has to be `code`."""
        return self.run([str(self.python.parent / "synth-stack"), *words], code=code, **env)

    def run(self, command: list[str], *, code: int = 0, **env: str) -> str:
        """What a command prints, run in the folder with nothing of this checkout in sight."""
        clean = {"PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        kept = {key: value for key, value in os.environ.items() if key.startswith(FETCHING)}
        key = {"SYNTH_STACK_KEY": str(self.folder / "key.pem")}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**kept, **clean, **key, **env},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + (done.stderr if code else "")


def find_python(version: str) -> str | None:
    """An interpreter of that version that can make environments, or None."""
    if version == ".".join(map(str, sys.version_info[:2])):
        return sys.executable
    pyenv = Path.home() / ".pyenv" / "versions"
    named = sorted(pyenv.glob(f"{version}.*/bin/python")) if pyenv.is_dir() else []
    for python in filter(None, [*map(str, named), shutil.which(f"python{version}")]):
        ready = [python, "-c", "import ensurepip, ssl, venv"]
        if subprocess.run(ready, capture_output=True, check=False).returncode == 0:
            return python
    return None


def build_wheel(folder: Path) -> Path:
    """The wheel, made in `folder` from the source distribution: what that lacks, the wheel lacks too."""
    source, built = folder / "source", folder / "dist"
    copy = folder / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    _build(copy, "build_sdist", built)
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(source, filter="data")
    [tree] = source.iterdir()
    _build(tree, "build_wheel", built)
    [wheel] = built.glob("*.whl")
    return wheel


def _build(tree: Path, hook: str, out: Path) -> None:
    script = f"import setuptools.build_meta as b; b.{hook}({str(out)!r})"
    out.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def install(wheel: Path, python: str, folder: Path) -> Installed:
    """A fresh environment with what the lock of a run has, and the wheel."""
    environment = folder / "env"
    subprocess.run([python, "-m", "venv", str(environment)], check=True, timeout=BUILD_TIMEOUT_S)
    work = folder / "work"
    work.mkdir()
    made = Installed(environment / "bin" / "python", work)
    uv = os.environ.get("SYNTH_STACK_UV")  # the same locks, sooner
    pip = [str(made.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    installer = [uv, "pip", "install", "--quiet", "--python", str(made.python)] if uv else pip
    locked = ["--no-deps", "--require-hashes", "-r", str(ROOT / "requirements" / "run.lock")]
    made.run([*installer, *locked])
    made.run([*installer, "--no-deps", str(wheel)])
    return made
