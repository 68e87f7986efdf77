"""What an engine starts ends with it, however it ends."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from synth_stack.watcher import MARK, watch

SLEEP = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'], start_new_session=True); time.sleep(99)"


def list_with(mark: str) -> list[int]:
    """The processes that carry a mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            if alive and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def wait_for(count: int, mark: str) -> None:
    deadline = time.monotonic() + 20
    while len(list_with(mark)) != count:
        assert time.monotonic() < deadline, list_with(mark)
        time.sleep(0.05)


def test_processes_and_folder_end_with_the_block() -> None:
    with watch("test") as den:
        mark = den.env[MARK]
        (den.folder / "file").write_text("x")
        assert den.folder.stat().st_mode & 0o077 == 0
        child = subprocess.Popen([sys.executable, "-c", SLEEP], env=den.env)
        wait_for(2, mark)
    assert list_with(mark) == []
    assert not den.folder.exists()
    assert child.wait() == -9


def test_a_process_that_hides_the_mark_ends_with_the_session_that_it_is_in() -> None:
    leader = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'], env={}).pid, flush=True)\n"
        "time.sleep(99)"
    )
    with watch("test") as den:
        command = [sys.executable, "-c", leader]
        child = subprocess.Popen(
            command, env=den.env, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert child.stdout is not None
        hidden = Path(f"/proc/{child.stdout.readline().strip()}")
        assert den.env[MARK].encode() not in (hidden / "environ").read_bytes()
    child.stdout.close()
    child.wait()
    assert not hidden.exists() or "Z" in (hidden / "stat").read_text()


def test_they_end_with_a_run_that_was_killed() -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "from synth_stack.watcher import MARK, watch\n"
        "with watch('test') as den:\n"
        f"    subprocess.Popen([sys.executable, '-c', {SLEEP!r}], env=den.env)\n"
        "    print(den.folder, den.env[MARK], flush=True)\n"
        "    time.sleep(99)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.stdout is not None
    folder, mark = run.stdout.readline().split()
    wait_for(2, mark)
    assert Path(folder).exists()
    run.kill()
    run.wait()
    run.stdout.close()
    wait_for(0, mark)
    deadline = time.monotonic() + 10
    while Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
