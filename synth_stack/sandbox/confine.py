"""The room: namespaces of its own, a root that holds the interpreter's library alone, limits on one process.

`enter_namespaces` and `build_root` run once, in the process that then forks a child for each run; what a
child gives up is in `drop_privileges` and `limit_resources`. See namespaces(7), user_namespaces(7),
pivot_root(2) and setrlimit(2).
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from synth_stack.sandbox.filters import check_call
from synth_stack.sandbox.syscalls import OTHER, number_calls

SCRATCH = "/scratch"
NOBODY = 65534
"""The user that a child becomes where root builds the room: root's processes are not counted
(RLIMIT_NPROC), and whatever breaks out should not be root outside."""

_libc = ctypes.CDLL(None, use_errno=True)

_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_NAMESPACES = _NEWUSER | _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS | _NEWCGROUP
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_KEPT_FLAGS = {1: 1, 2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
"""Flags of statvfs(3) as flags of mount(2): a remount in a user namespace may drop none of them."""
_DETACH = 2
_SCRATCH_FILES = 1024
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_SIGKILL = 9
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION = 0x20080522


@dataclass(frozen=True, slots=True)
class Own:
    """What a runtime needs for itself: the limit that bounds its memory and MiB, threads and open files."""

    memory: int = resource.RLIMIT_AS
    memory_mb: int = 0
    threads: int = 2
    files: int = 3


OWN = Own()
"""Of Python: the line, the source and the answer are open. Where one user is mapped, the room's two processes
are counted with the threads."""
OWN_OF_NODE = Own(memory=resource.RLIMIT_DATA, memory_mb=192, threads=24, files=29)
"""V8 reserves gigabytes of addresses that it never touches, so what may be written is bounded (RLIMIT_DATA
counts nothing else); two processes of node are counted together, and have eleven threads each."""


def enter_namespaces() -> None:
    """Go on as process 1 of new user, mount, pid, network, ipc, uts and cgroup namespaces.

    The calling process waits and ends with the same status; only its child returns.
    Raises OSError where the machine does not allow it.
    """
    _unshare_mapped()
    child = os.fork()
    if child:
        os.closerange(0, 3)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    die_with_parent()
    os.setsid()


def die_with_parent() -> None:
    """Be killed by the kernel when the process that forked this one ends."""
    check_call(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "parent death signal")


def build_root(libraries: list[str], files: Sequence[str] = ()) -> None:
    """Change to a root that holds `libraries` and `files` (read-only, at their paths), /dev/null,
    /dev/urandom and an empty scratch folder. Packages that are installed inside a library are covered up.
    """
    base = Path("/tmp")  # noqa: S108  (every Linux has it, and nothing of it is used)
    sources = {file: os.path.realpath(file) for file in files}  # an absolute link would lead nowhere below
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("tmpfs", str(base), "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    os.chdir(base)
    Path(".old").mkdir()
    pivot_root = number_calls(OTHER, platform.machine())["pivot_root"]
    check_call(_libc.syscall(pivot_root, b".", b".old"), "pivot_root")
    os.chdir("/")
    for library in libraries:
        Path(library).mkdir(mode=0o755, parents=True, exist_ok=True)
        _bind("/.old" + library, library)
        for packages in (Path(library, "site-packages"), Path(library, "dist-packages")):
            if packages.is_dir():
                _mount("tmpfs", str(packages), "tmpfs", _RDONLY | _NOSUID | _NODEV, "size=4k")
    for file, source in sources.items():
        Path(file).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        Path(file).touch()
        _bind("/.old" + source, file)
    Path("/dev").mkdir(exist_ok=True)
    for device in ("/dev/null", "/dev/urandom"):
        Path(device).touch()
        _mount("/.old" + device, device, None, _BIND)
    Path(SCRATCH).mkdir()
    with suppress(FileExistsError):  # a library lies beneath it
        base.symlink_to(SCRATCH)
    check_call(_libc.umount2(b"/.old", _DETACH), "umount of the old root")
    Path("/.old").rmdir()
    _mount("none", "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)


def mount_scratch(size_mb: int) -> None:
    """An empty scratch folder in memory, of `size_mb` MiB and 1,024 files at most."""
    options = f"size={size_mb}m,nr_inodes={_SCRATCH_FILES},mode=1777"
    _mount("tmpfs", SCRATCH, "tmpfs", _NOSUID | _NODEV | _NOEXEC, options)


def unmount_scratch() -> None:
    """Forget the scratch folder and everything in it."""
    check_call(_libc.umount2(SCRATCH.encode(), _DETACH), "umount of the scratch folder")


def limit_resources(limits: Mapping[str, float], *, threads: bool, own: Own = OWN) -> None:
    """Set what this process may use, for good (setrlimit(2); the soft limit of CPU time warns a second
    before the hard one kills). `own` is what the runtime needs beside what the limits say.
    """
    mb, cpu_s = 1024 * 1024, int(limits["cpu_s"])
    bounds = {
        resource.RLIMIT_CPU: (cpu_s, cpu_s + 1),
        own.memory: _both((int(limits["memory_mb"]) + own.memory_mb) * mb),
        resource.RLIMIT_FSIZE: _both(int(limits["file_mb"]) * mb),
        resource.RLIMIT_NOFILE: _both(int(limits["files"]) + own.files),
        resource.RLIMIT_CORE: _both(0),
        resource.RLIMIT_MEMLOCK: _both(0),
        resource.RLIMIT_MSGQUEUE: _both(0),
    }
    if threads:
        bounds[resource.RLIMIT_NPROC] = _both(int(limits["threads"]) + own.threads)
    for limit, bound in bounds.items():
        _, most = resource.getrlimit(limit)
        soft, hard = bound if most == resource.RLIM_INFINITY else (min(bound[0], most), min(bound[1], most))
        resource.setrlimit(limit, (soft, hard))


def drop_privileges(*, change_user: bool) -> None:
    """Give up every capability for good; `change_user`: become nobody where the room has such a user."""
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL after the last one that the kernel knows
    if change_user and os.geteuid() == 0:
        with suppress(PermissionError):  # refused where setgroups is denied: then there is one user and group
            os.setgroups([])
        with suppress(OSError):  # EINVAL where only one user is mapped
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    head = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    check_call(_libc.capset(head, bytes(24)), "capset")
    check_call(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def list_libraries() -> list[str]:
    """The folders of the running interpreter's standard library."""
    return [path for path in sys.path if Path(path).is_dir()]


def _both(bound: int) -> tuple[int, int]:
    return bound, bound


def _unshare_mapped() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and _unshare_as_root():
        return
    if uid != 0:
        check_call(_libc.unshare(_NAMESPACES), "new namespaces")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _unshare_as_root() -> bool:
    """New namespaces with two users, root and nobody; False where only one can be mapped.

    Only a process that stayed outside may map more than one.
    """
    outside, parent = os.pipe(), os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(outside[1])
        done = 1
        if os.read(outside[0], 1):
            with suppress(OSError):
                for name in ("uid_map", "gid_map"):
                    Path(f"/proc/{parent}/{name}").write_text(f"0 0 1\n{NOBODY} {NOBODY} 1")
                done = 0
        os._exit(done)
    os.close(outside[0])
    try:
        check_call(_libc.unshare(_NAMESPACES), "new namespaces")
        os.write(outside[1], b"1")
    finally:
        os.close(outside[1])
        _, status = os.waitpid(helper, 0)
    return status == 0


def _bind(source: str, target: str) -> None:
    _mount(source, target, None, _BIND)
    seen = os.statvfs(target).f_flag
    kept = sum(flag for bit, flag in _KEPT_FLAGS.items() if seen & bit)
    _mount("none", target, None, _REMOUNT | _BIND | kept | _RDONLY | _NOSUID | _NODEV)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [source.encode(), target.encode(), kind and kind.encode(), flags, options and options.encode()]
    check_call(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[4]), f"mount {target}")
