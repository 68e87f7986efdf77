"""What differs between operating systems: locks on files, groups of processes, cores, who may read a file.

POSIX has `fcntl` and sessions, Windows `msvcrt` and neither. Whoever locks or ends processes asks here, so
that what a system lacks is said in one sentence and in one place. The sandbox stands apart: what it lacks
somewhere it says itself (`synth-stack doctor`).
"""

import contextlib
import os
import signal
import stat
import subprocess
from typing import IO, Any

from synth_stack.errors import StoreError

fcntl: Any
msvcrt: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
try:
    import msvcrt
except ImportError:  # POSIX
    msvcrt = None

_LOCKED_AT = 0x7FFF0000
"""The byte that Windows locks: far behind what any lock file or journal holds, since nobody may read it."""


def lock_file(file: IO[bytes], *, wait: bool) -> None:
    """Takes the lock of an open file for this process; it goes when the file is closed, or the process ends.

    With `wait` it waits for whoever holds it. Raises BlockingIOError where another holds it and it does not
    wait, OSError where the file system knows no locks, StoreError on a system without locks on files.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    elif msvcrt is not None:
        _lock_byte(file.fileno(), wait=wait)
    else:
        raise StoreError(
            "this system has no locks on files, so two processes could write at once",
            allowed="Linux, macOS, Windows",
            mend="Work on one of these; packs are verified everywhere.",
        )


def _lock_byte(number: int, *, wait: bool) -> None:
    place = os.lseek(number, 0, os.SEEK_CUR)
    try:
        while True:
            os.lseek(number, _LOCKED_AT, os.SEEK_SET)
            try:
                msvcrt.locking(number, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as exc:  # LK_LOCK tries ten times, a second apart, and gives up
                if not wait:
                    raise BlockingIOError(exc.errno, "the file is locked") from exc
            else:
                return
    finally:
        os.lseek(number, place, os.SEEK_SET)


def start_apart() -> dict[str, Any]:
    """Options of subprocess.Popen for a process that Ctrl-C and the end of this one's group do not reach."""
    if hasattr(os, "setsid"):
        return {"start_new_session": True}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def kill_group(leader: int) -> None:
    """Ends a process that was started apart, and where there are groups all that it started; nothing where
    it is gone.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)  # TerminateProcess, on Windows


def count_cores() -> int:
    """The cores that this process may use; all of the machine where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_read_by_others(mode: int) -> bool:
    """Whether a file of this mode can be read by other users of the machine.

    Windows' modes say nothing of others (all files have 0o666 there): a user's folders are the user's own.
    """
    return os.name != "nt" and bool(stat.S_IMODE(mode) & 0o077)
