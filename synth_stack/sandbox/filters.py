"""What the kernel refuses to a process for the rest of its life: files by Landlock, system calls by seccomp.

Both can only be tightened, need no privilege once no_new_privs is set, and are inherited by threads. See
Documentation/userspace-api/landlock.rst and seccomp_filter.rst of the kernel.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from synth_stack.sandbox.syscalls import MACHINES, NODE, OTHER, USING, WRITING, number_calls

_libc = ctypes.CDLL(None, use_errno=True)

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every machine
_LANDLOCK_VERSION = 1
_LANDLOCK_PATH = 1
_FS_EXECUTE = 1 << 0
_FS_READ = 1 << 2 | 1 << 3  # READ_FILE, READ_DIR
_FS_WRITE = 1 << 1  # WRITE_FILE
_FS_OF_FILE = 1 << 0 | 1 << 1 | 1 << 2  # the others are rights on folders, and refused for a file
_FS_KEEP = _FS_READ | _FS_WRITE | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 14
"""All that a scratch folder needs: also REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_SYM, TRUNCATE."""
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights each version knows; 16 from version 5 on
_NET_ALL, _SCOPE_ALL = 0b11, 0b11  # bind and connect (version 4); abstract sockets and signals (version 6)

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_ALU|AND|K, BPF_RET
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE_THREAD, _CLONE_NEW = 0x00010000, 0x7E020080  # every CLONE_NEW* flag
_TERMINAL_QUERIES = (0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451)
"""ioctl: TCGETS, TIOCGWINSZ, FIONBIO, FIONREAD, FIONCLEX, FIOCLEX. Not TIOCSTI, which types on a terminal."""
_FILE_CONTROLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032)
"""fcntl: copies, flags, locks, pipe sizes. Not F_SETOWN and F_SETSIG, which send signals to others."""
_NAMES = (15, 16, 0x53564D41)
"""prctl: PR_SET_NAME, PR_GET_NAME and PR_SET_VMA, which name a thread and its memory."""
_AF_UNIX = 1

Instruction = bytes
Test = tuple[int, int, Sequence[int]]
"""Argument word (2 a: low half of argument a, 2 a + 1: high half), mask, allowed values."""


def find_landlock() -> int:
    """The kernel's Landlock version, 0 where it has none."""
    return max(0, int(_libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)))


def restrict_files(read: Iterable[str], keep: str | None, execute: Iterable[str] = ()) -> None:
    """Refuse every file but those under `read`, read-only, the folder `keep`, in which all goes, and the
    files `execute`, which are programs.

    /dev/null may be written where it exists. Raises OSError where the kernel has no Landlock.
    """
    version = find_landlock()
    handled = (1 << _FS_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("=Q", handled)
    if version >= 4:
        attributes += struct.pack("=Q", _NET_ALL)
    if version >= 6:
        attributes += struct.pack("=Q", _SCOPE_ALL)
    rules = check_call(_libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0), "Landlock")
    allowed = [(path, _FS_READ) for path in read] + [("/dev/null", _FS_READ | _FS_WRITE)]
    allowed += [(path, _FS_READ | _FS_EXECUTE) for path in execute]
    if keep is not None:
        allowed.append((keep, _FS_KEEP))
    for path, rights in allowed:
        if Path(path).exists():
            _allow_beneath(rules, path, rights & handled)
    check_call(_libc.syscall(_LANDLOCK_RESTRICT, rules, 0), "Landlock")
    os.close(rules)


def assemble_filter(*, threads: bool, writing: bool, node: bool = False) -> bytes:
    """The seccomp program of one run: what is not named is refused with EPERM.

    A process may start threads where `threads` says so, but never a process: with that, limits on one
    process are limits on the whole run. `node`: it may become another program, and use what node does;
    which programs there are, the root and Landlock say. Sockets are pairs within the process; signals go to
    itself.

    Raises OSError on a machine whose system calls are not known here.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise OSError(errno.ENOSYS, f"no system call table for {machine}")
    other = number_calls(OTHER, machine)
    self_only: Test = (0, 0xFFFFFFFF, [os.getpid()])
    program = [
        _step(_LOAD, _MACHINE),
        _step(_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    tables = [USING, *([WRITING] if writing else []), *([NODE] if node else [])]
    for number in number_calls(",".join(tables), machine).values():
        program += _answer(number, [_step(_RETURN, _ALLOW)])
    if threads:
        program += _answer(other["clone"], _allow_if([(0, _CLONE_THREAD | _CLONE_NEW, [_CLONE_THREAD])]))
    for name in ("kill", "tgkill"):
        program += _answer(other[name], _allow_if([self_only]))
    program += _answer(other["prlimit64"], _allow_if([(0, 0xFFFFFFFF, [0, os.getpid()])]))
    program += _answer(other["socketpair"], _allow_if([(0, 0xFFFFFFFF, [_AF_UNIX])]))
    program += _answer(other["sendto"], _allow_if([(8, 0xFFFFFFFF, [0]), (9, 0xFFFFFFFF, [0])]))  # no address
    program += _answer(other["ioctl"], _allow_if([(2, 0xFFFFFFFF, _TERMINAL_QUERIES)]))
    program += _answer(other["fcntl"], _allow_if([(2, 0xFFFFFFFF, _FILE_CONTROLS)]))
    if node:
        program += _answer(other["prctl"], _allow_if([(0, 0xFFFFFFFF, _NAMES)]))
    for name in ("clone3", "openat2"):  # the C library then takes the older call, whose arguments can be seen
        program += _answer(other[name], [_step(_RETURN, _REFUSE | errno.ENOSYS)])
    return b"".join([*program, _step(_RETURN, _REFUSE | errno.EPERM)])


def install_filter(program: bytes) -> None:
    """Put a seccomp program on this thread, which has given up new privileges. Raises OSError."""
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    check_call(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head, 0, 0), "seccomp")


def check_call(result: int, what: str) -> int:
    """`result`, which is not negative. Raises OSError with the error of the C library's last call."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _allow_beneath(rules: int, path: str, rights: int) -> None:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights if Path(path).is_dir() else rights & _FS_OF_FILE, file)
    check_call(_libc.syscall(_LANDLOCK_ADD, rules, _LANDLOCK_PATH, rule, 0), "Landlock")
    os.close(file)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> Instruction:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _answer(number: int, steps: Sequence[Instruction]) -> list[Instruction]:
    """`steps`, which all return, for the one call; the program goes on after them for the others."""
    return [_step(_EQUAL, number, 0, len(steps)), *steps]


def _allow_if(tests: Sequence[Test]) -> list[Instruction]:
    """Allow where every test holds, else refuse: each test jumps past its refusal."""
    steps: list[Instruction] = []
    for word, mask, values in tests:
        steps += [_step(_LOAD, _ARGUMENTS + 4 * word), _step(_AND, mask)]
        steps += [_step(_EQUAL, value, len(values) - k, 0) for k, value in enumerate(values)]
        steps.append(_step(_RETURN, _REFUSE | errno.EPERM))
    return [*steps, _step(_RETURN, _ALLOW)]
