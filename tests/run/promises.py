"""Promises about time. They hold on a machine that has nothing else to do, so `make faults` asks for them.

`make test` runs the same tests for what they say besides: counts, order, end states.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

__all__ = ["FULL_SIZE", "Prompt", "prompt", "pytest_collection_modifyitems"]

#: `with prompt(2.0):` what stands below takes less than two seconds.
Prompt = Callable[[float], AbstractContextManager[None]]

#: Whether this is `make faults`.
FULL_SIZE = os.environ.get("ARQADE_FAULTS") == "full"


@pytest.fixture(scope="session")
def prompt() -> Prompt:
    """Holds a block to a time, in `make faults`; a test that asks for it bears the mark `timed`."""

    @contextmanager
    def within(limit_s: float) -> Iterator[None]:
        began = time.monotonic()
        yield
        took_s = time.monotonic() - began
        assert took_s < limit_s or not FULL_SIZE, f"it took {took_s:.3f} s, and {limit_s:g} s were promised"

    return within


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "prompt" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timed)
