"""What this kernel has to lock a process in with, and what it lacks."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

__all__ = ["ARCHITECTURES", "Kernel", "call", "kernel", "prctl", "weaknesses"]

#: AUDIT_ARCH_… of linux/audit.h, and the column of `syscalls` that holds its numbers.
ARCHITECTURES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_VERSION = 1  # its flag that asks which version there is
_PR_GET_SECCOMP = 21
_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Kernel:
    """Whether system calls can be filtered, and the version of Landlock (0: none)."""

    seccomp: bool
    landlock: int


@cache
def kernel() -> Kernel:
    """What there is here; asking changes nothing."""
    if _libc is None:
        return Kernel(seccomp=False, landlock=0)
    filtered = platform.machine() in ARCHITECTURES and _libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0
    return Kernel(filtered, max(0, _libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)))


def weaknesses(of: Kernel) -> Iterator[str]:
    """A line for each thing that the children which decode files cannot be locked in with."""
    if not of.seccomp and not of.landlock:
        yield (
            "files of callers are decoded in children that this kernel can only limit in memory and time: it has "
            "neither seccomp (for x86_64 and aarch64) nor Landlock; use one that has them (Linux 5.13)"
        )
    elif not of.seccomp:
        yield (
            "children that decode files are kept from files and TCP by Landlock alone: seccomp is missing, or this "
            "machine is neither x86_64 nor aarch64"
        )
    elif not of.landlock:
        yield (
            "children that decode files can open none at all, system fonts neither, so PDFs without their fonts look "
            "poorer: this kernel has no Landlock (Linux 5.13, among the modules that it starts with)"
        )


def prctl(option: int, value: int) -> None:
    """Set what the kernel holds of this process, where it is Linux; raises OSError."""
    if _libc is not None and _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} is refused")


def call(number: int, *arguments: Any) -> int:
    """Make a system call that libc has no function for; raises OSError."""
    found: int = _libc.syscall(number, *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), f"system call {number} is refused")
    return found
