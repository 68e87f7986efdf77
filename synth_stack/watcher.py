"""A folder for temporary files of processes, and the promise that none of them outlives the run.

    with watch("dask") as den:
        start processes with `den.env`, put files into `den.folder`

Every process that is started with that environment carries a mark, and so do those that it starts. However
the block ends, the processes with the mark and the sessions that they lead are ended and the folder is
removed: by a process of its own that waits for the end of a pipe, so that it also holds for a run that was
killed.

This file is run as that process, without the package: it imports the standard library alone.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MARK = "SYNTH_STACK_ENGINE"
_END = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What cannot be refused; Windows has one signal that ends a process, and no other."""
_GRACE_S = 5.0
"""How long a process has to be gone after it was killed; what is left then waits in the kernel."""
_LOOKS = 2


@dataclass(frozen=True, slots=True)
class Den:
    """Where an engine keeps its temporary files, and the environment of its processes."""

    folder: Path
    env: Mapping[str, str]


@contextlib.contextmanager
def watch(engine: str) -> Iterator[Den]:
    """A folder that only this user can read, and an environment with the mark; both end with the block."""
    folder = Path(tempfile.mkdtemp(prefix=f"synth-stack-{engine}-"))
    mark = secrets.token_hex(16)
    watcher = subprocess.Popen(  # noqa: S603  (this file, and two words of ours)
        [sys.executable, "-I", "-S", __file__, mark, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # neither Ctrl-C nor a kill of the run's group reaches it
    )
    assert watcher.stdin is not None
    try:
        yield Den(folder, {**os.environ, MARK: mark})
    finally:
        watcher.stdin.close()
        watcher.wait()


def _list_marked(mark: str) -> list[int]:
    """The processes of this user that carry the mark, or that are in a session which one with the mark leads:
    a process that gives itself a title may write it over its environment (Linux; elsewhere none is found).
    """
    wanted = f"{MARK}={mark}".encode()
    carries: set[int] = set()
    sessions: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or of another user
            environment = (folder / "environ").read_bytes()
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if state not in "ZX":
                sessions[int(folder.name)] = int(session)
                if wanted in environment.split(b"\0"):
                    carries.add(int(folder.name))
    return [process for process, session in sessions.items() if process in carries or session in carries]


def _end_marked(mark: str) -> None:
    """Two looks have to find none: a process that is about to become a program shows no environment."""
    deadline, looks = time.monotonic() + _GRACE_S, 0
    while looks < _LOOKS and time.monotonic() < deadline:
        left = _list_marked(mark)
        looks = 0 if left else looks + 1
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, _END)
        time.sleep(0.05)


def _wait_here(mark: str, folder: str) -> None:
    sys.stdin.buffer.read()  # ends when the run does
    _end_marked(mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _wait_here(*sys.argv[1:])
