"""The process that builds a room once and forks a child in it for each run.

    python -sSPB -c START FOLDER LEVEL RUNTIME       requests on stdin, answers on stdout

A message starts with four bytes of length (big endian). The first answer says what holds, or why the room
could not be built. A request is three messages: limits (JSON), the solution, and the tests (their first byte
says how to run them); its answer is JSON, the fields of an Outcome. The end of stdin ends everything.
Standard library only: this process runs without site-packages.
"""

import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from synth_stack.sandbox import confine, filters, program
from synth_stack.sandbox.levels import NAMESPACES
from synth_stack.sandbox.line import LostError
from synth_stack.sandbox.node import DYING_SIGNALS, OUT_OF_MEMORY, Node, read_node
from synth_stack.sandbox.runtimes import read_runtime

_LOADED = """abc array ast asyncio base64 binascii bisect bz2 calendar cmath collections.abc colorsys
concurrent.futures contextlib copy csv dataclasses datetime decimal difflib enum fractions functools
hashlib heapq hmac html io itertools json keyword locale logging lzma math numbers operator os pathlib
pickle pprint queue random re select selectors secrets shutil signal socket statistics string struct
subprocess tempfile textwrap threading time timeit traceback types typing unicodedata unittest uuid
warnings weakref xml.etree.ElementTree zlib zoneinfo""".split()
"""Imported once instead of in every run; and compiled modules find no shared libraries inside the room."""
_ENVIRONMENT = {"HOME": confine.SCRATCH, "TMPDIR": confine.SCRATCH, "LANG": "C.UTF-8"}
_READ_BYTES = 1 << 16
_ANSWER_BYTES = 4096
_CONFINED = b"!"
"""A child's first word. Nothing untrusted has run before it, so a child that never says it is our failure."""
_ENDED, _UNDONE = 9, 70
"""Exit codes: there is no further request; a child did not do its task."""
_HIGH = 40
_LAST_S = 0.5
"""How long a solution that has left the line may take to end by itself, so that the reason can be named."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What a run is given: the folders that it sees, scratch and threads where `full`, and node."""

    libraries: list[str]
    full: bool
    node: Node | None


@dataclass(slots=True)
class _Child:
    """One child and how it ended: its exit code as `subprocess` has it, None where it was ended here."""

    pid: int
    pidfd: int
    code: int | None = None
    cpu_s: float = 0.0


@dataclass(slots=True)
class _Run:
    """The two children of a run, the files that they read, those that they write, and what came of these."""

    solution: _Child
    tests: _Child
    deadline: float
    limits: Mapping[str, float]
    unsent: dict[int, memoryview]
    pipes: dict[int, bytearray]
    stopped: str | None = field(default=None)


def main() -> None:
    """Build the room named on the command line and serve until stdin ends."""
    _, folder, level, told = sys.argv
    sys.path.remove(folder)
    sys.argv = [""]
    full = level == NAMESPACES
    try:
        node = read_node(read_runtime(told))
        for name in _LOADED:
            importlib.import_module(name)
        libraries = confine.list_libraries()
        if full:
            confine.enter_namespaces()
            confine.build_root(libraries, node.files if node else ())
        filters.assemble_filter(threads=full, writing=full)
    except (OSError, KeyError) as exc:
        _send({"error": str(exc)})
        return
    os.environ.clear()
    os.environ.update(_ENVIRONMENT)
    os.chdir("/")
    gc.collect()
    gc.freeze()  # a collection in a child then copies none of these pages
    _send({"level": level, "landlock": filters.find_landlock(), "scratch": full, "threads": full})
    place = _Place(libraries, full, node)
    while _attend(place):
        pass


def _attend(place: _Place) -> bool:
    """Let a process of its own read one request and answer it; False when there will be no more.

    So this process, of which every run is a copy, has never held a solution or a test.
    """
    pid = os.fork()
    if pid == 0:
        code = _ENDED
        try:
            confine.die_with_parent()
            if (head := _receive()) is not None:
                _send(_serve(json.loads(head), place))
                code = 0
        except BaseException as exc:  # noqa: BLE001  (nothing may return from here)
            with suppress(OSError):
                _send({"error": f"{type(exc).__name__}: {exc}"})
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _serve(limits: dict[str, Any], place: _Place) -> dict[str, Any]:
    started = time.monotonic()
    full = place.full
    if full:
        confine.mount_scratch(int(limits["file_mb"]))
    try:
        run = _start(limits, place, started + limits["wall_s"])
        _watch(run)
        _drain(run)
    finally:
        if full:
            confine.unmount_scratch()
    words, answer, out, err = (bytes(content) for content in run.pipes.values())
    if run.stopped is None and len(words) < len(_CONFINED) * 2:
        return {"error": f"a child could not be confined: {err.decode('utf-8', 'replace')[-_ANSWER_BYTES:]}"}
    seconds = time.monotonic() - started
    shown = {"stdout": out.decode("utf-8", "replace"), "stderr": err.decode("utf-8", "replace")}
    return {**_judge(run, answer, shown["stderr"]), **shown, "seconds": round(seconds, 6)}


def _start(limits: dict[str, Any], place: _Place, deadline: float) -> _Run:
    """Both children, started before more of the request is read than its limits, and then their sources."""
    here, there = socket.socketpair()
    sources = [os.pipe() for _ in range(2)]
    ends = [os.pipe() for _ in range(4)]  # words, answer, stdout, stderr
    words, answer, out, err = (end for _, end in ends)
    files = {
        "hold_solution": [there.fileno(), sources[0][0], words, out, err],
        "run_tests": [here.fileno(), sources[1][0], words, out, err, answer],
    }
    children = [_fork(name, taken, limits, place) for name, taken in files.items()]
    here.close()
    there.close()
    for file in (*(start for start, _ in sources), *(end for _, end in ends)):
        os.close(file)
    for file in (*(end for _, end in sources), *(start for start, _ in ends)):
        os.set_blocking(file, False)
    return _Run(
        solution=children[0],
        tests=children[1],
        deadline=deadline,
        limits=limits,
        unsent={end: memoryview(_receive() or b"") for _, end in sources},
        pipes={start: bytearray() for start, _ in ends},
    )


def _fork(task: str, files: list[int], limits: Mapping[str, float], place: _Place) -> _Child:
    """A confined child with `files` (line, source, words, stdout, stderr, and more) that does `task`."""
    pid = os.fork()
    if pid:
        return _Child(pid, os.pidfd_open(pid))
    try:  # nothing may return from here
        line, source, *more = _become_child(limits, files, place)
        if place.node is not None:
            place.node.become(task, limits)
        if task == "run_tests":
            program.run_tests(line, source, *more)
        else:
            program.hold_solution(line, source)
    except LostError:
        pass
    except OSError as exc:
        os.write(2, str(exc).encode())
    finally:
        os._exit(_UNDONE)


def _become_child(limits: Mapping[str, float], files: list[int], place: _Place) -> list[int]:
    """Put the files in place, give up everything else, say so, and return the others: line, source, more."""
    full, node = place.full, place.node
    confine.die_with_parent()
    line, source, words, out, err, *more = files
    nothing = os.open(os.devnull, os.O_RDONLY)
    high = [
        fcntl.fcntl(file, fcntl.F_DUPFD, _HIGH) for file in (nothing, out, err, line, source, *more, words)
    ]
    for number, file in enumerate(high):
        os.dup2(file, number)
    last = len(high) - 1
    os.closerange(last + 1, 1024)
    os.chdir(confine.SCRATCH if full else "/")
    os.umask(0o077)
    keep = confine.SCRATCH if full else None
    code = filters.assemble_filter(threads=full or node is not None, writing=full, node=node is not None)
    confine.limit_resources(limits, threads=full, own=confine.OWN if node is None else confine.OWN_OF_NODE)
    confine.drop_privileges(change_user=full)
    if filters.find_landlock():
        programs = node.files if node else ()
        filters.restrict_files([*place.libraries, "/dev/urandom"], keep, programs)
    filters.install_filter(code)
    for name in [name for name in sys.modules if name.startswith("synth_stack")]:
        del sys.modules[name]
    os.write(last, _CONFINED)
    os.close(last)
    return list(range(3, last))


def _watch(run: _Run) -> None:
    """Pass the sources in and what is written out until the tests end, or stop: time, output, no owner."""
    poll = select.poll()
    for file in run.unsent:
        poll.register(file, select.POLLOUT)
    poll.register(run.tests.pidfd, select.POLLIN)
    poll.register(0, 0)  # POLLHUP alone
    for file in run.pipes:
        poll.register(file, select.POLLIN)
    while True:
        ready = dict(poll.poll(max(0.0, run.deadline - time.monotonic()) * 1000))
        if not ready:
            run.stopped = "timeout"
        if 0 in ready:
            run.stopped = "orphan"
        for file in run.unsent.keys() & ready.keys():
            _pass_source(run, file, poll)
        for file in run.pipes.keys() & ready.keys():
            if not _take(run, file):
                poll.unregister(file)
        if run.stopped or run.tests.pidfd in ready:
            break
    _end(run.tests, wait_s=0.0)
    answer = bytes(list(run.pipes.values())[1]) or _peek(run, 1)
    _end(run.solution, wait_s=_LAST_S if run.stopped is None and _says_lost(answer) else 0.0)


def _end(child: _Child, *, wait_s: float) -> None:
    """Wait for a child that may be ending by itself, or end it."""
    poll = select.poll()
    poll.register(child.pidfd, select.POLLIN)
    ended = bool(poll.poll(wait_s * 1000))
    if not ended:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
    _, status, used = os.wait4(child.pid, 0)
    os.close(child.pidfd)
    child.cpu_s = used.ru_utime + used.ru_stime
    child.code = os.waitstatus_to_exitcode(status) if ended else None


def _peek(run: _Run, place: int) -> bytes:
    file = list(run.pipes)[place]
    _take(run, file)
    return bytes(run.pipes[file])


def _says_lost(answer: bytes) -> bool:
    return _read_answer(answer)[0] == program.LOST


def _pass_source(run: _Run, file: int, poll: "select.poll") -> None:
    """Write some of a source; the pipe is closed when there is nothing left or no reader."""
    left = run.unsent[file]
    try:
        left = left[os.write(file, left) :] if left else left
    except BlockingIOError:
        return
    except BrokenPipeError:
        left = left[len(left) :]
    run.unsent[file] = left
    if not left:
        poll.unregister(file)
        os.close(file)
        del run.unsent[file]


def _take(run: _Run, file: int) -> bool:
    """Read from one of the children's files; False at its end."""
    try:
        part = os.read(file, _READ_BYTES)
    except BlockingIOError:
        return True
    run.pipes[file] += part
    words, answer, *outputs = run.pipes
    said = max(len(run.pipes[words]), len(run.pipes[answer])) > _ANSWER_BYTES
    if said or sum(len(run.pipes[output]) for output in outputs) > run.limits["output_bytes"]:
        run.stopped = run.stopped or "output"
    return bool(part)


def _drain(run: _Run) -> None:
    """Read what the children left in their pipes, and close everything."""
    for file in run.pipes:
        while run.stopped is None and _take(run, file):
            pass
        os.close(file)
    for file in run.unsent:
        os.close(file)


def _judge(run: _Run, answer: bytes, stderr: str) -> dict[str, Any]:
    status, reason, checks, refuted = _read_answer(answer)
    if run.stopped == "output":
        status, reason = "output", f"more than {run.limits['output_bytes']:g} bytes of output"
    elif run.stopped == "timeout":
        status, reason = "timeout", f"still running after {run.limits['wall_s']:g} s"
    elif status == "":
        status, reason = _explain_end(run.tests, run.limits, stderr)
    elif status == program.LOST:
        status, reason = _explain_end(run.solution, run.limits, stderr, lost=reason)
    elif status == program.PASSED and not checks:
        status, reason = program.FAILED, "the tests check nothing"
    passed = status == program.PASSED
    return {"status": status, "reason": reason, "checks": checks if passed else 0, "refuted": refuted}


def _explain_end(child: _Child, limits: Mapping[str, float], stderr: str, lost: str = "") -> tuple[str, str]:
    """A status and a reason for a child that ended without an answer; `lost` is how the other noticed."""
    code = child.code
    if code is None or code == _UNDONE:
        return program.FAILED, f"the solution's process was lost before the tests were at their end: {lost}"
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and child.cpu_s >= limits["cpu_s"]):
        return "timeout", f"more than {limits['cpu_s']:g} s of CPU time"
    if code < 0 and -code in DYING_SIGNALS and any(words in stderr for words in OUT_OF_MEMORY):
        return program.MEMORY, f"the process had no memory left (killed by {signal.Signals(-code).name})"
    if code < 0:
        return "crashed", f"killed by signal {signal.Signals(-code).name}"
    return program.FAILED, f"the process ended before its tests did (exit code {code})"


def _read_answer(answer: bytes) -> tuple[str, str, int, bool]:
    """What the tests' process wrote; an empty status where it wrote nothing that can be read."""
    try:
        status, reason, checks, refuted = json.loads(answer)
    except (ValueError, TypeError, RecursionError):
        return "", "", 0, False
    if status not in program.STATUSES or type(checks) is not int:
        return "", "", 0, False
    return status, str(reason), checks, refuted is True


def _receive() -> bytes | None:
    """The next message of the owner, None at the end of them."""
    head = _read_exactly(4)
    return _read_exactly(struct.unpack(">I", head)[0]) if head else None


def _read_exactly(size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            return b""
        data += part
    return data


def _send(message: Mapping[str, Any]) -> None:
    body = json.dumps(message).encode()
    data = struct.pack(">I", len(body)) + body
    while data:
        data = data[os.write(1, data) :]
