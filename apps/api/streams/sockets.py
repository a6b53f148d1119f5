"""WS /ws/jobs/{id}: the events of a job as JSON messages, the same as over server-sent events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack

import orjson
from starlette.types import Message, Receive, Scope, Send

from apps.api.state import ApiState
from apps.api.streams.following import follow, read_event_id
from libs import limits
from libs.access.caller import Caller
from libs.errors import ArqadeError, Refusal, Unavailable
from libs.jobs.events import Event, SlowReaderError

__all__ = ["Sockets"]

_PATH = re.compile(r"/ws/jobs/([^/]+)/?")
_LAST_EVENT_ID = re.compile(rb"(?:^|&)last_event_id=([0-9]+-[0-9]+)(?:&|$)")

# Close codes: RFC 6455, 7.4.1, and of the private range the HTTP status behind 4000.
_DONE, _GOING_AWAY, _TRY_AGAIN = 1000, 1001, 1013
_OF_STATUS = 4000
_REFUSED = 4401


class Sockets:
    """Accepts a follower of a job, tells it everything until `done`, and closes.

    A refusal is told by the close code: 4401 no valid credential, 4403 no scope, 4404 no such job, 4429 too many.
    """

    def __init__(self, api: ApiState) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if (await receive())["type"] != "websocket.connect":
            return
        if _PATH.fullmatch(scope["path"]) is None:
            await send({"type": "websocket.close"})  # before it is accepted: 403
            return
        async with AsyncExitStack() as held:
            try:
                caller, job_id, last_id = await self._let_in(scope)
                await held.enter_async_context(self._api.streams.entered(caller.api_key_id))
            except ArqadeError as error:
                await _refuse(send, error)
                return
            await send({"type": "websocket.accept"})
            await self._tell(follow(self._api, caller, job_id, last_id), caller, receive, send)

    async def _let_in(self, scope: Scope) -> tuple[Caller, str, str | None]:
        path = _PATH.fullmatch(scope["path"])
        if path is None:
            raise Refusal("not_found")
        caller: Caller | None = scope.get("arqade.caller")
        if caller is None:
            raise scope.get("arqade.no_caller") or Refusal("unauthorized")
        if not caller.may("jobs:read"):
            raise Refusal("insufficient_scope")
        job = await self._api.resources.records.load_job(caller.user_id, path[1])
        resumed = _LAST_EVENT_ID.search(scope.get("query_string", b""))
        return caller, job.id, read_event_id(resumed[1].decode()) if resumed else None

    async def _tell(self, events: AsyncGenerator[Event, None], caller: Caller, receive: Receive, send: Send) -> None:
        telling = asyncio.create_task(_tell_all(events, send))
        refused = self._api.resources.directory.until_refused(caller.digest)
        leaving = [
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(self._api.draining.wait()),
            asyncio.create_task(refused),
        ]
        try:
            await asyncio.wait({telling, *leaving}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                await _close(send, telling.result())
            elif leaving[1].done():
                await _close(send, _GOING_AWAY)
            elif leaving[2].done():
                await _close(send, _REFUSED, "invalid_token")
        finally:
            for task in (telling, *leaving):
                task.cancel()
            await asyncio.gather(telling, *leaving, return_exceptions=True)
            await events.aclose()


async def _tell_all(events: AsyncGenerator[Event, None], send: Send) -> int:
    """The close code to end with."""
    try:
        async for event in events:
            async with asyncio.timeout(limits.SLOW_READER_S):
                await send({"type": "websocket.send", "text": _text(event)})
    except (SlowReaderError, TimeoutError, Unavailable):
        return _TRY_AGAIN
    return _DONE


def _text(event: Event) -> str:
    return orjson.dumps({"id": event.id, "type": event.type, "data": orjson.Fragment(event.data)}).decode()


async def _refuse(send: Send, error: ArqadeError) -> None:
    """Accept, so that the code can be read, and close: a browser learns nothing from a refused handshake."""
    await send({"type": "websocket.accept"})
    code = _OF_STATUS + error.problem.status if isinstance(error, Refusal) else _TRY_AGAIN
    await _close(send, code, error.code if isinstance(error, Refusal) else "dependency_unavailable")


async def _close(send: Send, code: int, reason: str = "") -> None:
    await send({"type": "websocket.close", "code": code, "reason": reason})


async def _gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
