"""Landlock (Linux ≥ 5.13, `landlock.h`): a process says which files it may open from now on, and can't take it back.

It holds for root as for anybody. Tracing processes outside is refused along with it, and TCP and signals where
it is new enough.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from libs.backends.cage.kernel import call

__all__ = ["restrict_files"]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH: Final = 1
_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
#: How many kinds of access to files each version knows; the first has 13.
_ACCESSES: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_ACCESSES_NOW: Final = 16
_TCP_SINCE, _SCOPES_SINCE = 4, 6
_BIND_AND_CONNECT, _ABSTRACT_SOCKETS_AND_SIGNALS = 3, 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict_files(version: int, readable: Iterable[str], programs: Iterable[str]) -> None:
    """Let this thread, and what it starts, open nothing but these. Raises OSError.

    Paths that are not there are left out. "No new privileges" has to be set before.
    """
    ruleset = _ruleset(version)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_FOLDER)
        for path in programs:
            _allow(ruleset, path, _READ_FILE | _EXECUTE)
        call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset(version: int) -> int:
    handled = _Ruleset(
        (1 << _ACCESSES.get(version, _ACCESSES_NOW)) - 1,
        _BIND_AND_CONNECT if version >= _TCP_SINCE else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPES_SINCE else 0,
    )
    # An older kernel refuses what is longer than it knows.
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _TCP_SINCE else 8
    return call(_CREATE_RULESET, ctypes.byref(handled), size, 0)


def _allow(ruleset: int, path: str, access: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):  # noqa: PTH112  # the path is a string in profiles
                access &= ~_READ_FOLDER
            call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(access, opened)), 0)
        finally:
            os.close(opened)
