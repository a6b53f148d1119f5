"""What a child that decodes foreign bytes may not do: outlive its worker, talk to the network, take too much."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["UNREADABLE", "allow_cpu_s", "answer_once", "die_with_parent", "limit_memory", "no_network", "orphaned"]

#: The exit code of a child that could make nothing of what it was given.
UNREADABLE = 3


_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_NETWORK = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends, kill -9 included (Linux only).

    Elsewhere a child ends when it next reads its closed input.
    """
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def orphaned(parent_pid: int) -> bool:
    """Whether the parent was gone before `die_with_parent` could take effect."""
    return os.getppid() != parent_pid


def limit_memory(bytes_max: int) -> None:
    """Bound the address space, and leave no core file with a caller's picture in it."""
    resource.setrlimit(resource.RLIMIT_AS, (bytes_max, bytes_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow_cpu_s(seconds: float) -> None:
    """Let this process compute for so long from now on; past it the kernel ends it with SIGXCPU."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, hard))


def no_network() -> None:
    """Refuse every connection that Python code tries to make."""
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _NETWORK:
        raise PermissionError(f"{event} is not allowed in a child that decodes")


def answer_once(make: Callable[[bytes], bytes], parent_pid: int, *, cpu_s_max: float, memory_bytes_max: int) -> int:
    """The whole life of a child of `libs.backends.caged`: lock in, read the input, write what is made of it.

    Returns the exit code. Whatever a decoder of foreign bytes raises means the same: UNREADABLE.
    """
    die_with_parent()
    if orphaned(parent_pid):
        return UNREADABLE
    no_network()
    limit_memory(memory_bytes_max)
    allow_cpu_s(cpu_s_max)
    try:
        made = make(sys.stdin.buffer.read())
    except Exception:  # noqa: BLE001  # a decoder raises what it likes
        return UNREADABLE
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()
    return 0
