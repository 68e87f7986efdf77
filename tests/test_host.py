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
from synth_stack.host import kill_group, lock_file, start_apart
from synth_stack.runs.folder import hold_alone


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


def test_the_package_is_imported_where_there_is_no_fcntl_and_no_fork() -> None:
    script = (
        "import sys; sys.modules['fcntl'] = None; import os; del os.fork, os.setsid, os.killpg\n"
        "import synth_stack.workflows.campaign, synth_stack.review.answers, synth_stack.review.server.environment\n"
        "import synth_stack.runs.folder, synth_stack.packs.verify.verify, synth_stack.cli.main\n"
        "from synth_stack.host import start_apart; print(start_apart())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "{'creationflags': 0}\n"), done.stderr


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
