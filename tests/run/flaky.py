"""`make flaky`: run the suite many times; tell what failed even once, with the seed and the order that it failed in.

Each run leaves a folder in build/flaky: what it printed, what failed, and the order of every process.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.run.order import FAILED

_FOLDER = Path("build/flaky")
_SEED_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Failure:
    """One test that failed in one run; `order` is the file of what its process ran, up to it."""

    test: str
    phase: str
    seed: int
    order: Path


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the suite; `last_line` is what pytest ended with."""

    seed: int
    status: int
    last_line: str
    failures: list[Failure]


def main() -> int:
    """0 when every run passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", type=int, help="how many runs")
    parser.add_argument("--busy", type=int, default=0, help="processes beside them that only take the processor")
    parser.add_argument("arguments", nargs="*", help="arguments for pytest")
    told = parser.parse_args()
    shutil.rmtree(_FOLDER, ignore_errors=True)
    with busy(told.busy):
        runs = [tell(number, told.times, run_once(number, told.arguments)) for number in range(1, told.times + 1)]
    print("\n".join(summary(runs)))
    return int(any(run.status for run in runs))


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but take the processor."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def run_once(number: int, arguments: Sequence[str]) -> Run:
    """Run the suite once, in an order of its own."""
    seed, folder = random.randint(0, _SEED_MAX), _FOLDER / f"run-{number}"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", "-n", "auto", f"--randomly-seed={seed}", *arguments]
    with (folder / "output").open("wb") as output:
        environment = {**os.environ, "ARQADE_TEST_ORDER": str(folder.absolute())}
        status = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False).returncode
    lines = (folder / "output").read_text(errors="replace").split("\n")
    return Run(seed, status, next((line.strip("= ") for line in reversed(lines) if line), ""), failures(folder, seed))


def failures(folder: Path, seed: int) -> list[Failure]:
    """What failed in the run of a folder; the order up to each failure is written beside it."""
    failed = folder / FAILED
    return [_failure(folder, seed, line) for line in (failed.read_text().splitlines() if failed.exists() else ())]


def _failure(folder: Path, seed: int, line: str) -> Failure:
    process, phase, test = line.split(" ", 2)
    ran = folder / f"{process}.order"
    before, found, _ = (ran.read_text() if ran.exists() else "").partition(test + "\n")
    upto = folder / f"{process}.{len(before.splitlines()) + 1}.order"
    upto.write_text(before + found)
    return Failure(test, phase, seed, upto)


def tell(number: int, times: int, run: Run) -> Run:
    """Print the line of a run as soon as it has ended."""
    print(f"run {number} of {times}, seed {run.seed}, status {run.status}: {run.last_line}", flush=True)
    for failure in run.failures:
        print(f"    {failure.phase} {failure.test}", flush=True)
    return run


def summary(runs: Sequence[Run]) -> Iterator[str]:
    """What failed at all, most often first, and how to run it again as it ran then."""
    found: defaultdict[str, list[Failure]] = defaultdict(list)
    for run in runs:
        for failure in run.failures:
            found[failure.test].append(failure)
    yield f"{sum(not run.status for run in runs)} of {len(runs)} runs passed"
    for test, failed in sorted(found.items(), key=lambda each: -len(each[1])):
        yield f"{len(failed)} times: {test}"
        yield from (f"    seed {one.seed}: pytest -p no:randomly @{one.order}" for one in failed)


if __name__ == "__main__":
    raise SystemExit(main())
