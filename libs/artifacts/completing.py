"""The turn to complete an upload: one request has it at a time, in all processes, and others wait for its result."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from libs.artifacts.scripts import HOLD_COMPLETION
from libs.artifacts.upload import Upload
from libs.errors import Refusal, Unavailable
from libs.store.client import Store

__all__ = ["turn_to_complete"]

_TURN_MS = 30_000
_RENEWED_EVERY_S = 10.0
_WAIT_S_MAX = 10.0
_FIRST_PAUSE_S, _PAUSE_S_MAX = 0.02, 0.5


@asynccontextmanager
async def turn_to_complete(store: Store, upload: Upload) -> AsyncGenerator[bool]:
    """True for who is to complete it now; False when somebody else has settled it meanwhile.

    Raises Refusal (409) for who has waited long enough, and Unavailable.
    """
    word = secrets.token_hex(8)
    if not await _taken(store, upload, word):
        yield False
        return
    renewing = asyncio.create_task(_renew(store, upload, word))
    try:
        yield True
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        with suppress(Unavailable):  # then it lapses by itself
            await _ask(store, upload, word, 0)


async def _taken(store: Store, upload: Upload, word: str) -> bool:
    loop, pause_s = asyncio.get_running_loop(), _FIRST_PAUSE_S
    give_up_at = loop.time() + _WAIT_S_MAX
    while (answer := await _ask(store, upload, word, _TURN_MS)) == b"busy":
        if loop.time() > give_up_at:
            raise Refusal("conflict", "the upload is being completed by another request: ask again for its result")
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _PAUSE_S_MAX)
    return answer == b"held"


async def _renew(store: Store, upload: Upload, word: str) -> None:
    while True:
        await asyncio.sleep(_RENEWED_EVERY_S)
        with suppress(Unavailable):
            await _ask(store, upload, word, _TURN_MS)


async def _ask(store: Store, upload: Upload, word: str, span_ms: int) -> bytes:
    found: bytes = await store.run(HOLD_COMPLETION, args=[upload.id, upload.user_id, word, span_ms])
    return found
