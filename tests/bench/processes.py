"""Processes of a measurement: Python modules of this folder, run by the interpreter of their environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cpu_s", "run", "spawned"]

_ROOT = Path(__file__).parents[2]
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@contextmanager
def spawned(
    module: str, *arguments: str, environment: Mapping[str, str], python: str = sys.executable
) -> Iterator[subprocess.Popen[str]]:
    """A process that runs as long as the block; killed at its end."""
    process = subprocess.Popen(
        [python, "-m", module, *arguments],
        env=_environment(environment),
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=None if "BENCH_DEBUG" in os.environ else subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def run(module: str, *arguments: str, environment: Mapping[str, str], python: str = sys.executable) -> str:
    """Run a process to its end; what it printed. Raises RuntimeError with its last words."""
    done = subprocess.run(
        [python, "-m", module, *arguments],
        env=_environment(environment),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout


def cpu_s(pid: int) -> float:
    """Seconds of CPU a process and all its threads have used, in steps of a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(_ROOT), **more}
