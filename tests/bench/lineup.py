"""Who is measured: each task queue, the module that runs it and the environment that it lives in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ARQADE", "ARQ_BEST", "ARQ_STOCK", "PEERS", "Contestant", "lineup", "python_with"]

_VENVS = Path(__file__).parents[2] / "bench-out" / "venvs"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A task queue; `packages` are what pip is asked for, none means our own environment."""

    name: str
    module: str
    packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        """The interpreter that runs it."""
        return python_with(self.module.rpartition("_")[2], self.packages) if self.packages else sys.executable


ARQADE = Contestant("Arqade", "tests.bench.queues.with_arqade")
ARQ_STOCK = Contestant("arq, as it comes", "tests.bench.queues.with_arq", environment={"BENCH_PAUSE_S": "0.5"})
ARQ_BEST = Contestant("arq, poll 10 ms", "tests.bench.queues.with_arq", environment={"BENCH_ARQ": "best"})
PEERS = (
    Contestant("saq", "tests.bench.queues.with_saq", ("saq[redis,hiredis]", "typing-extensions", "uvloop")),
    Contestant("taskiq, streams", "tests.bench.queues.with_taskiq", ("taskiq", "taskiq-redis", "hiredis", "uvloop")),
    Contestant("streaq", "tests.bench.queues.with_streaq", ("streaq", "uvloop")),
)


def lineup(*, peers: bool) -> tuple[Contestant, ...]:
    """Everybody, in the order of a round."""
    return (ARQADE, ARQ_STOCK, ARQ_BEST, *(PEERS if peers else ()))


def python_with(name: str, packages: tuple[str, ...]) -> str:
    """The interpreter of a virtual environment with these packages, made at its first use."""
    folder = _VENVS / name
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"making an environment with {', '.join(packages)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        quiet_pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*quiet_pip, *packages], check=True)
        (folder / "installed").touch()
    return str(python)
