"""Limits that every Unix has: on memory, time, files, processes, and on outliving the parent."""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import Final

from libs.backends.cage.kernel import prctl
from libs.backends.cage.profile import Profile

__all__ = ["allow_cpu_s", "die_with_parent", "limit", "orphaned"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
#: Open files: its channel, its input, its output and a font at a time, or what an engine's libraries hold.
_FILES_MAX: Final = 32
_FILES_OF_THREADED_MAX: Final = 256


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends, kill -9 included (Linux only).

    Elsewhere a child ends when it next reads its closed input.
    """
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def orphaned(parent_pid: int) -> bool:
    """Whether the parent was gone before `die_with_parent` could take effect."""
    return os.getppid() != parent_pid


def allow_cpu_s(seconds: float) -> None:
    """Let this process compute for so long from now on; past it the kernel ends it with SIGXCPU."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def limit(profile: Profile) -> None:
    """Put every limit of a profile on this process, and leave no core file with a caller's picture in it."""
    wide = profile.threads or bool(profile.programs)
    bounds = {
        "AS": profile.memory_bytes_max,
        "CORE": 0,
        "FSIZE": profile.written_bytes_max,
        "NOFILE": _FILES_OF_THREADED_MAX if wide else _FILES_MAX,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "SIGPENDING": 0,
    }
    if not wide:
        bounds["NPROC"] = 0
    if profile.cpu_s_max is not None:
        bounds["CPU"] = int(time.process_time()) + profile.cpu_s_max
    for name, most in bounds.items():
        kind: int | None = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            resource.setrlimit(kind, _lower(most, resource.getrlimit(kind)[1]))


def _lower(most: int, hard: int) -> tuple[int, int]:
    """A limit can be brought down by anybody; up only by those we don't rely on being."""
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    return most, most
