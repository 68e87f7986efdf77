"""The kinds of room, the strongest first, and the command line that starts each.

namespaces    user, mount, pid, network, ipc, uts and cgroup namespaces, Landlock, seccomp, limits
bubblewrap    the namespaces made by bwrap, for machines on which only bwrap may; no scratch, no threads
landlock      Landlock, seccomp and limits alone, as in a default container; no scratch, no threads
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from synth_stack.errors import SandboxError
from synth_stack.sandbox.runtimes import PYTHON, Runtime

NAMESPACES, BUBBLEWRAP, LANDLOCK = "namespaces", "bubblewrap", "landlock"
LEVELS = (NAMESPACES, BUBBLEWRAP, LANDLOCK)
ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
"""All that the interpreter is told; it forgets even this before the first run."""

_START = "import sys; sys.path.append(sys.argv[1]); from synth_stack.sandbox.zygote import main; main()"
_FOLDER = Path(__file__).parents[2]
_LOADER_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


def build_command(level: str, runtime: Runtime = PYTHON) -> list[str]:
    """The command that builds a room of `level`. Raises SandboxError where it needs bwrap and there is none.

    -u -s -S -P -B: nothing buffered (a child ends without flushing), no packages of the user or the site, no
    folder of a script, no files written.
    """
    command = [sys.executable, "-usSPB", "-c", _START, str(_FOLDER), level, runtime.as_json()]
    return [*_wrap(Path(sys.executable), runtime.files), *command] if level == BUBBLEWRAP else command


def _wrap(python: Path, files: Sequence[str]) -> list[str]:
    """The bwrap command: the interpreter, the runtime's files, its libraries and this package, read-only;
    no environment.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError("no sandbox of level bubblewrap", seen="there is no bwrap on PATH")
    shown = {*map(Path, _LOADER_FOLDERS), _FOLDER / "synth_stack", python, python.resolve()}
    shown |= {Path(prefix, "lib") for prefix in (sys.base_prefix, sys.base_exec_prefix)}
    shown |= {python.parent.parent / "pyvenv.cfg", *map(Path, files)}
    shown = {path for path in shown if not any(folder in shown for folder in path.parents)}
    binds = [word for path in sorted(shown) if path.exists() for word in ("--ro-bind", str(path), str(path))]
    variables = [word for pair in ENVIRONMENT.items() for word in ("--setenv", *pair)]
    return [found, "--unshare-all", "--clearenv", *variables, "--dev", "/dev", *binds, "--"]
