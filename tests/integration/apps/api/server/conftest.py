"""A server of this process, whose patience is short."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs import limits
from tests.fakes.api import Api
from tests.fakes.wire import Listening, listening


@pytest.fixture
async def server(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    monkeypatch.setattr(limits, "HEADERS_S", 0.3)
    async with listening(api) as found:
        yield found
