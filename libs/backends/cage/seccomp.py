"""A filter of system calls (seccomp(2)): what is not in the list of a profile is refused with EPERM, for good.

A filter is a program for the kernel's classic BPF machine, whose input is `struct seccomp_data`: the number of the
call, the architecture, and six arguments of 64 bits, of which the lower halves are looked at here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from libs.backends.cage.kernel import ARCHITECTURES, call
from libs.backends.cage.profile import Profile
from libs.backends.cage.syscalls import ALWAYS, FILES, PROGRAMS, THREADS

__all__ = ["filter_calls", "program_for"]

# linux/bpf_common.h, linux/seccomp.h, linux/sched.h, linux/prctl.h, linux/fcntl.h, sys/mman.h
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE, _UNKNOWN = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_PROT_EXEC, _CLONE_THREAD, _PR_SET_PDEATHSIG, _PR_SET_NAME = 4, 0x10000, 1, 15
_F_SETFL, _F_DUPFD_CLOEXEC = 4, 1030
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_Statement = tuple[int, int, int, int]  # code, jump when true, jump when false, constant


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def filter_calls(profile: Profile, *, files: bool) -> None:
    """Put the filter on this process, all threads of it. Raises OSError; "no new privileges" has to be set before.

    `files`: whether it may open any, because something else says which.
    """
    machine = platform.machine()
    packed = b"".join(struct.pack("=HBBI", *statement) for statement in program_for(profile, machine, files=files))
    given = _Filter(len(packed) // 8, packed)
    call(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(given))


def program_for(profile: Profile, machine: str, *, files: bool) -> list[_Statement]:
    """The filter of a profile on a machine (`platform.machine()`)."""
    architecture, column = ARCHITECTURES[machine]
    names = dict(ALWAYS)
    names |= FILES if files else {}
    names |= THREADS if profile.threads or profile.programs else {}
    names |= PROGRAMS if profile.programs else {}
    conditions = _conditions(profile)
    program = [_load(_ARCHITECTURE_AT), (_EQUAL, 1, 0, architecture), _return(_KILL), _load(_NUMBER_AT)]
    for name, numbers in names.items():
        number = numbers[column]
        if number is not None:
            then = conditions.get(name, [_return(_ALLOW)])
            program += [(_EQUAL, 0, len(then), number), *then]
    return [*program, _return(_REFUSE)]


def _conditions(profile: Profile) -> Mapping[str, Sequence[_Statement]]:
    """What is allowed for some arguments only."""
    no_code = list(_unless(2, (_ANY_BIT, _PROT_EXEC)))
    found: dict[str, list[_Statement]] = {
        "tgkill": list(_only(0, (os.getpid(),))),  # abort(3)
        "prlimit64": list(_only(0, (0,))),
        "clone3": [_return(_UNKNOWN)],  # its flags lie in memory, out of sight: libraries then use clone
        "fcntl": list(_only(1, (*range(_F_SETFL + 1), _F_DUPFD_CLOEXEC))),
        "prctl": list(_only(0, (_PR_SET_NAME,))),
    }
    if not profile.threads and not profile.programs:
        found |= {"mmap": no_code, "mprotect": no_code}
    if profile.programs:
        found["prctl"] = list(_named_or_tied())
        found["tgkill"] = [_return(_REFUSE)]  # the filter is inherited, and the number would be of another
    else:
        found["clone"] = [_load_argument(0), (_ANY_BIT, 0, 1, _CLONE_THREAD), _return(_ALLOW), _return(_REFUSE)]
    return found


def _only(argument: int, values: Sequence[int]) -> Iterator[_Statement]:
    """Allow the call where an argument is one of these."""
    yield _load_argument(argument)
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        yield (_EQUAL, left, 0, value)
    yield _return(_REFUSE)
    yield _return(_ALLOW)


def _named_or_tied() -> Iterator[_Statement]:
    """Allow prctl(2) to name a thread, and to have a program end with its parent."""
    yield _load_argument(0)
    yield (_EQUAL, 4, 0, _PR_SET_NAME)
    yield (_EQUAL, 0, 2, _PR_SET_PDEATHSIG)
    yield _load_argument(1)
    yield (_EQUAL, 1, 0, signal.SIGKILL)
    yield _return(_REFUSE)
    yield _return(_ALLOW)


def _unless(argument: int, test: tuple[int, int]) -> Iterator[_Statement]:
    code, constant = test
    yield _load_argument(argument)
    yield (code, 0, 1, constant)
    yield _return(_REFUSE)
    yield _return(_ALLOW)


def _load(offset: int) -> _Statement:
    return (_LOAD, 0, 0, offset)


def _load_argument(index: int) -> _Statement:
    return _load(_ARGUMENTS_AT + 8 * index)


def _return(verdict: int) -> _Statement:
    return (_RETURN, 0, 0, verdict)
