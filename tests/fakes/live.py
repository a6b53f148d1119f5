"""An application of this process on a port, for what httpx's own transport cannot do: answers that come bit by bit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp

from tests.fakes.sse import Sent, read_event
from tests.patience import PATIENCE_S

__all__ = ["Stream", "following", "serving"]


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve it; yields its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    serve = asyncio.create_task(server._serve())  # not `serve`, which takes over this process's signals
    async with asyncio.timeout(PATIENCE_S):
        while not server.started:
            await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await serve


class Stream:
    """An open stream of server-sent events."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> Sent | None:
        """The next event, in time; None when the other side has ended the stream."""
        async with asyncio.timeout(PATIENCE_S):
            return await read_event(self._lines)

    async def rest(self) -> list[Sent]:
        """What follows, up to the end of the stream."""
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events

    async def types(self) -> list[str]:
        """The types of what follows."""
        return [event.type for event in await self.rest()]


@asynccontextmanager
async def following(http: httpx.AsyncClient, url: str, headers: dict[str, str]) -> AsyncIterator[Stream]:
    """Open a stream; closing it early is what a browser does that goes away."""
    async with http.stream("GET", url, headers=headers) as answer:
        yield Stream(answer)
