"""What the suite tells of itself: where a test hung, what was not there, which order failed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.paths import ROOT
from tests.patience import PATIENCE_S
from tests.run.flaky import failures, run_once, summary

Suite = Callable[..., str]

HANGING = """
import asyncio

async def innermost():
    await asyncio.Event().wait()

async def test_hangs(anyio_backend_name):
    await innermost()
"""
CONFTEST = """
import pytest

pytest_plugins = ["tests.run.hangs", "tests.run.order", "tests.run.promises", "tests.run.skips"]

@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request):
    return "asyncio", {"use_uvloop": request.param}
"""
INI = """
[pytest]
anyio_mode = auto
timeout_method = signal
addopts = -p anyio -p pytest_timeout -p xdist -p no:cacheprovider
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest that we start is nobody's worker, and has few plugins to load."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Runs a file of tests under the plugins of ours; what pytest printed."""

    def run(text: str, *arguments: str, **environment: str) -> str:
        (tmp_path / "conftest.py").write_text(CONFTEST)
        (tmp_path / "pytest.ini").write_text(INI)
        (tmp_path / "test_it.py").write_text(text)
        told = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=tmp_path,
            env=told,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        return done.stdout + done.stderr

    return run


def test_a_test_that_hangs_tells_where_on_either_loop(suite: Suite) -> None:
    said = suite(HANGING, "--timeout", "1")
    assert said.count("Failed: it had 1 s, and hung") >= 2
    assert said.count("where it hung -") == 2
    assert "2 failed" in said.splitlines()[-1]
    assert said.count("test_it.py:5 innermost") == 2


def test_what_was_not_there_is_told_at_the_end_with_how_to_get_it(suite: Suite) -> None:
    said = suite(
        "from tests.fakes.parts import need\n"
        "def test_one(): need('a part', found=False, how='apt-get install it')\n"
        "def test_two(): need('a part', found=False, how='apt-get install it')\n",
        ARQADE_TEST_REQUIRE_ALL="",
    )
    assert "2 tests: a part is missing: apt-get install it" in said
    assert "skipped" in said.splitlines()[-1]


def test_a_promise_about_time_is_held_where_it_is_asked_for(suite: Suite) -> None:
    late = "import time\ndef test_late(prompt):\n    with prompt(0.001): time.sleep(0.01)\n"
    assert "1 passed" in suite(late, "-m", "timed", ARQADE_FAULTS="")
    assert "and 0.001 s were promised" in suite(late, "-m", "timed", ARQADE_FAULTS="full")


def test_a_failure_is_kept_with_the_order_that_it_came_in(suite: Suite, tmp_path: Path) -> None:
    tests = "def test_a(): pass\ndef test_b(): assert False\ndef test_c(): pass\n"
    suite(tests, "-n", "1", ARQADE_TEST_ORDER=str(tmp_path))
    (failure,) = failures(tmp_path, seed=7)
    assert (failure.test, failure.phase, failure.seed) == ("test_it.py::test_b", "call", 7)
    assert failure.order.read_text() == "test_it.py::test_a\ntest_it.py::test_b\n"
    again = suite(tests, f"@{failure.order}")
    assert "1 failed, 1 passed" in again


def test_the_runs_are_summed_up_by_what_failed_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): assert False\n")
    plugins = ("-p", "xdist", "-p", "pytest_randomly", "-n", "1")
    first, second = run_once(1, [*plugins, "test_it.py"]), run_once(2, [*plugins, "test_it.py::test_a"])
    assert (first.status, second.status) == (1, 0)
    assert "1 failed, 1 passed" in first.last_line
    assert next(iter(summary([first, second]))) == "1 of 2 runs passed"
