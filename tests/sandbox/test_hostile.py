"""Programs that want out. Each is contained, and the outcome says by what."""

import platform
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from synth_stack.sandbox.room import Limits, Room

SECRET = "planted-secret-9f3a"
PLAIN = "assert 1 < 2"

QUICK = Limits(cpu_s=1, wall_s=2)

ENDLESS = {
    "a loop": ("while True: pass", "timeout"),
    "a loop that ignores warnings": (
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        "timeout",
    ),
    "a sleep": ("import time\ntime.sleep(60)", "timeout"),
    "a fork bomb that ignores refusals": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "timeout",
    ),
    "a regular expression": ("import re\nre.match('(a+)+$', 'a' * 64 + 'b')", "timeout"),
    "standard output": ("while True: print('x' * 1000)", "output"),
    "standard error": ("import sys\nwhile True: sys.stderr.write('x' * 1000)", "output"),
    "a list": ("x = []\nwhile True: x.append(bytearray(1 << 20))", "memory"),
    "one string": ("x = ' ' * 10**10", "memory"),
    "one file": ("with open('x', 'wb') as f:\n    while True: f.write(bytes(1 << 20))", "space"),
    "many files": ("for k in range(10**6): open(str(k), 'wb').write(bytes(1 << 20))", "space"),
    "many names": ("for k in range(10**6): open(str(k), 'wb').close()", "space"),
    "open files": ("x = [open('/dev/null') for _ in range(100)]", "space"),
    "recursion": ("def f(): f()\nf()", "failed"),
    "threads": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
        "failed",
    ),
}

REFUSED = {
    "a fork": "import os\nos.fork()",
    "a child": "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'id'])",
    "a pool": "import multiprocessing\nmultiprocessing.Process(target=print).start()",
    "another program": "import os\nos.execv('/bin/sh', ['sh'])",
    "TCP": "import socket\nsocket.create_connection(('127.0.0.1', {tcp}))",
    "UDP": "import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {udp}))",
    "a socket file": "import socket\nsocket.socket(socket.AF_UNIX).connect({unix!r})",
    "an abstract socket": "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0{abstract}')",
    "a datagram out of a pair": (
        "import socket\nsocket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', '\\0{abstract}')"
    ),
    "killing the parent": "import os\nos.kill(os.getppid() or 1, 9)",
    "killing everything": "import os\nos.kill(-1, 9)",
    "signals by another's file": "import fcntl, os\nfcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, 1)",
    "tracing": (
        "import ctypes\nc = ctypes.CDLL(None, use_errno=True)\n"
        "assert c.ptrace(16, 1, 0, 0) == -1\nraise OSError(ctypes.get_errno(), 'ptrace')"
    ),
    "a namespace": (
        "import ctypes\nc = ctypes.CDLL(None, use_errno=True)\n"
        "assert c.unshare(0x10000000) == -1\nraise OSError(ctypes.get_errno(), 'unshare')"
    ),
    "becoming root": "import os\nos.setuid(0)",
    "writing beside the scratch folder": "open('/written', 'w')",
    "writing to the library": "import os\nopen(os.__file__, 'a')",
    "changing a mode": "import os\nos.chmod(os.__file__, 0o777)",
    "leaving by ..": "import os\nos.symlink('/', 'door')\nos.listdir('door/..')",
}

ESCAPES = {
    "exit in the solution": ("import sys\nsys.exit(0)", PLAIN),
    "exit in the tests": ("", f"{PLAIN}\nimport sys\nsys.exit(0)"),
    "a hard exit": ("import os\nos._exit(0)", PLAIN),
    "a hard exit in a test": ("import os\ndef f(): os._exit(0)", f"{PLAIN}\nf()"),
    "a signal": ("import os\nos.kill(os.getpid(), 9)", PLAIN),
    "an exit handler": ("import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit", PLAIN),
    "a thread left behind": (
        "import os, threading, time\n"
        "def late():\n    time.sleep(0.05)\n    os._exit(0)\n"
        "threading.Thread(target=late).start()",
        "import time\ntime.sleep(0.3)\nassert 1 > 2",
    ),
    "another AssertionError": (
        "import builtins\nbuiltins.AssertionError = type('Quiet', (SystemExit,), {})",
        "assert 1 > 2",
    ),
    "no BaseException": ("import builtins\nbuiltins.BaseException = KeyError", "assert 1 > 2"),
    "other built-ins": (
        "import builtins, os, sys\nbuiltins.exec = builtins.compile = lambda *a, **k: None\n"
        "os._exit = os.write = lambda *a: None\nsys.excepthook = lambda *a: None",
        "assert 1 > 2",
    ),
    "another ast": (
        "import ast\nast.parse = lambda *a: (_ for _ in ()).throw(SystemExit(0))",
        "assert 1 > 2",
    ),
    "a runner found by name": (
        "import sys\nfor m in list(sys.modules.values()):\n"
        "    for name in list(vars(m)):\n        if name in ('perform', '_run_tests'): setattr(m, name, print)",
        "assert 1 > 2",
    ),
    "a word on every file": (
        "import os\nfor fd in range(64):\n    for word in (b'passed', b'passed\\n', b'{\"status\": \"passed\"}'):\n"
        "        try: os.write(fd, word)\n        except OSError: pass\nos._exit(0)",
        PLAIN,
    ),
    "closed files": ("import os\nos.closerange(3, 64)", PLAIN),
}


def test_a_program_without_end_is_stopped_by_what_it_exhausts(room: Room, subtests: pytest.Subtests) -> None:
    for name, (solution, status) in ENDLESS.items():
        with subtests.test(name):
            outcome = room.run(solution, PLAIN, QUICK)
            assert outcome.status == status
            assert outcome.reason
            assert len(outcome.stdout) + len(outcome.stderr) < 300_000
            assert outcome.seconds < 20


def test_the_same_without_end_inside_a_test_is_stopped_too(room: Room) -> None:
    assert room.run("def f():\n    while True: pass", f"{PLAIN}\nf()", QUICK).status == "timeout"


@contextmanager
def listen(family: int, kind: int, address: tuple[str, int] | str) -> Iterator[socket.socket]:
    with socket.socket(family, kind) as server:
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.settimeout(0.01)
        yield server


@pytest.mark.parametrize("attack", REFUSED, ids=str)
def test_what_reaches_out_is_refused(any_room: Room, attack: str, tmp_path: Path) -> None:
    local = ("127.0.0.1", 0)
    # names of abstract sockets are the machine's, and folders of two test processes may be called alike
    name, file = f"synth-stack-{uuid4().hex}", str(tmp_path / "socket")
    with (
        listen(socket.AF_INET, socket.SOCK_STREAM, local) as tcp,
        listen(socket.AF_INET, socket.SOCK_DGRAM, local) as udp,
        listen(socket.AF_UNIX, socket.SOCK_STREAM, file),
        listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + name) as abstract,
    ):
        ports = {"tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1]}
        outcome = any_room.run(REFUSED[attack].format(**ports, unix=file, abstract=name), PLAIN)
        assert outcome.status == "blocked", outcome
        with pytest.raises(TimeoutError):
            abstract.accept()


@pytest.mark.parametrize(
    "read",
    [
        "print(open({secret!r}).read())",
        "import os\nprint(os.listdir({folder!r}))",
        "import os\nos.symlink({secret!r}, 'link')\nprint(open('link').read())",
        "import os\nprint(open('../' * 20 + {secret!r}).read())",
        "import os\nprint(os.open({folder!r}, os.O_PATH), open('/proc/self/fd/0/..' + {secret!r}).read())",
        "import os\nfor fd in range(3, 64):\n    try: os.set_blocking(fd, False); print(os.read(fd, 4096))\n    except OSError: pass\nraise OSError",
        "print(open('/proc/self/environ').read())",
        "print(open('/proc/1/environ').read())",
        "import os\nassert 'PLANTED' not in os.environ\nraise OSError",
        "print(open('/etc/shadow').read())",
        "print(open('/etc/passwd').read())",
        "import os\nprint(os.listdir(os.path.expanduser('~root')))",
    ],
)
def test_nothing_of_the_machine_is_read(
    any_room: Room, read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", SECRET)
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "id_rsa").write_text(SECRET)
    outcome = any_room.run(read.format(secret=str(folder / "id_rsa"), folder=str(folder)), PLAIN)

    assert outcome.status in {"failed", "blocked"}
    assert SECRET not in outcome.stdout + outcome.stderr + outcome.reason
    assert "root:" not in outcome.stdout


@pytest.mark.parametrize("folder", [Path(__file__).parents[2], Path.home()], ids=["project", "home"])
def test_the_project_and_the_home_are_not_there(any_room: Room, folder: Path) -> None:
    solution = f"import os\nfor name in os.listdir({str(folder)!r}): print(name)"
    outcome = any_room.run(solution, PLAIN)

    assert outcome.status in {"failed", "blocked"}
    assert outcome.stdout == ""


@pytest.mark.parametrize("escape", ESCAPES, ids=str)
def test_nothing_but_the_end_of_the_tests_counts_as_a_pass(any_room: Room, escape: str) -> None:
    outcome = any_room.run(*ESCAPES[escape])

    assert outcome.status not in {"passed", "timeout"}, outcome
    assert outcome.reason


def test_the_tests_are_nowhere_in_the_process_while_the_solution_loads(any_room: Room) -> None:
    solution = """
import gc, sys
frame, seen = sys._getframe(), []
while frame is not None:
    seen += [repr(value) for value in frame.f_locals.values()]
    frame = frame.f_back
seen += [repr(value) for value in gc.get_objects() if type(value) in (dict, list, tuple)]
print(any("".join(["zq", "7x"]) in text for text in seen), len(seen) > 10)
"""
    outcome = any_room.run(solution, "zq7x = 1\nassert zq7x == 1", Limits(memory_mb=1024))

    assert (outcome.status, outcome.stdout) == ("passed", "False True\n")


def test_an_exception_that_cannot_be_shown_still_fails(room: Room) -> None:
    solution = "class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd"

    assert room.run(solution, PLAIN).reason == "Odd"


def test_a_crash_of_the_interpreter_is_named(room: Room) -> None:
    outcome = room.run("import ctypes\nctypes.string_at(0)", PLAIN)

    assert (outcome.status, outcome.reason) == ("crashed", "killed by signal SIGSEGV")
    assert room.run("", PLAIN).status == "passed"


def test_a_room_without_a_scratch_folder_lets_nothing_be_written_or_started(any_room: Room) -> None:
    attempts: list[Callable[[], str]] = [
        lambda: any_room.run("open('kept', 'w').write('x')", PLAIN).status,
        lambda: any_room.run("import threading\nthreading.Thread(target=print).start()", PLAIN).status,
    ]
    for attempt, allowed in zip(
        attempts, [any_room.facts["scratch"], any_room.facts["threads"]], strict=True
    ):
        assert (attempt() == "passed") == allowed


def test_nothing_of_an_earlier_run_is_in_the_memory_of_a_later_one(any_room: Room) -> None:
    scan = """
import ctypes, hashlib, os
libc = ctypes.CDLL(None, use_errno=True)
libc.sbrk.restype = ctypes.c_void_p
reading, writing = os.pipe()
os.set_blocking(reading, False)

def holds(data, digest):
    at = data.find(b"zq-")
    while at >= 0:
        if hashlib.sha256(data[at : at + 12]).hexdigest() == digest:
            return True
        at = data.find(b"zq-", at + 1)
    return False

def is_found(digest):
    page, top, near = 4096, libc.sbrk(0), id(object()) & ~0xFFF
    for start in (top - (48 << 20), near - (24 << 20)):
        for k in range(12288):
            if libc.write(writing, ctypes.c_void_p(start + k * page), page) == page:
                if holds(os.read(reading, page), digest):
                    return True
    return False

own = "zq-mine-5521" * 100
print(is_found("bbf71fc7289fbd75b7bd9fe681370cd8220573b8858cfde09e48e2cb5de20020"), is_found("093e6b61f1c99d25e128e76fe8dea12efcd18521043ba00517f9f89a7423bceb"))
"""
    secret = "zq-left-7731"  # the scan knows its digest alone, and so does not find itself
    room_for_it = Limits(cpu_s=10, wall_s=30, memory_mb=512)
    any_room.run(f"kept = {secret!r} * 1000", f"assert {secret!r} in kept", room_for_it)
    outcome = any_room.run(scan, PLAIN, room_for_it)

    assert (outcome.status, outcome.stdout) == ("passed", "True False\n")


SYSTEM_CALLS = {
    "x86_64": {
        "vfork": (58,),
        "clone": (56, 17, 0),
        "clone a user namespace": (56, 0x10010000, 0),
        "execveat": (322, -100, b"/bin/sh", 0, 0, 0),
        "ptrace": (101, 16, 1, 0, 0),
        "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
        "pidfd_getfd": (438, 0, 0, 0),
        "tkill": (200, 1, 9),
        "rt_sigqueueinfo": (129, 1, 9, 0),
        "pidfd_send_signal": (424, 0, 9, 0, 0),
        "mount": (165, 0, 0, 0, 0, 0),
        "chroot": (161, b"/"),
        "pivot_root": (155, b".", b"."),
        "setns": (308, 0, 0),
        "keyctl": (250, 0),
        "bpf": (321, 0, 0, 0),
        "userfaultfd": (323, 0),
        "io_uring_setup": (425, 1, 0),
        "perf_event_open": (298, 0, 0, 0, 0, 0),
        "memfd_create": (319, b"x", 0),
        "socket": (41, 2, 1, 0),
        "vsock": (41, 40, 1, 0),
        "netlink": (41, 16, 3, 0),
        "connect": (42, 3, 0, 0),
        "mknod": (133, b"node", 0o20666, 259),
        "inotify_init": (253,),
        "fanotify_init": (300, 0, 0),
        "setuid": (105, 0),
        "setpriority": (141, 0, 0, -20),
        "sched_setaffinity": (203, 0, 8, 0),
        "ioprio_set": (251, 1, 0, 0),
        "acct": (163, 0),
        "swapon": (167, 0, 0),
        "reboot": (169, 0, 0, 0),
        "syslog": (103, 3, 0, 0),
        "quotactl": (179, 0, 0, 0, 0),
        "personality": (135, 0),
        "open_by_handle_at": (304, -100, 0, 0),
        "init_module": (175, 0, 0, 0),
    },
}


@pytest.mark.skipif(platform.machine() not in SYSTEM_CALLS, reason="the numbers are those of another machine")
def test_system_calls_that_no_program_needs_are_refused(any_room: Room, subtests: pytest.Subtests) -> None:
    calls = SYSTEM_CALLS[platform.machine()]
    solution = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nallowed = []\n"
        f"for name, call in {calls!r}.items():\n"
        "    ctypes.set_errno(0)\n"
        "    if libc.syscall(*call) != -1 or ctypes.get_errno() not in (1, 38): allowed.append((name, ctypes.get_errno()))\n"
        "print(allowed)"
    )
    outcome = any_room.run(solution, PLAIN)

    assert (outcome.status, outcome.stdout) == ("passed", "[]\n")


@pytest.mark.parametrize(
    ("hoard", "status"),
    [
        (
            "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 24))",
            {"memory", "failed", "blocked"},
        ),
        ("import os\nx = []\nwhile True: x.append(os.pipe())", {"space"}),
        ("import socket\nx = []\nwhile True: x.append(socket.socketpair())", {"space"}),
        (
            "import os\nos.close(1)\nos.close(2)\nos.closerange(3, 64)\nimport time\ntime.sleep(60)",
            {"failed", "timeout"},
        ),
        ("import os\nos.write(1, b'x' * 65536)\nimport time\ntime.sleep(60)", {"timeout", "output"}),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", {"timeout", "blocked"}),
        (
            "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()",
            {"crashed", "memory", "failed", "timeout"},
        ),
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", {"failed", "blocked"}),
        ("raise ValueError('\\ud800\\x1b[31mred')", {"failed"}),
        ("raise ValueError('x' * 10**7)", {"failed"}),
    ],
)
def test_what_hoards_or_hides_ends_too(any_room: Room, hoard: str, status: set[str]) -> None:
    outcome = any_room.run(hoard, PLAIN, Limits(cpu_s=1, wall_s=2))

    assert outcome.status in status, outcome
    assert len(outcome.reason) < 1000
