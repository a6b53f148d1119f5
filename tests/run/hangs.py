"""Where a test hung: what awaits what in its event loop, and where its threads stand.

pytest-timeout knows when; its own way to end a test does not reach an idle uvloop, which tells its exception handler
what a signal's handler raised, unless that is a KeyboardInterrupt. And a stack of an event loop says that it waits.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Iterator
from typing import Any

import pytest

__all__ = [
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "pytest_timeout_cancel_timer",
    "pytest_timeout_set_timer",
]

_WHERE = pytest.StashKey[str]()


class _TimeIsUp(KeyboardInterrupt):
    """A test had its time; becomes a failure of the test before anybody takes it for a Ctrl-C."""


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Instead of pytest-timeout's own, where it would use a signal."""
    if settings.method != "signal":
        return None

    def ring(_number: int, _frame: object) -> None:
        item.stash[_WHERE] = "\n".join((*_tasks(), *_threads()))
        raise _TimeIsUp(f"it had {settings.timeout:g} s, and hung: see where below")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> bool:
    signal.setitimer(signal.ITIMER_REAL, 0)
    return True


@pytest.hookimpl(wrapper=True)
def _failing(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    except _TimeIsUp as error:
        pytest.fail(str(error))


pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = _failing


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and _WHERE in item.stash:
        report.sections.append(("where it hung", item.stash[_WHERE]))
        del item.stash[_WHERE]
    return report


def _tasks() -> Iterator[str]:
    """Every task that has not ended, and what it awaits, innermost last."""
    for found in gc.get_objects():
        if isinstance(found, asyncio.Task) and not found.done():
            yield f"task {found.get_name()}"
            yield from _awaited(found.get_coro())


def _awaited(waits: object) -> Iterator[str]:
    """A task's own stack is that of its outermost coroutine; from there on it is followed by hand."""
    while waits is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(waits, f"{kind}_frame")), None)
        frame = getattr(waits, f"{kind}_frame", None)
        if frame is None:
            yield f"    {waits!r}"
            return
        yield f"    {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
        waits = getattr(waits, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")


def _threads() -> Iterator[str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        yield f"thread {names.get(ident, ident)}"
        yield "".join(traceback.format_stack(frame)).rstrip()
