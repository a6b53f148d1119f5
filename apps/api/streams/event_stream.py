"""Server-sent events of a job (WHATWG HTML, section 9.2): what was, what is, what comes, until `done`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs import limits
from libs.errors import Unavailable
from libs.jobs.events import Event, SlowReaderError

__all__ = ["EventStream"]

_RETRY_MS = 3_000
_COMMENT_S = 15.0
_LAST_WORD_S = 0.5

#: Something that is waited for, such as the wait of an event.
Ending = Callable[[], Awaitable[object]]


class EventStream(Response):
    """Streams events as they come. Who takes nothing for SLOW_READER_S is cut off, and may come back."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        endings: Sequence[Ending],
        held: contextlib.AbstractAsyncContextManager[object],
    ) -> None:
        """Each of `endings` is waited for, and ends the stream from our side, whether its reader reads or not.

        `held` is entered for as long as the stream is open.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._events = events
        self._endings = endings
        self._held = held
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; returns when the events end, the reader goes, or one of the endings comes."""
        async with self._held:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._tell_until_an_end(receive, send)
            with contextlib.suppress(TimeoutError):
                await _write(send, b"", more=False, within_s=_LAST_WORD_S)

    async def _tell_until_an_end(self, receive: Receive, send: Send) -> None:
        telling = asyncio.create_task(self._tell(send))
        leaving = [asyncio.create_task(_gone(receive)), *[asyncio.create_task(_wait(end)) for end in self._endings]]
        try:
            await asyncio.wait({telling, *leaving}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            for task in (telling, *leaving):
                task.cancel()
            await asyncio.gather(telling, *leaving, return_exceptions=True)
            await self._events.aclose()

    async def _tell(self, send: Send) -> None:
        with contextlib.suppress(SlowReaderError, TimeoutError, Unavailable):
            await _write(send, f"retry: {_RETRY_MS}\n\n".encode())
            async for chunk in self._chunks():
                await _write(send, chunk)

    async def _chunks(self) -> AsyncIterator[bytes]:
        """Events as text, and a comment whenever nothing was said for 15 s."""
        coming = asyncio.ensure_future(anext(self._events, None))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=_COMMENT_S)
                if not done:
                    yield b": still here\n\n"
                    continue
                event = coming.result()
                if event is None:
                    return
                yield _text(event)
                coming = asyncio.ensure_future(anext(self._events, None))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _write(send: Send, chunk: bytes, *, more: bool = True, within_s: float | None = None) -> None:
    async with asyncio.timeout(limits.SLOW_READER_S if within_s is None else within_s):
        await send({"type": "http.response.body", "body": chunk, "more_body": more})


def _text(event: Event) -> bytes:
    """Data is JSON on one line, so one `data:` field holds it."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.type.encode(), event.data)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _wait(ending: Ending) -> None:
    await ending()
