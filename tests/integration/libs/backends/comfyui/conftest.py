"""A stand-in of each generation of ComfyUI's API, and its client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.backends.comfyui import ComfyUI
from libs.embedded.comfyui_standin import Standin
from tests.integration.libs.backends.comfyui.bench import PATIENCE, Bench


@pytest.fixture(params=["newest", "older"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    standin = Standin(step_ms=5, generation=request.param)
    async with standin.listening() as port:
        url = f"http://127.0.0.1:{port}"
        comfyui = ComfyUI(url, 20, patience=PATIENCE)
        yield Bench(standin, comfyui, url)
        await comfyui.aclose()
