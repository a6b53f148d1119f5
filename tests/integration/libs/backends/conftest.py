from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.backends.cage import ForkServer


@pytest.fixture(scope="module")
async def cage() -> AsyncIterator[ForkServer]:
    """What children are forked by: once for a module, for its imports take a moment."""
    opened = ForkServer()
    yield opened
    await opened.close()
