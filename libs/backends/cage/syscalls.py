"""The system calls that a child may make, by their numbers on x86_64 and on aarch64 (None: there is none there).

A list of what is allowed, so that what a later kernel adds is refused. Sources: `asm/unistd_64.h` and
`asm-generic/unistd.h` of Linux.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ALWAYS", "FILES", "NUMBERS", "PROGRAMS", "THREADS"]

_Numbers = dict[str, tuple[int | None, int | None]]

#: Computing, and talking over what is open already.
ALWAYS: Final[_Numbers] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "lseek": (8, 62),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),  # what fstat(3) is: no more than a name and a size are found out by it
    "statx": (332, 291),
    "ftruncate": (77, 46),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
}

#: Opening files: Landlock says which.
FILES: Final[_Numbers] = {
    "open": (2, None),
    "openat": (257, 56),
    "stat": (4, None),
    "lstat": (6, None),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "getdents": (78, None),
    "getdents64": (217, 61),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
}

#: Threads, and what the libraries that use them ask for.
THREADS: Final[_Numbers] = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "set_robust_list": (273, 99),
    "get_robust_list": (274, 100),
    "sched_setaffinity": (203, 122),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "membarrier": (324, 283),
    "mincore": (27, 232),
    "prctl": (157, 167),
    "recvmsg": (47, 212),
    "dup": (32, 23),
    "fcntl": (72, 25),
}

#: Starting another program: Landlock says which.
PROGRAMS: Final[_Numbers] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "dup2": (33, None),
    "dup3": (292, 24),
    "arch_prctl": (158, None),
    "set_tid_address": (218, 96),
    "fadvise64": (221, 223),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "get_mempolicy": (239, 236),
}

#: All of them; those in no other list have conditions of their own in `seccomp`.
NUMBERS: Final[_Numbers] = {**ALWAYS, **FILES, **THREADS, **PROGRAMS}
