"""A task that wants out of the cage: what code could try that has taken a decoder over, in Python and natively.

Every attempt is made, and for each it is told whether it got anywhere or was refused. It is a task like those of
decoders, so it runs in the child that they would run in.
"""

from __future__ import annotations

import ctypes
import encodings.idna  # noqa: F401  # a socket with an address wants it, and nothing is imported in the cage
import mmap
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from libs.backends.cage import Job, Profile
from libs.backends.cage.lock import FONTS

__all__ = ["PROFILE", "serve"]

PROFILE: Final = Profile(memory_bytes_max=1024**3, cpu_s_max=20, readable=FONTS)

_libc: Any = ctypes.CDLL(None, use_errno=True)
_COLUMN: Final = {"x86_64": 0, "aarch64": 1}[platform.machine()]
#: Numbers of system calls on x86_64 and aarch64.
_CALLS: Final = {
    "bpf": (321, 280),
    "clone3": (435, 435),
    "execveat": (322, 281),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "openat2": (437, 437),
    "perf_event_open": (298, 241),
    "pidfd_open": (434, 434),
    "process_vm_readv": (310, 270),
    "ptrace": (101, 117),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


def serve(job: Job) -> None:
    """Try everything; an attempt that has been made twice is one that got on."""
    job.say({name: _outcome(attempt) for name, attempt in _attempts(job.order).items()})


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        found = attempt()
    except Exception as error:  # noqa: BLE001  # each has its own way to be refused
        return f"refused: {error!r}"
    return f"got {found!r}"


def _attempts(order: Mapping[str, Any]) -> dict[str, Callable[[], object]]:
    files = [f"/proc/{pid}/{what}" for pid in (order["worker"], os.getppid()) for what in ("environ", "mem", "maps")]
    files += [*order["files"], "/proc/self/environ", "/etc/passwd", "/etc/hostname", "/"]
    return (
        {"find what is open": _others_open, "find variables": _variables}
        | {f"read {path}": _reading(path) for path in files}
        | {f"natively read {path}": _reading_natively(path) for path in files if path != "/"}
        | _networked(order)
        | _started()
        | _on_others(order["worker"], order["word"])
        | _on_itself(order["folder"])
    )


def _reading(path: str) -> Callable[[], object]:
    return lambda: list(Path(path).iterdir()) if path == "/" else os.close(os.open(path, os.O_RDONLY))


def _reading_natively(path: str) -> Callable[[], object]:
    return lambda: _native(_libc.open(path.encode(), os.O_RDONLY))


def _networked(order: Mapping[str, Any]) -> dict[str, Callable[[], object]]:
    address = (ctypes.c_ubyte * 16).from_buffer_copy(
        socket.AF_INET.to_bytes(2, sys.byteorder) + order["port"].to_bytes(2, "big") + b"\x7f\0\0\1" + bytes(8)
    )

    def connect_natively() -> object:
        end = _native(_libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0))
        return _native(_libc.connect(end, ctypes.byref(address), 16))

    def send_a_datagram() -> object:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", order["port"]))

    return {
        "connect over IPv4": lambda: socket.create_connection(("127.0.0.1", order["port"]), 2),
        "natively connect over IPv4": connect_natively,
        "make an IPv6 socket": lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM),
        "connect to a Unix socket": lambda: socket.socket(socket.AF_UNIX).connect(order["socket"]),
        "send a datagram": send_a_datagram,
        "make a pair of sockets": socket.socketpair,
        "make a raw socket": lambda: _native(_libc.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)),
    }


def _started() -> dict[str, Callable[[], object]]:
    def fork_natively() -> object:
        pid = _native(_libc.fork())
        return pid or os._exit(0)

    return {
        "fork": lambda: os.fork() or os._exit(0),
        "natively fork": fork_natively,
        "run a program": lambda: subprocess.run(["/bin/true"], check=True),
        "spawn a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "run a shell": _shell,
        "start a thread": lambda: threading.Thread(target=int).start(),
        "clone3": lambda: _call("clone3", None, 0),
    }


def _shell() -> object:
    if _libc.system(b"exit 0") != 0:
        raise OSError("no shell")
    return True


def _on_others(worker: int, word: int) -> dict[str, Callable[[], object]]:
    limits = (ctypes.c_uint64 * 2)(1, 1)
    kept = (ctypes.c_char * 8)()
    here, there = (ctypes.c_uint64 * 2)(ctypes.addressof(kept), 8), (ctypes.c_uint64 * 2)(word, 8)
    return {
        "signal the worker": lambda: os.kill(worker, 0),
        "natively signal it": lambda: _native(_libc.kill(worker, signal.SIGCONT)),
        "trace it": lambda: _call("ptrace", 0x4206, worker, 0, 0),  # PTRACE_SEIZE: it would go on
        "read its memory": lambda: _call("process_vm_readv", worker, here, 1, there, 1, 0),
        "hold it by a descriptor": lambda: _call("pidfd_open", worker, 0),
        "limit it": lambda: _native(_libc.prlimit64(worker, 4, None, limits)) if worker > 1 else None,
        "set its priority": lambda: _native(_libc.setpriority(0, worker, 19)),
        "list processes": lambda: list(Path("/proc").iterdir()),
    }


def _on_itself(folder: str) -> dict[str, Callable[[], object]]:
    return {
        "write a file": lambda: Path(folder, "made").write_text("x"),
        "natively make a folder": lambda: _native(_libc.mkdir(os.fsencode(Path(folder, "folder")), 0o700)),
        "remove a file": lambda: Path(folder, "kept").unlink(),
        "make a link": lambda: Path(folder, "link").symlink_to("/etc/passwd"),
        "go elsewhere": lambda: os.chdir("/"),
        "open by another call": lambda: _call("openat2", -100, b"/etc/passwd", (ctypes.c_uint64 * 3)(), 24),
        "make a file in memory": lambda: _call("memfd_create", b"x", 0),
        "run code it has written": lambda: mmap.mmap(-1, 4_096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
        "be root": lambda: _native(_libc.setuid(0)) if os.geteuid() else _native(_libc.unshare(0x10000000)),
        "be traceable": lambda: _native(_libc.prctl(4, 1, 0, 0, 0)),
        "outlive its parent": lambda: _native(_libc.prctl(1, 0, 0, 0, 0)),
        "have namespaces of its own": lambda: _call("unshare", 0x10000000),
        "raise its limits": lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2),
        "use io_uring": lambda: _call("io_uring_setup", 1, (ctypes.c_uint32 * 30)()),
        "load a program into the kernel": lambda: _call("bpf", 0, None, 0),
        "use the kernel's keys": lambda: _call("keyctl", 0, -3, 1),
        "count events": lambda: _call("perf_event_open", None, 0, -1, -1, 0),
        "handle page faults": lambda: _call("userfaultfd", 1),
    }


def _others_open() -> object:
    """What is open beside nothing (0 to 2), the channel, what was given and what is made."""
    found = []
    for file in range(6, 256):
        try:
            os.fstat(file)
        except OSError:
            continue
        found.append(file)
    if not found:
        raise OSError("nothing is open")
    return found


def _variables() -> object:
    native = ctypes.c_void_p.in_dll(_libc, "environ").value
    first = ctypes.cast(native, ctypes.POINTER(ctypes.c_char_p))[0] if native else None
    if not os.environ and not first:
        raise OSError("there are none")
    return dict(os.environ), first


def _call(name: str, *arguments: object) -> object:
    # A number that goes over the stack is read as a whole word there, and an int is half of one.
    words = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return _native(_libc.syscall(_CALLS[name][_COLUMN], *words))


def _native(found: int) -> object:
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found
