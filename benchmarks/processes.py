"""What all processes of a run use together, told by a mark in their environment. Needs /proc."""

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "SYNTH_STACK_BENCHMARK"
LOOK_S = 0.5


@dataclass(frozen=True)
class Used:
    """Of a command and every process that came of it.

    cpu_s: seconds of CPU. A process that lived for less than LOOK_S may be missing.
    peak_mb: the largest sum of proportional set sizes at one look: a page that processes share counts once.
    said: what the command wrote to its standard output.
    """

    cpu_s: float
    peak_mb: float
    said: str
    code: int


def measure_command(command: Sequence[str], python_path: Path) -> Used:
    """Runs the command to its end."""
    mark = secrets.token_hex(16)
    environment = {**os.environ, "PYTHONPATH": str(python_path), MARK: mark}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    cpu: dict[int, float] = {}
    peak_kb = 0
    while process.poll() is None:
        marked = list_marked(mark)
        cpu.update({int(folder.name): seconds for folder in marked if (seconds := read_cpu_s(folder))})
        peak_kb = max(peak_kb, sum(map(read_kb, marked)))
        time.sleep(LOOK_S)
    assert process.stdout is not None
    return Used(sum(cpu.values()), peak_kb / 1024, process.stdout.read(), process.returncode)


def list_marked(mark: str) -> list[Path]:
    """The folders under /proc of the processes that carry the mark."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or of another user
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(folder)
    return found


def read_cpu_s(folder: Path) -> float:
    with contextlib.suppress(OSError):
        after = (folder / "stat").read_text().rpartition(")")[2].split()
        return (int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def read_kb(folder: Path) -> int:
    """Its proportional set size."""
    with contextlib.suppress(OSError):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
