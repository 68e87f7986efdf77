"""The process that builds a room once and forks a child in it for each run.

    python -sSPB -c START FOLDER LEVEL       requests on stdin, answers on stdout

A message is four bytes of length (big endian) and JSON. The first answer says what holds, or why the room
could not be built. A request is {"solution", "tests", "limits"}; its answer is the fields of an Outcome.
The end of stdin ends everything. Standard library only: this process runs without site-packages.
"""

import gc
import importlib
import json
import os
import secrets
import select
import signal
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from synth_stack.sandbox import confine, filters, program
from synth_stack.sandbox.levels import NAMESPACES

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


@dataclass(slots=True)
class _Run:
    """One child: its files on this side, and what has been read from them."""

    pid: int
    pidfd: int
    deadline: float
    output_bytes: int
    token: bytes
    pipes: dict[int, bytearray]
    unsent: bytes
    tests: int
    stopped: str | None = field(default=None)


def main() -> None:
    """Build the room named on the command line and serve until stdin ends."""
    _, folder, level = sys.argv
    sys.path.remove(folder)
    sys.argv = [""]
    full = level == NAMESPACES
    try:
        for name in _LOADED:
            importlib.import_module(name)
        libraries = confine.list_libraries()
        if full:
            confine.enter_namespaces()
            confine.build_root(libraries)
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
    while (request := _receive()) is not None:
        _send(_serve(request, libraries, full=full))


def _serve(request: dict[str, Any], libraries: list[str], *, full: bool) -> dict[str, Any]:
    limits = request["limits"]
    started = time.monotonic()
    if full:
        confine.mount_scratch(int(limits["file_mb"]))
    try:
        run = _start(request, libraries, started + limits["wall_s"], full=full)
        _watch(run)
        _, status, used = os.wait4(run.pid, 0)
        _drain(run)
    finally:
        if full:
            confine.unmount_scratch()
    answer, out, err = (bytes(content) for content in run.pipes.values())
    if run.stopped is None and not answer:
        return {"error": f"a child could not be confined: {err.decode('utf-8', 'replace')[-_ANSWER_BYTES:]}"}
    verdict = _judge(run, answer[len(_CONFINED) :], status, used.ru_utime + used.ru_stime, limits)
    seconds = time.monotonic() - started
    shown = {"stdout": out.decode("utf-8", "replace"), "stderr": err.decode("utf-8", "replace")}
    return {**verdict, **shown, "seconds": round(seconds, 6)}


def _start(request: dict[str, Any], libraries: list[str], deadline: float, *, full: bool) -> _Run:
    tests, fetch = os.pipe()[::-1]
    ends = [os.pipe() for _ in range(3)]  # answer, stdout, stderr
    pid = os.fork()
    if pid == 0:
        try:  # nothing may return from here
            _become_child(request["limits"], fetch, [end for _, end in ends], libraries, full=full)
            solution = request.pop("solution")
            request.clear()  # the tests are in it, and the frames of this process can be read by the solution
            os.write(4, _CONFINED)
            program.perform(solution, 3, 4)
        except OSError as exc:
            os.write(ends[2][1], str(exc).encode())
        finally:
            os._exit(70)
    token = secrets.token_bytes(program.TOKEN_BYTES)  # made here, so that the child does not have it
    for file in (fetch, *(end for _, end in ends)):
        os.close(file)
    for file in (tests, *(start for start, _ in ends)):
        os.set_blocking(file, False)
    return _Run(
        pid=pid,
        pidfd=os.pidfd_open(pid),
        deadline=deadline,
        output_bytes=int(request["limits"]["output_bytes"]),
        token=token,
        pipes={start: bytearray() for start, _ in ends},
        unsent=token + request["tests"].encode("utf-8", "surrogatepass"),
        tests=tests,
    )


def _become_child(
    limits: Mapping[str, float], fetch: int, ends: list[int], libraries: list[str], *, full: bool
) -> None:
    """Put the files in place, and give up everything else."""
    confine.die_with_parent()
    answer, out, err = ends
    nothing = os.open(os.devnull, os.O_RDONLY)
    for file, place in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(file, place)
    high = [os.dup(file) for file in (fetch, answer)]  # all are above 4: the pipes are eight files
    os.dup2(high[0], 3)
    os.dup2(high[1], 4)
    os.closerange(5, 1024)
    os.chdir(confine.SCRATCH if full else "/")
    os.umask(0o077)
    keep = confine.SCRATCH if full else None
    code = filters.assemble_filter(threads=full, writing=full)
    confine.limit_resources(limits, threads=full)
    confine.drop_privileges(change_user=full)
    if filters.find_landlock():
        filters.restrict_files([*libraries, "/dev/urandom"], keep)
    filters.install_filter(code)
    for name in [name for name in sys.modules if name.startswith("synth_stack")]:
        del sys.modules[name]


def _watch(run: _Run) -> None:
    """Pass the tests in and the output out until the child ends, or stop it: time, output, no parent."""
    poll = select.poll()
    poll.register(run.tests, select.POLLOUT)
    poll.register(run.pidfd, select.POLLIN)
    poll.register(0, 0)  # POLLHUP alone
    for file in run.pipes:
        poll.register(file, select.POLLIN)
    while True:
        ready = dict(poll.poll(max(0.0, run.deadline - time.monotonic()) * 1000))
        if not ready:
            run.stopped = "timeout"
        if 0 in ready:
            run.stopped = "orphan"
        if run.tests in ready and not _pass_tests(run, poll):
            run.tests = -1
        for file in run.pipes.keys() & ready.keys():
            if not _take(run, file):
                poll.unregister(file)
        if run.stopped or run.pidfd in ready:
            break
    with suppress(ProcessLookupError):
        os.kill(run.pid, signal.SIGKILL)


def _pass_tests(run: _Run, poll: "select.poll") -> bool:
    """Write some of the tests; False, and the pipe closed, when there is nothing left or no reader."""
    try:
        run.unsent = run.unsent[os.write(run.tests, run.unsent) :]
    except BlockingIOError:
        return True
    except BrokenPipeError:
        run.unsent = b""
    if not run.unsent:
        poll.unregister(run.tests)
        os.close(run.tests)
    return bool(run.unsent)


def _take(run: _Run, file: int) -> bool:
    """Read from one of the child's files; False at its end."""
    try:
        part = os.read(file, _READ_BYTES)
    except BlockingIOError:
        return True
    run.pipes[file] += part
    answer, *outputs = run.pipes
    room = _ANSWER_BYTES - len(run.pipes[answer])
    if room < 0 or sum(len(run.pipes[output]) for output in outputs) > run.output_bytes:
        run.stopped = run.stopped or "output"
    return bool(part)


def _drain(run: _Run) -> None:
    """Read what the child left in its pipes, and close everything."""
    for file in run.pipes:
        while run.stopped is None and _take(run, file):
            pass
        os.close(file)
    os.close(run.pidfd)
    if run.tests >= 0:
        os.close(run.tests)


def _judge(
    run: _Run, answer: bytes, status: int, cpu_s: float, limits: Mapping[str, float]
) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    checks = 0
    if run.stopped == "output":
        said = ("output", f"more than {run.output_bytes} bytes of output")
    elif run.stopped == "timeout":
        said = ("timeout", f"still running after {limits['wall_s']:g} s")
    elif code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu_s >= limits["cpu_s"]):
        said = ("timeout", f"more than {limits['cpu_s']:g} s of CPU time")
    elif code < 0:
        said = ("crashed", f"killed by signal {signal.Signals(-code).name}")
    elif answer.startswith(run.token) and answer[len(run.token) :].isdigit():
        checks = int(answer[len(run.token) :])
        said = (program.PASSED, "") if checks else (program.FAILED, "the tests check nothing")
    else:
        said = _read_failure(answer, code)
    return {"status": said[0], "reason": said[1], "checks": checks}


def _read_failure(answer: bytes, code: int) -> tuple[str, str]:
    status, _, reason = answer.decode("utf-8", "replace").partition("\n")
    if not answer:
        return program.FAILED, f"the process ended before its tests did (exit code {code})"
    if status not in {program.FAILED, program.MEMORY, program.BLOCKED, program.SPACE}:
        return program.FAILED, "something else than the end of the tests wrote the answer"
    return status, reason


def _receive() -> Any:
    head = _read_exactly(4)
    body = _read_exactly(struct.unpack(">I", head)[0]) if head else b""
    return json.loads(body) if body else None


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
