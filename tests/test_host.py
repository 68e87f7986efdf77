"""Locks and groups of processes here, and on systems that lack what POSIX has."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from synth_stack import host
from synth_stack.errors import StoreError
from synth_stack.host import count_cores, is_read_by_others, kill_group, lock_file, start_apart
from synth_stack.runs.folder import hold_alone

ROOT = Path(__file__).parents[1]


class Msvcrt:
    """What Windows' module does with a byte of a file, for one process: it knows who holds which."""

    LK_LOCK, LK_NBLCK = 1, 2

    def __init__(self, fails: int = 0) -> None:
        self.held: dict[int, int] = {}
        self.fails = fails

    def locking(self, number: int, mode: int, size: int) -> None:
        place = os.lseek(number, 0, os.SEEK_CUR)
        node = os.fstat(number).st_ino
        if self.fails or self.held.get(node, number) != number:
            self.fails = max(self.fails - 1, 0)
            raise OSError(errno.EDEADLOCK if mode == self.LK_LOCK else errno.EACCES, "locked")
        assert (size, place) == (1, host._LOCKED_AT)
        self.held[node] = number


def test_a_lock_is_held_by_one_and_goes_with_its_file(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("ab") as first, (tmp_path / "lock").open("ab") as second:
        lock_file(first, wait=False)
        with pytest.raises(BlockingIOError):
            lock_file(second, wait=False)
        first.close()
        lock_file(second, wait=True)


def test_without_fcntl_a_byte_that_nobody_reads_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Msvcrt()
    monkeypatch.setattr(host, "fcntl", None)
    monkeypatch.setattr(host, "msvcrt", windows)
    (tmp_path / "journal").write_bytes(b"one line\n")
    with (tmp_path / "journal").open("ab") as first, (tmp_path / "journal").open("ab") as second:
        lock_file(first, wait=True)
        first.write(b"another\n")
        first.flush()
        with pytest.raises(BlockingIOError):
            lock_file(second, wait=False)
    assert (tmp_path / "journal").read_bytes() == b"one line\nanother\n"
    with (
        hold_alone(tmp_path / "lock", "the run"),
        pytest.raises(StoreError, match="in use by another process"),
        hold_alone(tmp_path / "lock", "the run"),
    ):
        pass


def test_windows_gives_up_waiting_after_ten_seconds_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Msvcrt(fails=3)
    monkeypatch.setattr(host, "fcntl", None)
    monkeypatch.setattr(host, "msvcrt", windows)
    with (tmp_path / "lock").open("ab") as file:
        lock_file(file, wait=True)
    assert windows.fails == 0


def test_a_system_without_locks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "fcntl", None)
    with (tmp_path / "lock").open("ab") as file, pytest.raises(StoreError, match="no locks on files"):
        lock_file(file, wait=False)


BARE = """
import importlib, os, pkgutil, signal, sys, types, warnings
warnings.simplefilter("ignore")
import asyncio, datasets, datatrove.executor, distilabel.pipeline, distributed, multiprocessing.pool, polars
import scipy.stats, tempfile, typer
sys.modules["msvcrt"] = types.SimpleNamespace(LK_LOCK=1, LK_NBLCK=2, locking=lambda number, mode, size: None)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "syslog", "pty"):
    sys.modules[name] = None
for name in (
    "fork forkpty setsid killpg getpgid getsid setpgid getuid geteuid getgid getegid uname sched_getaffinity "
    "sched_setaffinity statvfs sysconf mkfifo wait3 wait4 waitid nice fchmod fchown chown prctl pipe2 O_NOFOLLOW "
    "O_CLOEXEC O_DIRECTORY O_NONBLOCK O_PATH"
).split():
    if hasattr(os, name):
        delattr(os, name)
for name in [name for name in dir(signal) if name.startswith("SIG") and name not in {
    "SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV", "SIG_DFL", "SIG_IGN", "SIGBREAK", "SIG_BLOCK",
    "SIG_UNBLOCK", "SIG_SETMASK"}]:
    delattr(signal, name)
"""
"""What Windows lacks is taken away, once what the package stands on is loaded: that has an answer of its own."""

IMPORT_ALL = """
import synth_stack
# what runs inside of the sandbox, of NeMo and of Argilla's server: on Linux, in processes of their own
inside = ("sandbox.zygote", "sandbox.confine", "sandbox.node", "sandbox.program", "engines.nemo", "server.inside", "watcher")
missing = {"torch", "ray", "nemo_curator", "diffusers", "dask", "distributed", "datatrove", "s3fs", "argilla"}
for found in pkgutil.walk_packages(synth_stack.__path__, "synth_stack."):
    if not any(name in found.name for name in inside):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as exc:
            assert (exc.name or "").partition(".")[0] in missing, (found.name, exc)
print("all imported")
"""

WORK = """
from pathlib import Path
rows = [{"prompt": f"Where is {n}?", "answer": f"Parcel {n} left on Friday and is on its way."} for n in range(5)]
gates = "version: 1\\ngates: [{use: personal_data, canaries: 0}, {use: structure, canaries: 0}]\\n"
Path("gates.yaml").write_text(gates)
synth_stack.curate(rows, Path("gates.yaml"), Path("run"))
packed = synth_stack.pack("run", "pack")
assert synth_stack.verify("pack").root == packed.root
from synth_stack.review.reviewers import load_or_make_key
load_or_make_key(Path("reviewers.key"))
from synth_stack.images.attached import map_threads
assert list(map_threads(abs, [-1])) == [1]
print(packed.counts["accepted"])
"""


def test_everything_is_imported_and_rows_are_judged_where_nothing_of_posix_is_left(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BARE + IMPORT_ALL + WORK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SYNTH_STACK_KEY": str(tmp_path / "key.pem")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "all imported\n5\n"), done.stderr


def test_cores_are_counted_and_modes_of_windows_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_cores() >= 1
    assert is_read_by_others(0o644)
    assert not is_read_by_others(0o100600)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert count_cores() == (os.cpu_count() or 1)
    monkeypatch.setattr(os, "name", "nt")
    assert not is_read_by_others(0o100666)


def start_pair() -> subprocess.Popen[str]:
    """A process that was started apart, and a child of it whose id it prints."""
    script = "import subprocess,sys,time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print(p.pid, flush=True); time.sleep(60)"
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, **start_apart()
    )


def test_a_group_ends_with_all_that_it_started() -> None:
    leader = start_pair()
    assert leader.stdout is not None
    child = int(leader.stdout.readline())
    kill_group(leader.pid)
    leader.wait()
    leader.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kill_group(leader.pid)  # nothing is left to end


def test_without_groups_the_leader_alone_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Any] = []
    monkeypatch.delattr(os, "killpg")
    monkeypatch.setattr(os, "kill", lambda process, number: ended.append((process, number)))
    kill_group(7)
    assert ended == [(7, signal.SIGTERM)]
