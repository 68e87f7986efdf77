"""What runs generated code of a language: Python by this interpreter, JavaScript by the node that is on PATH.

A runtime is found before a room is built: its program, version, and every file that it needs there. Standard
library only, since the process that builds a room imports this too.
"""

import functools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

PYTHON_LANGUAGE, JAVASCRIPT_LANGUAGE = "python", "javascript"

_ASKED_S = 20
_LEAST_NODE = 18
"""The major version from which on node has what is used here."""
_ASK = (
    "console.log(JSON.stringify({path: fs.realpathSync(process.execPath), version: process.version,"
    " files: process.report.getReport().sharedObjects}))"
)
_DEBIAN_MODULES = Path("/usr/share/nodejs")
_DEBIAN_PARTS = ("acorn", "acorn-walk", "cjs-module-lexer", "minimatch", "undici")
"""Where Debian keeps parts of node that others compile into the program, and which."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language, the version of what runs it, its program, and the files that it needs in the room."""

    language: str
    version: str
    program: str = ""
    files: tuple[str, ...] = ()

    def as_json(self) -> str:
        """It as an argument of the process that builds the room."""
        return json.dumps(asdict(self))


PYTHON = Runtime(PYTHON_LANGUAGE, f"Python {sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}")


def read_runtime(text: str) -> Runtime:
    """A runtime as `as_json` wrote it."""
    told = json.loads(text)
    held = {entry.name: told[entry.name] for entry in fields(Runtime)}
    return Runtime(**{**held, "files": tuple(held["files"])})


@functools.cache
def find_node() -> Runtime | str:
    """The node on PATH with its libraries, or in words why there is none. Asked once in a process."""
    program = shutil.which("node") or shutil.which("nodejs")
    if program is None:
        return "there is no node on PATH"
    try:
        asked = subprocess.run(  # noqa: S603  (the user's own node)
            [program, "-e", _ASK], capture_output=True, timeout=_ASKED_S, env={}, cwd="/", check=True
        )
        told = json.loads(asked.stdout)
        path, version, shared = str(told["path"]), str(told["version"]), [str(file) for file in told["files"]]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return f"{program} does not answer as node does"
    if not re.fullmatch(r"v\d+\.\d+\.\d+[\w.+-]*", version):
        return f"{program} does not answer as node does"
    if int(version[1:].partition(".")[0]) < _LEAST_NODE:
        return f"node {version} is older than {_LEAST_NODE}"
    return Runtime(JAVASCRIPT_LANGUAGE, f"node {version}", path, _list_files(path, shared))


def _list_files(program: str, shared: list[str]) -> tuple[str, ...]:
    """The program, its shared libraries by the names that it asks for, and Debian's modules."""
    found = {program, *(file for file in shared if file.startswith("/") and Path(file).is_file())}
    if _DEBIAN_MODULES.is_dir() and any("libnode" in file for file in found):
        for part in _DEBIAN_PARTS:
            found |= {str(file) for file in (_DEBIAN_MODULES / part).rglob("*.js") if file.is_file()}
    return tuple(sorted(found))
