"""Rooms in which generated Python runs against its tests, and what came of it.

    run_checks(solution, tests)              one pair
    run_many(pairs, workers=2)               a list of pairs on all cores, in order (sandbox/run_many.py)
    with Room() as room: room.run(...)       as many as you like; docs/sandbox.md says what one costs

Linux only. `find_level` says which kind of room this machine can build, after trying to break out of it;
docs/sandbox.md says what each holds and what none does.
"""

import functools
import json
import os
import secrets
import select
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import TracebackType
from typing import Any, Self

from synth_stack.errors import ConfigError, SandboxError
from synth_stack.sandbox.levels import ENVIRONMENT, LEVELS, build_command
from synth_stack.sandbox.modes import FAILING, NEGATED, REAL
from synth_stack.sandbox.runtimes import PYTHON, Runtime, find_node

_BUILD_S = 30.0
_GRACE_S = 5.0
_PROBE_WALL_S = 20.0
_LEAST = {"memory_mb": 64, "files": 8}
"""The interpreter's own need: it cannot say what went wrong with less. Everything else is at least 1."""
_MEND = "Run it on Linux 5.13 or later, where user namespaces or Landlock are allowed, or install bubblewrap."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use, and where a run that needs more ends.

    CPU seconds, wall seconds, address space in MiB (the interpreter itself takes about 40), threads, open
    files, the scratch folder in MiB (as a whole, and each file), bytes on stdout and stderr together, and
    the length of a source in characters. The defaults let every reference solution of HumanEval pass, ten
    times over (benchmarks/behaviour.py); a run cannot start a process, so they bound all that it does.
    """

    cpu_s: int = 2
    wall_s: float = 5.0
    memory_mb: int = 256
    threads: int = 16
    files: int = 32
    file_mb: int = 8
    output_bytes: int = 65_536
    source_chars: int = 1_000_000

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            least = _LEAST.get(entry.name, 1)
            if not least <= value < 2**31:  # to the kernel -1 means no limit at all
                allowed = f"{least} or more"
                raise ConfigError(f"sandbox: {entry.name} is out of range", seen=value, allowed=allowed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run; `checks` counts the asserts that held if it passed, `seconds` are wall time.

    `refuted`: it failed because an assert of the tests themselves did not hold.

    passed     the tests ran to their end, and at least one assert held
    failed     an exception, a wrong answer, an exit, no Python, or tests that check nothing
    timeout    CPU or wall time
    memory     MemoryError: the address space was used up
    output     more output than allowed
    space      a file, the scratch folder or the open files beyond their limit
    blocked    the room refused something: a socket, a process, a file, a system call
    crashed    killed by a signal
    unparsable, unparsable_tests     JavaScript that node does not parse: the solution, or the tests
    """

    status: str
    reason: str
    checks: int = 0
    refuted: bool = False
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


DEFAULT = Limits()


class Room:
    """A room, kept open for many runs, each in a fresh process that shares nothing with the next.

    A context manager. Not for two threads at once. Nothing outlives it: the kernel ends what is in it when
    this process ends, however it ends.
    """

    def __init__(self, level: str | None = None, runtime: Runtime = PYTHON) -> None:
        """Build the room for code of `runtime`. Raises SandboxError when this machine has none, or none of
        that level.
        """
        self._process = subprocess.Popen(  # noqa: S603  (the command is ours; what it runs comes later)
            build_command(level or find_level(), runtime),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            bufsize=0,
            start_new_session=True,  # an interrupt from the terminal is ours to handle
        )
        self._ended = weakref.finalize(self, _end, self._process)
        try:
            self.facts = self._receive(_BUILD_S)
        except BaseException:
            self.close()
            raise
        if "error" in self.facts:
            self.close()
            raise SandboxError(f"no sandbox of level {level}", seen=self.facts["error"], mend=_MEND)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the room and what runs in it. It is ended too when nobody holds it any more."""
        self._ended()

    def is_open(self) -> bool:
        """Whether it can still run something: not closed, and not ended by the system."""
        return self._process.poll() is None

    def run(
        self,
        solution: str,
        tests: str,
        limits: Limits = DEFAULT,
        *,
        confirmed: bool = True,
        mode: bytes = REAL,
    ) -> Outcome:
        """Run `tests` against `solution`.

        The solution is a module; the tests start with its names (and may import it as `solution`), and run
        at module level and then in every function without parameters that is called test...; asserts check.
        A pass is believed when the same tests pass twice more, and in between, in an order drawn for each
        run, fail with a failure after their end and with their asserts turned round. Without `confirmed` it
        is not tried, for a caller to whom a pass is the worse news; so it is not in another `mode`
        (sandbox/modes.py).
        """
        if max(len(solution), len(tests)) > limits.source_chars:
            return Outcome("failed", f"a source of more than {limits.source_chars} characters")
        outcome = self._ask(solution, tests, mode, limits)
        if outcome.status != "passed" or not confirmed or mode != REAL:
            return outcome
        return self._confirm(outcome, solution, tests, limits)

    def _confirm(self, outcome: Outcome, solution: str, tests: str, limits: Limits) -> Outcome:
        """The outcome of a run that passed, after two more of the kind and two controls, in random order."""
        runs = [REAL, REAL, FAILING, NEGATED]
        secrets.SystemRandom().shuffle(runs)
        for mode in runs:
            again = self._ask(solution, tests, mode, limits)
            if mode == REAL and again.status != "passed":
                return again
            if mode != REAL and again.status == "passed":
                return Outcome("failed", "passes whatever the tests say", seconds=outcome.seconds)
        return outcome

    def _ask(self, solution: str, tests: str, mode: bytes, limits: Limits) -> Outcome:
        sources = [solution.encode("utf-8", "surrogatepass"), mode + tests.encode("utf-8", "surrogatepass")]
        for body in (json.dumps(asdict(limits)).encode(), *sources):
            self._send(struct.pack(">I", len(body)) + body)
        answer = self._receive(limits.wall_s + _GRACE_S)
        if "error" in answer:
            raise SandboxError("the sandbox failed", seen=answer["error"], mend=_MEND)
        return Outcome(**answer)

    def _send(self, data: bytes) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise SandboxError("the sandbox is closed")
        view = memoryview(data)
        try:
            while view:
                view = view[pipe.write(view) or 0 :]
        except BrokenPipeError as exc:
            raise SandboxError("the sandbox ended by itself", mend="Run again.") from exc

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        (size,) = struct.unpack(">I", self._read(4, deadline))
        answer: dict[str, Any] = json.loads(self._read(size, deadline))
        return answer

    def _read(self, size: int, deadline: float) -> bytes:
        pipe = self._process.stdout
        if pipe is None or pipe.closed:
            raise SandboxError("the sandbox is closed")
        data = b""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while len(data) < size:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            part = os.read(pipe.fileno(), size - len(data)) if ready else b""
            if not part:
                seen = "no answer in time" if not ready else "it ended by itself"
                raise SandboxError("the sandbox did not answer", seen=seen, mend=_MEND)
            data += part
        return data


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def run_checks(solution: str, tests: str, *, limits: Limits = DEFAULT) -> Outcome:
    """The outcome of `Room.run` in a room of its own. Raises SandboxError when this machine has none."""
    with Room() as room:
        return room.run(solution, tests, limits)


@functools.cache
def find_level() -> str:
    """The strongest level of LEVELS that this machine can build and that held against a probe.

    Tried once in a process. Raises SandboxError where there is none, with what each level lacks.
    """
    if sys.platform != "linux":
        raise SandboxError("the sandbox for generated code needs Linux", seen=sys.platform, mend=_MEND)
    seen = []
    for level in LEVELS:
        try:
            check_level(level)
        except SandboxError as exc:
            seen.append(f"{level}: {exc.seen or exc.what}")
        else:
            return level
    raise SandboxError("this machine has no sandbox for generated code", seen="; ".join(seen), mend=_MEND)


@functools.cache
def find_javascript() -> Runtime | str:
    """What runs JavaScript in the strongest room of this machine, or in words why nothing does.

    Tried once in a process, by an honest pair and one that tries to break out.
    """
    node = find_node()
    if isinstance(node, str):
        return node
    try:
        level = find_level()
        with Room(level, node) as room:
            outcome = room.run(*_NODE_PROBE, Limits(wall_s=_PROBE_WALL_S), confirmed=False)
    except SandboxError as exc:
        return f"no sandbox for {node.version}: {exc.seen or exc.what}"
    if outcome.status != "passed":
        return (
            f"{node.version} does not hold in a sandbox of level {level}: {outcome.status}: {outcome.reason}"
        )
    return node


def check_level(level: str) -> None:
    """Build a room and try to break out. Raises SandboxError when it cannot be built or does not hold."""
    files = [__file__, sys.executable, "/etc/passwd", "/proc/self/environ", "/proc/1/status"]
    with Room(level) as room:
        outcome = room.run("", _PROBE.format(files=files), Limits(wall_s=_PROBE_WALL_S))
    if outcome.status != "passed":
        raise SandboxError(f"a sandbox of level {level} does not hold", seen=outcome.reason, mend=_MEND)


def describe() -> Mapping[str, Any]:
    """What holds on this machine, as JSON: the level, Landlock's version, and what a run may do.

    Raises SandboxError where there is no sandbox.
    """
    with Room() as room:
        return dict(room.facts)


_PROBE = """
import os, socket

def is_refused(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False

for file in {files!r}:
    assert is_refused(lambda: open(file, "rb").read(1)), file
assert is_refused(os.fork), "a process was started"
assert is_refused(lambda: os.execv("/bin/sh", ["sh"])), "a program was started"
assert is_refused(lambda: socket.socket()), "a socket was opened"
assert is_refused(lambda: os.kill(os.getppid() or 1, 0)), "another process was signalled"
assert is_refused(lambda: open("/written", "w")), "a file was written"
assert not set(os.environ) - set(("HOME", "TMPDIR", "LANG")), "the environment was seen"
"""

_NODE_PROBE = (
    """
const refused = (attempt) => { try { attempt(); return false; } catch { return true; } };
exports.look = () => [
  refused(() => require('fs').readFileSync('/etc/passwd')),
  refused(() => require('fs').readFileSync('/proc/1/environ')),
  refused(() => require('fs').writeFileSync('/written', 'x')),
  Boolean(require('child_process').spawnSync('/bin/sh', ['-c', 'id']).error),
  refused(() => process.kill(process.ppid || 1, 0)),
  Object.keys(process.env).every((name) => ['HOME', 'TMPDIR', 'LANG'].includes(name)),
];
""",
    "assert.deepStrictEqual(require('./solution').look(), [true, true, true, true, true, true]);",
)
