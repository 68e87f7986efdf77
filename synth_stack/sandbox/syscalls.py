"""The system calls of a Python program, with their numbers on the machines that the sandbox knows.

Each line is a name, its number on x86_64 and its number on aarch64 ("-": there is no such call). From
asm/unistd_64.h and asm-generic/unistd.h of Linux 6.1; numbers never change.
"""

MACHINES = ("x86_64", "aarch64")

USING = """
read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, lseek 8 62, close 3 57,
close_range 436 436, dup 32 23, dup2 33 -, dup3 292 24, flock 73 32, fsync 74 82,
fdatasync 75 83, open 2 -, openat 257 56, stat 4 -, lstat 6 -, fstat 5 80, newfstatat 262 79,
statx 332 291, access 21 -, faccessat 269 48, faccessat2 439 439, readlink 89 -, readlinkat 267 78,
getdents64 217 61, getcwd 79 17, chdir 80 49, fchdir 81 50, statfs 137 43, fstatfs 138 44, umask 95 166,
sendfile 40 71, copy_file_range 326 285, mmap 9 222, munmap 11 215, mprotect 10 226, mremap 25 216,
madvise 28 233, brk 12 214, msync 26 227, rt_sigaction 13 134, rt_sigprocmask 14 135,
rt_sigreturn 15 139, rt_sigpending 127 136, rt_sigtimedwait 128 137, rt_sigsuspend 130 133,
sigaltstack 131 132, pause 34 -, alarm 37 -, setitimer 38 103, getitimer 36 102, nanosleep 35 101,
clock_nanosleep 230 115, clock_gettime 228 113, clock_getres 229 114, gettimeofday 96 169, time 201 -,
times 100 153, getrusage 98 165, getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174,
geteuid 107 175, getgid 104 176, getegid 108 177, getgroups 115 158, getpgrp 111 -, getpgid 121 155,
getsid 124 156, uname 63 160, sysinfo 99 179, getcpu 309 168, futex 202 98, set_robust_list 273 99,
rseq 334 293, sched_yield 24 124, sched_getaffinity 204 123, membarrier 324 283, restart_syscall 219 128,
exit 60 93, exit_group 231 94, wait4 61 260, waitid 247 95, pipe 22 -, pipe2 293 59, eventfd2 290 19,
epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, poll 7 -, ppoll 271 73,
select 23 -, pselect6 270 72, recvfrom 45 207, shutdown 48 210, getsockname 51 204, getsockopt 55 209,
getrandom 318 278, getrlimit 97 163
"""
"""What every Python program needs of the kernel: its own memory, threads, clocks, signals and open files."""

WRITING = """
truncate 76 45, ftruncate 77 46, mkdir 83 -, mkdirat 258 34, rmdir 84 -, unlink 87 -, unlinkat 263 35,
rename 82 -, renameat 264 38, renameat2 316 276, symlink 88 -, symlinkat 266 36, link 86 -,
linkat 265 37, chmod 90 -, fchmod 91 52, fchmodat 268 53, utimensat 280 88, fallocate 285 47
"""
"""What changes files, for a room with a scratch folder. Landlock has no say over chmod and utimensat."""

NODE = """
execve 59 221, arch_prctl 158 -, set_tid_address 218 96, sched_setaffinity 203 122,
sched_getparam 143 121, sched_getscheduler 145 120, getpriority 140 141, capget 125 90, setrlimit 160 164,
inotify_init1 294 26, timerfd_create 283 85, mincore 27 232, pkey_alloc 330 289, pkey_free 331 290,
pkey_mprotect 329 288
"""
"""What node calls beside that. With execve it starts; of `clone` threads alone are allowed, so the program
that it could become is still one process, in the same room, under the same limits."""

OTHER = """
clone 56 220, clone3 435 435, openat2 437 437, kill 62 129, tgkill 234 131, prlimit64 302 261,
socketpair 53 199, sendto 44 206, prctl 157 167, ioctl 16 29, fcntl 72 25, pivot_root 155 41, seccomp 317 277
"""
"""What is allowed with some arguments only, refused with another error, or used to build the room."""


def number_calls(table: str, machine: str) -> dict[str, int]:
    """The calls of one of the tables above by name, those that `machine` has."""
    column = MACHINES.index(machine) + 1
    entries = [entry.split() for entry in table.replace("\n", " ").split(",")]
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}
