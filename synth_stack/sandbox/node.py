"""What a confined child becomes where the code is JavaScript: node, with the program of its side of the line.

Standard library only, as all that a room imports.
"""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synth_stack.sandbox.confine import SCRATCH
from synth_stack.sandbox.runtimes import JAVASCRIPT_LANGUAGE, Runtime

_PROGRAMS = Path(__file__).parent / "javascript"
_ENVIRONMENT = {
    "HOME": SCRATCH,
    "TMPDIR": SCRATCH,
    "LANG": "C.UTF-8",
    "UV_THREADPOOL_SIZE": "1",
    "OPENSSL_CONF": "/dev/null",
}
_FORGOTTEN = "delete process.env.UV_THREADPOOL_SIZE; delete process.env.OPENSSL_CONF;"
_FLAGS = ("--no-warnings", "--v8-pool-size=1", "--stack-size=900", "--random-seed=1")
"""Few threads, and the same random numbers in each run of a pair."""

OUT_OF_MEMORY = ("out of memory", "Allocation failed", "allocation failed", "std::bad_alloc", "Zone")
DYING_SIGNALS = frozenset({signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGSEGV, signal.SIGBUS})
"""How V8 ends where it gets no memory, and what it says before; the words are those of stderr, which
anybody may write: they change how a failure is named, never whether it is one."""


@dataclass(frozen=True, slots=True)
class Node:
    """The program, the files that it needs in the room, and what each of the two children runs."""

    program: str
    files: tuple[str, ...]
    sources: Mapping[str, str]

    def become(self, task: str, limits: Mapping[str, float]) -> None:
        """Go on as node in this process. Raises OSError where the room does not let it start."""
        heap = f"--max-old-space-size={int(limits['memory_mb'])}"
        os.execve(self.program, ["node", *_FLAGS, heap, "-e", self.sources[task]], _ENVIRONMENT)  # noqa: S606


def read_node(runtime: Runtime) -> Node | None:
    """What a runtime of JavaScript makes of a child; None for one of Python."""
    if runtime.language != JAVASCRIPT_LANGUAGE:
        return None
    line = (_PROGRAMS / "line.js").read_text()
    sources = {"hold_solution": "solution.js", "run_tests": "tests.js"}
    made = {
        task: f"(() => {{ 'use strict';\n{_FORGOTTEN}\n{line}\n{(_PROGRAMS / name).read_text()}\n}})()"
        for task, name in sources.items()
    }
    return Node(runtime.program, runtime.files, made)
