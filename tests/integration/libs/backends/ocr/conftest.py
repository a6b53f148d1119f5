from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.backends.ocr import OcrEngine


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[OcrEngine]:
    """One child with its models loaded."""
    opened = OcrEngine(1)
    await opened.open()
    yield opened
    await opened.aclose()
