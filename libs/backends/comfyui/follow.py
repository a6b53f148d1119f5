"""Following a prompt to its end: its record over HTTP is the truth, the socket tells progress and when to look."""

from __future__ import annotations

import asyncio

from libs.backends.comfyui.listener import Heard, Listener
from libs.backends.comfyui.patience import Patience
from libs.backends.comfyui.progress import GraphProgress
from libs.backends.comfyui.record import Record
from libs.backends.comfyui.server import Graph, Server
from libs.backends.submission import Watcher
from libs.errors import Unavailable

__all__ = ["Follower", "IdleServerError", "SilentError"]


class SilentError(Exception):
    """A prompt runs, and nothing was heard of it for longer than may be."""


class IdleServerError(Exception):
    """A prompt waits at a server that runs nothing, and goes on running nothing."""


class Follower:
    """Follows the prompts of one graph for one watcher.

    Time is the server's: a prompt that waits in its queue lives, and so does one that is heard of. `silence_s` is how
    long a running one may be silent.
    """

    def __init__(self, server: Server, graph: Graph, watcher: Watcher, patience: Patience, silence_s: float) -> None:
        self._server = server
        self._graph = graph
        self._watcher = watcher
        self._patience = patience
        self._silence_s = silence_s
        self._progress = GraphProgress(graph)
        self._idle_since: float | None = None

    async def end_of(self, prompt_id: str, listener: Listener) -> Record:
        """The record of a prompt that lives no more.

        Raises Unavailable when the server stays away, SilentError and IdleServerError where it does not end.
        """
        clock = asyncio.get_running_loop()
        while (record := await self._look(prompt_id)).alive:
            if record.state == "pending":
                listener.sign_at = clock.time()
                await self._check_that_it_works()
            elif clock.time() - listener.sign_at > self._silence_s:
                raise SilentError
            await self._hear(listener)
        return record

    async def _check_that_it_works(self) -> None:
        """What runs is somebody's, however long it takes; that nothing runs while something waits is a fault."""
        now = asyncio.get_running_loop().time()
        try:
            is_idle = await self._server.is_idle()
        except Unavailable:
            return
        self._idle_since = (self._idle_since or now) if is_idle else None
        if self._idle_since is not None and now - self._idle_since > self._patience.idle_s:
            raise IdleServerError

    async def _look(self, prompt_id: str) -> Record:
        """The record; a server that is away for a while, to restart say, is waited for."""
        clock = asyncio.get_running_loop()
        patient_until = clock.time() + self._patience.away_s
        while True:
            try:
                return await self._server.look_up(prompt_id)
            except Unavailable:
                if clock.time() > patient_until:
                    raise
                await asyncio.sleep(self._patience.reconnect_s)

    async def _hear(self, listener: Listener) -> None:
        """Pass on news until it is time to look at the record: the end was told, the socket broke, or is silent.

        The end is told twice, just before it is on record and just after.
        """
        while heard := await listener.hear(min(self._patience.poll_s, self._silence_s)):
            await self._tell(heard)
            if heard.look:
                return

    async def _tell(self, heard: Heard) -> None:
        if heard.node:
            self._progress.begin(heard.node)
        if heard.progress:
            progress = self._progress.overall(heard.progress)
            node_class = str(self._graph.get(progress.node or "", {}).get("class_type", ""))
            message = "sampling" if "Sampler" in node_class else node_class
            await self._watcher.progress(progress.done, progress.total, message)
        if heard.preview:
            await self._watcher.preview(heard.preview.picture, heard.preview.content_type)
        if heard.note:
            await self._watcher.log(heard.note.text)
