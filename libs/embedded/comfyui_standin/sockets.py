"""The WebSocket side: one socket a client id, events as ComfyUI sends them (RFC 6455 is left to `websockets`)."""

from __future__ import annotations

import asyncio
import struct
import uuid
from typing import Any

import orjson
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from libs.embedded.comfyui_standin.wire import Request

__all__ = ["Socket", "Sockets"]

_READ_BYTES = 65_536
_FORMATS = {"image/jpeg": 1, "image/png": 2}
_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4


class Socket:
    """One client's WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.supports_metadata = False
        self._reader = reader
        self._writer = writer
        self._protocol = ServerProtocol()

    async def accept(self, request: Request) -> bool:
        """Answer the handshake; returns whether the socket is open."""
        self._protocol.receive_data(request.head)
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._protocol.send_response(self._protocol.accept(event))
        await self._flush()
        return self._protocol.state.name == "OPEN"

    async def listen(self) -> None:
        """Read until the client is gone; its first message may be its feature flags."""
        first = True
        while data := await self._reader.read(_READ_BYTES):
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    self._negotiate(bytes(event.data) if first else b"")
                    first = False
            await self._flush()
            if self._protocol.close_expected():
                return

    def _negotiate(self, message: bytes) -> None:
        try:
            told = orjson.loads(message)
        except orjson.JSONDecodeError:
            return
        if told.get("type") == "feature_flags":
            self.supports_metadata = bool(told.get("data", {}).get("supports_preview_metadata"))

    async def send_text(self, text: bytes) -> None:
        """Send a text message, if the socket is still open."""
        if self._protocol.state.name == "OPEN" and not self._writer.is_closing():
            self._protocol.send_text(text)
            await self._flush()

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, if the socket is still open."""
        if self._protocol.state.name == "OPEN" and not self._writer.is_closing():
            self._protocol.send_binary(data)
            await self._flush()

    def cut(self) -> None:
        """End the connection without a word."""
        self._writer.transport.abort()

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError:
            self._writer.transport.abort()


class Sockets:
    """Who listens: at most one socket a client id."""

    def __init__(self) -> None:
        self._sockets: dict[str, Socket] = {}

    def add(self, client_id: str, socket: Socket) -> str:
        """Take a socket in, in place of an earlier one of the same client; returns its id."""
        client_id = client_id or uuid.uuid4().hex
        self._sockets[client_id] = socket
        return client_id

    def remove(self, client_id: str, socket: Socket) -> None:
        """Let a socket go, unless another has taken its place."""
        if self._sockets.get(client_id) is socket:
            del self._sockets[client_id]

    def cut(self, client_id: str | None) -> None:
        """Cut a client's connection."""
        for socket in self._of(client_id):
            socket.cut()

    def cut_all(self) -> None:
        """Cut every connection."""
        for socket in list(self._sockets.values()):
            socket.cut()

    async def send(self, client_id: str | None, event: str, data: dict[str, Any]) -> None:
        """Send an event to a client; without one, to all."""
        for socket in self._of(client_id):
            await socket.send_text(orjson.dumps({"type": event, "data": data}))

    async def send_gibberish(self, client_id: str | None) -> None:
        """Messages that make no sense."""
        for socket in self._of(client_id):
            for text in (b"no json", b"[]", b'{"type":"progress","data":{"value":"x","max":null}}', b'{"data":7}'):
                await socket.send_text(text)
            for frame in (b"", b"\x00", struct.pack(">II", _PREVIEW_WITH_METADATA, 2**31) + b"x", b"\xff" * 9):
                await socket.send_bytes(frame)

    async def send_preview(
        self, client_id: str | None, picture: bytes, metadata: dict[str, Any], *, content_type: str = "image/jpeg"
    ) -> None:
        """Send a preview: with its metadata to whoever asked for that."""
        told = orjson.dumps({**metadata, "image_type": content_type})
        kind = _FORMATS[content_type]
        for socket in self._of(client_id):
            if socket.supports_metadata:
                await socket.send_bytes(struct.pack(">II", _PREVIEW_WITH_METADATA, len(told)) + told + picture)
            else:
                await socket.send_bytes(struct.pack(">II", _PREVIEW, kind) + picture)

    async def send_note(self, client_id: str | None, node: str, text: str) -> None:
        """Send a node's line of text."""
        for socket in self._of(client_id):
            await socket.send_bytes(struct.pack(">II", _TEXT, len(node)) + node.encode() + text.encode())

    def _of(self, client_id: str | None) -> list[Socket]:
        if client_id is None:
            return list(self._sockets.values())
        socket = self._sockets.get(client_id)
        return [socket] if socket else []
