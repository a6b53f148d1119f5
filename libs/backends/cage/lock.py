"""Locking a process in: everything there is, in the order in which one makes the next possible."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress
from typing import Final

from libs.backends.cage import limits
from libs.backends.cage.kernel import Kernel, call, prctl
from libs.backends.cage.landlock import restrict_files
from libs.backends.cage.profile import Profile
from libs.backends.cage.seccomp import filter_calls

__all__ = ["FONTS", "lock_in"]

#: Where systems keep fonts: a PDF need not bring its own.
FONTS: Final = ("/usr/share/fonts", "/usr/share/X11/fonts", "/usr/local/share/fonts")

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION: Final = 0x20080522
_NOBODY: Final = 65_534


def lock_in(profile: Profile, kernel: Kernel) -> None:
    """Give up whatever the profile does not name, for good. Raises OSError where what the kernel has does not hold.

    To be called while there is one thread: some of it counts for the thread that asks.
    """
    limits.limit(profile)
    if sys.platform != "linux":
        return
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if profile.as_nobody:
        _become_nobody()
    _drop_capabilities()
    prctl(_PR_SET_DUMPABLE, 0)
    limits.die_with_parent()  # a change of user has taken it back
    if kernel.landlock:
        restrict_files(kernel.landlock, profile.readable, profile.programs)
    if kernel.seccomp:
        filter_calls(profile, files=_may_open(profile, kernel))


def _may_open(profile: Profile, kernel: Kernel) -> bool:
    """A filter cannot see paths. Who has to open files while it works keeps that where nothing else can say which."""
    must = profile.threads or bool(profile.programs)
    return must or bool(kernel.landlock and profile.readable)


def _become_nobody() -> None:
    """Be another user than root. In a container that root may not leave, what follows has to do."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):
        os.setgroups([])
    with suppress(OSError):
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _drop_capabilities() -> None:
    """Root without them is a user like others: capset(2), version 3, all of its three sets empty."""
    number = _CAPSET.get(platform.machine())
    if number is None:
        return
    try:
        call(number, (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())
    except OSError:  # a service manager may refuse the call: who is not root has none to drop
        if os.geteuid() == 0:
            raise
