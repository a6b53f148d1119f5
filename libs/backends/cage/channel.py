"""Our end of a socket to a child: frames both ways, and open files along with them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from libs.backends.cage.frames import PREFIX_BYTES, body_size, pack, unpack

__all__ = ["Channel"]

_FILES_MAX = 4


class Channel:
    """One conversation at a time: whoever breaks off in the middle closes it."""

    def __init__(self, end: socket.socket) -> None:
        """Take over a connected stream socket."""
        end.setblocking(False)
        self._end = end

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    async def send(self, message: Mapping[str, Any], files: Sequence[int] = ()) -> None:
        """Say something, with open files that the other end gets copies of. Raises OSError when it hangs up."""
        left, loop = memoryview(pack(message)), asyncio.get_running_loop()
        while files and left:
            try:
                left, files = left[socket.send_fds(self._end, [left], files) :], ()
            except BlockingIOError:
                await _until_writable(self._end)
        await loop.sock_sendall(self._end, left)

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises EOFError when the other end hung up, ValueError for what is none, OSError."""
        return unpack(await self._exactly(body_size(await self._exactly(PREFIX_BYTES))))

    async def receive_file(self) -> tuple[dict[str, Any], int]:
        """A short message that comes with an open file, which is the caller's to close; -1 where none came."""
        await _until_readable(self._end)
        data, files, _, _ = socket.recv_fds(self._end, PREFIX_BYTES, _FILES_MAX)
        for more in files[1:]:
            os.close(more)
        head = data + await self._exactly(PREFIX_BYTES - len(data))
        return unpack(await self._exactly(body_size(head))), files[0] if files else -1

    async def _exactly(self, size_bytes: int) -> bytes:
        loop, found = asyncio.get_running_loop(), bytearray(size_bytes)
        view, at = memoryview(found), 0
        while at < size_bytes:
            came = await loop.sock_recv_into(self._end, view[at:])
            if came == 0:
                raise EOFError
            at += came
        return bytes(found)


async def _until_writable(end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(end.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(end.fileno())


async def _until_readable(end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(end.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(end.fileno())
