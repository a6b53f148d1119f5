"""The order in which each process ran its tests, and what failed, kept in the folder that ARQADE_TEST_ORDER names.

`make flaky` reads it. A file a process (`gw0.order`), one test a line, written as each begins:
`pytest -p no:randomly @gw0.order` runs them so again. `failed` has a line for each failure: process, phase, test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["FAILED", "pytest_runtest_logreport", "pytest_runtest_logstart"]

FAILED = "failed"

_FOLDER = os.environ.get("ARQADE_TEST_ORDER")
_PROCESS = os.environ.get("PYTEST_XDIST_WORKER")


def pytest_runtest_logstart(nodeid: str, location: object) -> None:
    """Called where the test runs, and once more where its outcome is told."""
    if _FOLDER and _PROCESS:
        _append(f"{_PROCESS}.order", nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The same."""
    if _FOLDER and not _PROCESS and report.failed:
        process = getattr(report, "worker_id", "main")
        _append(FAILED, f"{process} {report.when} {report.nodeid}")


def _append(name: str, line: str) -> None:
    with (Path(_FOLDER or ".") / name).open("a") as file:
        file.write(line + "\n")
