"""The process that children are forked from: `python -I -c … <parent's pid> <sys.path>`, its socket as standard input.

It has imported the decoders, so a child costs a fork instead of an interpreter, and it was started with no environment
and no open file of its parent's, so there is nothing in it that a child could find. It reads no caller's byte itself.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import os
import select
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

from libs.backends.cage import frames, limits
from libs.backends.cage.frames import PREFIX_BYTES, pack
from libs.backends.cage.job import Job, Task
from libs.backends.cage.kernel import kernel
from libs.backends.cage.lock import lock_in

__all__ = ["main"]

_NICENESS = 5  # the parent's heartbeat goes first
_FILES = 3  # of a job: its channel, what is given, what is made
_FIRST_FILE = 3


def main(parent_pid: int) -> None:
    """Fork a child for each request until the parent hangs up."""
    limits.die_with_parent()
    if limits.orphaned(parent_pid):
        return
    os.setsid()  # a terminal's Ctrl-C is for the parent
    os.environ.clear()
    with suppress(OSError):  # a service manager may refuse it
        os.nice(_NICENESS)
    control = socket.socket(fileno=os.dup(0))
    children: dict[int, int] = {}  # their ids, by what tells of their end
    while _wait(control, children):
        message, files = _next(control)
        if not message:
            return
        _answer(control, children, message, files)
        for file in files:
            os.close(file)


def _wait(control: socket.socket, children: dict[int, int]) -> bool:
    """Until there is a request; children that ended meanwhile are buried."""
    waiting = select.poll()
    for file in (control.fileno(), *children):
        waiting.register(file, select.POLLIN)
    while True:
        ready = [file for file, _ in waiting.poll()]
        for file in ready:
            if file in children:
                waiting.unregister(file)
                os.waitpid(children.pop(file), 0)
                os.close(file)
        if control.fileno() in ready:
            return True


def _next(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request and the files that came with it; the parent waits for the answer before it asks again."""
    head, files, _, _ = socket.recv_fds(control, PREFIX_BYTES, _FILES)
    return (frames.read(control.fileno(), head) or {} if head else {}), list(files)


def _answer(control: socket.socket, children: dict[int, int], message: dict[str, Any], files: Sequence[int]) -> None:
    try:
        task = cast("Task", importlib.import_module(message["task"]))
    except Exception as error:  # noqa: BLE001  # a library may be missing or broken, which concerns one task
        control.sendall(pack({"failed": repr(error)}))
        return
    if len(files) < _FILES:
        gc.collect()
        gc.freeze()  # children share these pages for as long as nobody counts in them
        control.sendall(pack({"loaded": True}))
        return
    ours = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(task, message["order"], files, ours)
    file = os.pidfd_open(pid)
    children[file] = pid
    socket.send_fds(control, [pack({"pid": pid})], [file])


def _live(task: Task, order: dict[str, Any], files: Sequence[int], parent_pid: int) -> None:
    """The whole life of a child."""
    code = 1
    with suppress(BaseException):  # whatever a decoder raises: nobody is told more than that it ended
        _leave_only(files)
        lock_in(task.PROFILE, kernel())
        if not limits.orphaned(parent_pid):
            task.serve(Job(order, _FIRST_FILE, _FIRST_FILE + 1, _FIRST_FILE + 2))
            code = 0
    os._exit(code)


def _leave_only(files: Sequence[int]) -> None:
    """Close whatever is open but these, which get the numbers from 3 on."""
    aside = [fcntl.fcntl(file, fcntl.F_DUPFD, _FIRST_FILE + len(files)) for file in files]
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(_FIRST_FILE):
        os.dup2(nothing, standard)
    for index, file in enumerate(aside):
        os.dup2(file, _FIRST_FILE + index, inheritable=False)
    os.closerange(_FIRST_FILE + len(files), os.sysconf("SC_OPEN_MAX"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
