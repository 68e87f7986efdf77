"""Nothing outlives a run, a room or the process that opened it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synth_stack.errors import SandboxError
from synth_stack.sandbox.room import Room

OWNER = """
import sys
from synth_stack.sandbox.room import Limits, Room

with Room() as room:
    print("ready", flush=True)
    room.run("import time\\ntime.sleep(50)", "", Limits(wall_s=60))
"""


def list_descendants(pid: int) -> set[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found, open_ends = set(), [pid]
    while open_ends:
        children = parents.get(open_ends.pop(), [])
        found.update(children)
        open_ends += children
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_gone(pids: set[int], timeout_s: float = 20.0) -> set[int]:
    deadline = time.monotonic() + timeout_s
    while (left := {pid for pid in pids if is_running(pid)}) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def wait_for_run(pid: int, before: int = 2, timeout_s: float = 20.0) -> set[int]:
    """The processes below `pid` once a room's own (two) and a run's child are there."""
    deadline = time.monotonic() + timeout_s
    while len(found := list_descendants(pid)) <= before and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_ends_with_the_process_that_asked_for_it(sent: signal.Signals) -> None:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2]
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        found = wait_for_run(owner.pid)
        assert len(found) >= 2
        owner.send_signal(sent)
        owner.wait(20)
    assert wait_until_gone(found) == set()


def test_a_closed_room_leaves_no_process_no_mount_and_no_file() -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    others = list_descendants(os.getpid())
    with Room() as room:
        assert room.run("open('left', 'w').write('x')", "assert 1 < 2").status != "failed"
        found = list_descendants(os.getpid()) - others
    assert found
    assert wait_until_gone(found) == set()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not Path("/scratch/left").exists()


def test_a_room_that_was_killed_says_so() -> None:
    others = list_descendants(os.getpid())
    with Room() as room:
        for pid in list_descendants(os.getpid()) - others:
            with contextlib.suppress(ProcessLookupError):  # it ended with the one before it
                os.kill(pid, signal.SIGKILL)
        with pytest.raises(SandboxError, match=r"the sandbox (ended|did not answer)"):
            room.run("", "assert 1 < 2")


def test_a_closed_room_runs_nothing() -> None:
    with Room() as room:
        pass
    with pytest.raises(SandboxError, match="closed"):
        room.run("", "assert 1 < 2")
