from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from starlette.types import Message

from apps.api.streams.event_stream import EventStream
from libs.jobs.events import Event
from tests.patience import PATIENCE_S


class Reader:
    """The other side of a stream: takes `room` messages, and then no more."""

    def __init__(self, room: int = 1_000) -> None:
        self.taken: list[Message] = []
        self.full = asyncio.Event()
        self._room = room

    async def send(self, message: Message) -> None:
        if len(self.taken) >= self._room:
            self.full.set()
            await asyncio.Event().wait()
        self.taken.append(message)

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    @property
    def text(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.taken)


class Counted:
    """Whether the stream is counted, and whether its events were closed."""

    open = 0
    closed = False

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    async def events(self, *, more: bool) -> AsyncGenerator[Event, None]:
        try:
            yield Event("1-0", "status", b"{}")
            yield Event("2-0", "progress", b"{}")
            if more:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def answer(stream: EventStream, reader: Reader) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await stream({"type": "http"}, reader.receive, reader.send)


async def test_a_stream_ends_with_its_events() -> None:
    counted, reader = Counted(), Reader()
    await answer(EventStream(counted.events(more=False), (asyncio.Event().wait,), counted()), reader)
    assert reader.text.startswith(b"retry: 3000\n\nid: 1-0\nevent: status\ndata: {}\n\nid: 2-0")
    assert reader.taken[-1]["more_body"] is False
    assert (counted.open, counted.closed) == (0, True)


@pytest.mark.parametrize("room", [2, 3, 1_000])
async def test_an_ending_of_ours_ends_it_whether_its_reader_reads_or_not(room: int) -> None:
    counted, reader, ending = Counted(), Reader(room), asyncio.Event()
    stream = EventStream(counted.events(more=True), (asyncio.Event().wait, ending.wait), counted())
    answering = asyncio.create_task(answer(stream, reader))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.full.wait()
    assert (answering.done(), counted.open) == (False, 1)
    ending.set()
    await answering
    assert (counted.open, counted.closed) == (0, True)


async def test_a_bug_in_the_events_is_not_hidden() -> None:
    async def broken() -> AsyncGenerator[Event, None]:
        yield Event("1-0", "status", b"{}")
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await answer(EventStream(broken(), (), contextlib.nullcontext()), Reader())
