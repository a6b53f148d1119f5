from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.web_server import WebServer, answer, web_server


@pytest.fixture
async def canary() -> AsyncIterator[WebServer]:
    async with web_server(lambda _asked: answer(200, b"secret")) as server:
        yield server
