"""Child processes that end when we end, however we end.

`stop` asks (SIGTERM), waits and then insists (SIGKILL). Should we be killed ourselves, the kernel kills our children
(PR_SET_PDEATHSIG, prctl(2)), so nothing of ours keeps a port. The child asks for that itself, in a few lines that run
before the program does: code between fork and exec (`preexec_fn`) may deadlock once we have threads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from libs.errors import ArqadeError

__all__ = ["Child", "Pause", "StartError", "end_leftover", "start_child", "tied_to_us"]

#: `time.sleep`, or something like it that may raise to break off a wait.
Pause = Callable[[float], None]

_LOG_BYTES_MAX = 16 * 1024 * 1024
_POLL_S = 0.01
_LEFTOVER_GRACE_S = 5.0

# The parent may be gone before prctl is called; then the signal would never come, hence the second look.
_FOLLOW_PARENT = """\
import ctypes, os, sys
parent, program = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != parent:
    os._exit(1)
os.execv(program[0], program)
"""


class StartError(ArqadeError):
    """A part could not be started; the text is one line for the person at the terminal."""


class Child:
    """A process of ours, the head of its own session: a Ctrl-C at the terminal reaches us, not it."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], pid_file: Path | None, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._pid_file = pid_file

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet. One that has ended is left to `stop`, which also ends what it started."""
        if self._process.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    @property
    def last_words(self) -> str:
        """The last line of its log, for a message."""
        with suppress(OSError):
            lines = self.log.read_bytes()[-4_096:].decode(errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, if it still runs."""
        if self.running:
            self._process.send_signal(number)

    def stop(self, grace_s: float) -> int:
        """End it and whatever it started; returns its exit status, negative for the signal that killed it."""
        self.send(signal.SIGTERM)
        return self.wait(grace_s)

    def wait(self, grace_s: float) -> int:
        """Give it `grace_s` to end by itself, then kill it."""
        deadline = time.monotonic() + grace_s
        while self.running and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self.kill()

    def kill(self) -> int:
        """Kill its session without asking, and bury it."""
        if self._process.returncode is None:
            # Not buried yet, so its id still names its own group and nobody else's.
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            if self._pid_file:
                self._pid_file.unlink(missing_ok=True)
        return int(self._process.returncode)


def tied_to_us(command: Sequence[str]) -> list[str]:
    """The command of a process that the kernel kills when we end; `command[0]` is a path."""
    return [sys.executable, "-I", "-S", "-c", _FOLLOW_PARENT, str(os.getpid()), *command]


def start_child(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
    pid_file: Path | None = None,
) -> Child:
    """Start a program; `command[0]` is a path. What it prints is appended to `log`.

    With `pid_file`, a process that an earlier run left behind is ended first. Must be called from a thread that
    lives as long as the child shall: the kernel watches the thread, not the process.
    """
    if pid_file:
        end_leftover(pid_file)
    try:
        with _open_log(log) as output:
            process = subprocess.Popen(  # noqa: S603  # the command is ours
                tied_to_us(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
    except OSError as error:
        raise StartError(f"{name} could not be started: {error}") from error
    child = Child(name, process, pid_file, log)
    if pid_file:
        pid_file.write_text(f"{process.pid} {_started_at(process.pid)}\n")
    return child


def end_leftover(pid_file: Path) -> None:
    """End the process that a pid file names, if it is still the one that was started then."""
    try:
        pid, started_at = pid_file.read_text().split()
    except (OSError, ValueError):
        return
    for number, grace_s in ((signal.SIGTERM, _LEFTOVER_GRACE_S), (signal.SIGKILL, _LEFTOVER_GRACE_S)):
        deadline = time.monotonic() + grace_s
        if _started_at(int(pid)) == started_at:
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)
        while _started_at(int(pid)) == started_at and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    pid_file.unlink(missing_ok=True)


def _started_at(pid: int) -> str:
    """When a process started, in clock ticks since boot: with the pid, a name that is never used twice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "gone"
    fields = stat.rpartition(")")[2].split()
    return "gone" if fields[0] == "Z" else fields[19]


def _open_log(log: Path) -> IO[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
        log.replace(log.with_suffix(".1.log"))
    return log.open("ab")
