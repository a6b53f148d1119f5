"""Following a job: its stream for what was, one shared subscription of the process for what comes.

Event ids are the Redis stream's. A follower who gives the last id it saw misses nothing: subscribe first, then read
the stream, then drop what was seen twice. A job that has not started has no stream; what it tells comes by
subscription only, and a late follower reads the record. Nothing comes after `done`, however the subscription was cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.subscription import Subscription

__all__ = ["Event", "EventHub", "Following", "SlowReaderError", "id_before", "order_of"]

log = logging.getLogger(__name__)

#: A follower that lags by so many events, or bytes of them, is cut off; it may come back with its last id.
LAG_MAX = 256
LAG_BYTES_MAX = 4 * 1024 * 1024
#: Events that are read from the stream at once: they are told one by one.
_REPLAYED_AT_ONCE = 64
_REOPEN_S = 0.5
_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
#: Ids that a reader remembers having told: as many as a stream keeps, and as may wait for the reader.
_TOLD_MAX = 1_000 + LAG_MAX
#: What was published before the reader's first event may be heard so long after it.
_HEARD_LATE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; `data` is a JSON object, `id` the stream's id of it."""

    id: str
    type: str
    data: bytes

    @property
    def order(self) -> tuple[int, int]:
        """Stream ids compare as two numbers."""
        return order_of(self.id)


class SlowReaderError(Exception):
    """A follower did not read for so long that it was cut off."""


def order_of(event_id: str) -> tuple[int, int]:
    """The two numbers of a stream id; raises ValueError on anything else."""
    match = _ID.fullmatch(event_id)
    if match is None:
        raise ValueError("no id of a stream")
    return int(match[1]), int(match[2] or 0)


def id_before(event_id: str) -> str:
    """The highest id that is lower."""
    at_ms, number = order_of(event_id)
    if number > 0:
        return f"{at_ms}-{number - 1}"
    return f"{at_ms - 1}-{2**64 - 1}" if at_ms > 0 else "0-0"


class _Told:
    """What a reader was told. Ids say what was told before; the order of them does not, for a clock may step back."""

    def __init__(self, after: str) -> None:
        self._after = self.last = order_of(after)
        self._ids: dict[str, None] = {}

    def is_news(self, event: Event) -> bool:
        """Whether the event is to be told, which it is from now on."""
        if event.id in self._ids or self._came_before(event):
            return False
        self._ids[event.id] = None
        if len(self._ids) > _TOLD_MAX:
            del self._ids[next(iter(self._ids))]
        self.last = event.order
        return True

    def _came_before(self, event: Event) -> bool:
        if event.type == "done":
            return False  # whoever has seen the end does not ask
        if event.type == "preview" and event.order <= self.last:
            return True  # its moment has passed: the stream keeps none, so what came behind it was told already
        return event.order <= self._after and self._after[0] - event.order[0] <= _HEARD_LATE_MS


class Following:
    """One reader of one job. Made by `EventHub.following`."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store = store
        self._job_id = job_id
        self._arrived: asyncio.Queue[Event | None] = asyncio.Queue(LAG_MAX)
        self._lag_bytes = 0
        self._overrun = False
        self.listening = False

    async def last_id(self) -> str:
        """The id of the job's latest event, `0-0` before it started. Read it before the record it is to stand for."""
        reply = await self._store.call("XREVRANGE", self._store.keys.events + self._job_id, "+", "-", "COUNT", 1)
        return str(reply[0][0].decode()) if reply else "0-0"

    async def first_id(self) -> str | None:
        """The id of the oldest event that is kept, None where there is no stream."""
        reply = await self._store.call("XRANGE", self._store.keys.events + self._job_id, "-", "+", "COUNT", 1)
        return str(reply[0][0].decode()) if reply else None

    async def events(self, after: str) -> AsyncIterator[Event]:
        """Every event behind `after`, as it comes, `done` last.

        A `gap` (data empty) says that the subscription was interrupted: what the stream holds has been told, but a job
        that never started has no stream, so look at its record. Raises SlowReaderError and Unavailable.
        """
        told = _Told(after)
        async with contextlib.aclosing(self._coming(told)) as coming:
            async for event in coming:
                if event.type == "gap" or told.is_news(event):
                    yield event
                if event.type == "done":
                    return

    async def _coming(self, told: _Told) -> AsyncGenerator[Event]:
        """What the stream holds, and then whatever is heard; some of it twice."""
        async for event in self._replay(told.last):
            yield event
        while True:
            arrived = await self._arrived.get()
            if self._overrun:
                raise SlowReaderError
            if arrived is not None:
                self._lag_bytes -= len(arrived.data)
                yield arrived
                continue
            async for event in self._replay(told.last):
                yield event
            yield Event("{}-{}".format(*told.last), "gap", b"")

    def hand(self, event: Event | None) -> None:
        """Called by the hub; None is an interruption."""
        size = 0 if event is None else len(event.data)
        if self._arrived.full() or (self._lag_bytes > 0 and self._lag_bytes + size > LAG_BYTES_MAX):
            self._overrun = True
            return
        self._lag_bytes += size
        self._arrived.put_nowait(event)

    async def _replay(self, seen: tuple[int, int]) -> AsyncIterator[Event]:
        key, last = self._store.keys.events + self._job_id, f"{seen[0]}-{seen[1]}"
        while found := await self._store.call("XRANGE", key, f"({last}", "+", "COUNT", _REPLAYED_AT_ONCE):
            for event_id, members in found:
                fields = dict(zip(members[::2], members[1::2], strict=True))
                yield Event(event_id.decode(), fields[b"type"].decode(), fields[b"data"])
            if len(found) < _REPLAYED_AT_ONCE:
                return
            last = event_id.decode()


class EventHub:
    """One subscription for a whole process, handed to its followers in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followings: dict[str, set[Following]] = {}
        self._subscription: Subscription | None = None
        self._listening: asyncio.Task[None] | None = None
        self._open = asyncio.Event()

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    @contextlib.asynccontextmanager
    async def following(self, job_id: str) -> AsyncIterator[Following]:
        """Follow a job from now on; what happens after this was entered is not missed. Raises Unavailable."""
        following = Following(self._store, job_id)
        channel = self._store.keys.events + job_id
        followings = self._followings.setdefault(channel, set())
        followings.add(following)
        try:
            await self._subscribe(channel)
            following.listening = True
            yield following
        finally:
            followings.discard(following)
            if not followings:
                self._followings.pop(channel, None)
                await self._unsubscribe(channel)

    async def _subscribe(self, channel: str) -> None:
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="events")
        try:
            async with asyncio.timeout(self._store.timeout_s):
                await self._open.wait()
        except TimeoutError:
            raise Unavailable("redis") from None
        if self._subscription is not None:
            await self._subscription.subscribe(channel)

    async def _unsubscribe(self, channel: str) -> None:
        if self._subscription is not None:
            with contextlib.suppress(Unavailable):
                await self._subscription.unsubscribe(channel)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._store.subscription() as subscription:
                    await self._store.call("PING")  # followers are about to read what they missed
                    await self._resume(subscription)
                    async for channel, message in subscription:
                        self._dispatch(channel, message)
            except Unavailable as error:
                log.warning("following events: %s", error)
            self._open.clear()
            self._subscription = None
            await asyncio.sleep(_REOPEN_S)

    async def _resume(self, subscription: Subscription) -> None:
        """Subscribe to what is followed; whoever followed before has missed something."""
        for channel in list(self._followings):
            await subscription.subscribe(channel)
        self._subscription = subscription
        self._open.set()
        for followings in self._followings.values():
            for following in followings:
                if following.listening:
                    following.hand(None)

    def _dispatch(self, channel: bytes, message: bytes) -> None:
        followings = self._followings.get(channel.decode())
        if not followings:
            return
        event_id, kind, data = message.split(b" ", 2)
        event = Event(event_id.decode(), kind.decode(), data)
        for following in followings:
            following.hand(event)
