"""What a WebSocket's client may say: next to nothing, in frames of every kind."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs import limits
from tests.fakes.api import Api
from tests.fakes.callers import make_caller
from tests.fakes.callers import submit as submit_for
from tests.fakes.wire import Listening, Wire

TEXT, BINARY, CLOSE, PING, CONTINUED = 1, 2, 8, 9, 0
HANDSHAKE = (
    b"GET /ws/jobs/%b HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%b\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def frame(opcode: int, payload: bytes = b"", *, last: bool = True, packed: bool = False) -> bytes:
    """As a client sends it: masked, by zeros."""
    first = (0x80 if last else 0) | (0x40 if packed else 0) | opcode
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([first]) + length + bytes(4) + payload


@asynccontextmanager
async def follower(api: Api, server: Listening, more: bytes = b"") -> AsyncIterator[Wire]:
    key = await api.key("internal")
    caller = await server.state.door.let_in(key, None)
    assert caller is not None
    job_id = (await submit_for(api.resources.store, make_caller(user_id=caller.user_id))).job_id
    async with server.wire() as wire:
        await wire.send(HANDSHAKE % (job_id.encode(), key.encode(), more))
        assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        if not more:
            await wire.until(b"snapshot")
        yield wire


async def closed_with(wire: Wire) -> int:
    """The code of the close frame that comes in the end."""
    told = await wire.rest()
    at = told.rfind(b"\x88")
    return int(struct.unpack("!H", told[at + 2 : at + 4])[0])


async def test_pings_are_answered_and_a_flood_of_them_is_cut(api: Api, server: Listening) -> None:
    async with follower(api, server) as wire:
        await wire.send(frame(PING, b"once"))
        await wire.until(b"once")
        await wire.send(frame(PING) * (limits.SOCKET_BYTES_MAX // 6 + 2_000))
        assert await closed_with(wire) == 1008


async def test_fragments_of_nothing_that_never_end_are_cut(api: Api, server: Listening) -> None:
    async with follower(api, server) as wire:
        await wire.send(frame(TEXT, b"", last=False))
        (connection,) = server.connections
        for _ in range(100):
            await wire.send(frame(CONTINUED, b"", last=False) * 200)
            if connection.transport.is_closing():
                break
        assert len(connection.frames) < limits.SOCKET_BYTES_MAX
        assert await closed_with(wire) == 1008


async def test_small_messages_without_end_are_cut(api: Api, server: Listening) -> None:
    async with follower(api, server) as wire:
        for _ in range(40):
            await wire.send(frame(TEXT, b"x" * 100) * 10)
            if server.connections == []:
                break
        assert await closed_with(wire) == 1008


@pytest.mark.parametrize("fragments", [1, 4])
async def test_a_message_that_is_too_long_is_cut(api: Api, server: Listening, fragments: int) -> None:
    size = limits.SOCKET_MESSAGE_BYTES_MAX // fragments + 1
    frames = [frame(BINARY if n == 0 else CONTINUED, bytes(size), last=n == fragments - 1) for n in range(fragments)]
    async with follower(api, server) as wire:
        await wire.send(b"".join(frames))
        assert await closed_with(wire) == 1009


async def test_a_small_frame_that_unpacks_to_much_is_cut(api: Api, server: Listening) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    bomb = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    async with follower(api, server, DEFLATE) as wire:
        await wire.send(frame(TEXT, bomb[: limits.SOCKET_MESSAGE_BYTES_MAX], packed=True))
        assert await closed_with(wire) == 1009


async def test_a_little_now_and_then_is_no_flood(api: Api, server: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOCKET_BYTES_PER_S", 1_000_000)
    async with follower(api, server) as wire:
        for _ in range(10):
            await wire.send(frame(PING, bytes(100)) * (limits.SOCKET_BYTES_MAX // 250))
            await asyncio.sleep(0.05)
        await wire.send(frame(PING, b"still here"))
        await wire.until(b"still here")
