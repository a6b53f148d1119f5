"""Server-sent events of a job (WHATWG HTML, section 9.2): what was, what is, what comes, until `done`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs.errors import Unavailable
from libs.jobs.events import Event, SlowReaderError

__all__ = ["EventStream"]

_RETRY_MS = 3_000
_COMMENT_S = 15.0
_SEND_S_MAX = 20.0


class EventStream(Response):
    """Streams events as they come. Who takes nothing for 20 s is cut off, and may come back."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[Event, None], draining: asyncio.Event, headers: Mapping[str, str]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers})
        self._events = events
        self._draining = draining
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; returns when the events end, the reader goes, or the process drains."""

        async def write(chunk: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(_SEND_S_MAX):
                await send({"type": "http.response.body", "body": chunk, "more_body": more})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        leaving = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._draining.wait())]
        try:
            with contextlib.suppress(TimeoutError):
                await write(f"retry: {_RETRY_MS}\n\n".encode())
                async for chunk in self._chunks(leaving):
                    await write(chunk)
                await write(b"", more=False)
        finally:
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)

    async def _chunks(self, leaving: Sequence[asyncio.Task[Any]]) -> AsyncIterator[bytes]:
        """Events as text, and a comment whenever nothing was said for 15 s."""
        coming = asyncio.ensure_future(anext(self._events, None))
        try:
            while True:
                done, _ = await asyncio.wait(
                    {coming, *leaving}, timeout=_COMMENT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if any(task in done for task in leaving):
                    return
                if not done:
                    yield b": still here\n\n"
                    continue
                event = coming.result()
                if event is None:
                    return
                yield _text(event)
                coming = asyncio.ensure_future(anext(self._events, None))
        except (SlowReaderError, Unavailable):
            return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await self._events.aclose()


def _text(event: Event) -> bytes:
    """Data is JSON on one line, so one `data:` field holds it."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.type.encode(), event.data)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
