"""The stand-in on a port: connections in, answers and events out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from libs.embedded.comfyui_standin.execution import Execution
from libs.embedded.comfyui_standin.faults import Fault, Faults
from libs.embedded.comfyui_standin.files import Files
from libs.embedded.comfyui_standin.nodes import CHECKPOINTS
from libs.embedded.comfyui_standin.prompts import Ending, Prompt, Prompts
from libs.embedded.comfyui_standin.routes import Generation, Routes
from libs.embedded.comfyui_standin.sockets import Socket, Sockets
from libs.embedded.comfyui_standin.stage import Stage
from libs.embedded.comfyui_standin.wire import (
    HEAD_BYTES_MAX,
    BadRequestError,
    Request,
    Response,
    read_request,
    response_head,
    write_response,
)

__all__ = ["Standin"]

_HUGE_BYTES = 1_000_000_000
_CHUNK = bytes(1_000_000)
_DRIP_S = 0.05
_ANSWER_FAULTS = ("hang", "status_500", "html", "garbage", "cut", "deaf", "huge", "huge_declared", "drip")
_HTML = b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>"


class Standin:
    """A stand-in ComfyUI. `step_ms` is how long one sampling step takes; `faults` are on from the start."""

    def __init__(
        self,
        *,
        step_ms: float = 20.0,
        generation: Generation = "newest",
        faults: Iterable[Fault] = (),
        checkpoints: Sequence[str] = tuple(CHECKPOINTS),
    ) -> None:
        self.faults = Faults(faults)
        self.sockets = Sockets()
        files = Files()
        self.stage = stage = Stage(self.sockets, files, self.faults, step_ms / 1_000)
        self.prompts = Prompts(Execution(stage, self.sockets, self.faults).run, self._after)
        self.prompts.is_dead = lambda: self.faults.strikes("dead_runner") is not None
        self.routes = Routes(self.prompts, files, self.faults, generation, checkpoints)
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Serve until the block ends; yields the port."""
        server = await asyncio.start_server(self._connected, host, port, limit=HEAD_BYTES_MAX)
        worker = asyncio.create_task(self.prompts.work())
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in (worker, *self._connections):
                task.cancel()
            await asyncio.gather(worker, *self._connections, return_exceptions=True)

    async def _after(self, prompt: Prompt, ending: Ending) -> None:
        """What is told once the end of a run is in the history."""
        if ending.kept:
            await self.sockets.send(prompt.client_id, "executing", {"node": None, "prompt_id": prompt.prompt_id})
        await self._tell_status()

    async def _tell_status(self, client_id: str | None = None) -> None:
        status = {"exec_info": {"queue_remaining": self.prompts.remaining}}
        await self.sockets.send(client_id, "status", {"status": status})

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            # An end of this server ends its connections; asyncio's streams would log a canceled one as an error.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await read_request(reader)
            except BadRequestError:
                await write_response(writer, Response(400), keeps_alive=False)
                return
            if request is None:
                return
            if request.path in ("/ws", "/api/ws"):
                await self._serve_socket(request, Socket(reader, writer))
                return
            if not await self._answer(request, writer):
                return

    async def _serve_socket(self, request: Request, socket: Socket) -> None:
        if self.faults.strikes("hang", path=request.path):
            await asyncio.Event().wait()
        if "origin" in request.headers or not await socket.accept(request):
            return
        client_id = self.sockets.add(request.query.get("clientId", ""), socket)
        try:
            await self._tell_status(client_id)
            await socket.listen()
        finally:
            self.sockets.remove(client_id, socket)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; returns whether the connection may go on."""
        fault = None
        if not request.path.startswith("/standin"):
            fault = self.faults.strikes(*_ANSWER_FAULTS, path=request.path)
        if fault in _PLAIN_FAULTS:
            await write_response(writer, _PLAIN_FAULTS[fault], keeps_alive=True)
            return True
        if fault == "hang":
            await asyncio.Event().wait()
        response = self.routes.answer(request)
        if fault:
            await _BROKEN[fault](writer, response)
            return False
        await write_response(writer, response, keeps_alive=request.keeps_alive)
        return request.keeps_alive


async def _cut(writer: asyncio.StreamWriter, response: Response) -> None:
    """The head and half of the body, then nothing more."""
    writer.write(response_head(response, len(response.body) + 1, keeps_alive=False))
    writer.write(response.body[: len(response.body) // 2])
    await writer.drain()


async def _deaf(_writer: asyncio.StreamWriter, _response: Response) -> None:
    """Carried out, and not told."""


async def _huge(writer: asyncio.StreamWriter, response: Response) -> None:
    writer.write(response_head(response, None, keeps_alive=False))
    await _send_huge(writer)


async def _huge_declared(writer: asyncio.StreamWriter, response: Response) -> None:
    writer.write(response_head(response, _HUGE_BYTES, keeps_alive=False))
    await _send_huge(writer)


async def _send_huge(writer: asyncio.StreamWriter) -> None:
    for _ in range(_HUGE_BYTES // len(_CHUNK)):
        writer.write(_CHUNK)
        await writer.drain()


async def _drip(writer: asyncio.StreamWriter, response: Response) -> None:
    body = response.body or b" " * 1_000
    writer.write(response_head(response, len(body), keeps_alive=False))
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


_PLAIN_FAULTS = {
    "status_500": Response(500, b"500 Internal Server Error"),
    "html": Response(200, _HTML, "text/html"),
    "garbage": Response(200, b"\x00\xff{]", "application/json"),
}
_BROKEN: dict[str, Callable[[asyncio.StreamWriter, Response], Awaitable[None]]] = {
    "cut": _cut,
    "deaf": _deaf,
    "huge": _huge,
    "huge_declared": _huge_declared,
    "drip": _drip,
}
