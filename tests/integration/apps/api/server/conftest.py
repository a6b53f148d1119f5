"""A server of this process; and one whose patience is short, for tests that watch it run out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs import limits
from tests.fakes.api import Api
from tests.fakes.wire import Listening, listening


@pytest.fixture
async def server(api: Api) -> AsyncIterator[Listening]:
    async with listening(api) as found:
        yield found


@pytest.fixture
async def hasty(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    monkeypatch.setattr(limits, "HEADERS_S", 1.0)
    async with listening(api) as found:
        yield found
