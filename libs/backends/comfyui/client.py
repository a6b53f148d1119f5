"""ComfyUI as the handlers see it: run this graph, what do you offer, are you well."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from libs.backends.comfyui.catalogue import choices, read_catalogue
from libs.backends.comfyui.node_class import NodeClass, read_classes
from libs.backends.comfyui.outputs import OutputFile
from libs.backends.comfyui.patience import Patience
from libs.backends.comfyui.run import Run
from libs.backends.comfyui.server import Graph, Server
from libs.backends.submission import Submission, Watcher
from libs.backends.transport import FileContent
from libs.errors import ArqadeError, Unavailable

__all__ = ["ComfyUI"]


class ComfyUI:
    """One ComfyUI server.

    `url` is where it listens; without one every call raises Unavailable, and the jobs wait for an operator.
    `timeout_s` is how long one prompt may take there, its wait in ComfyUI's own queue included.
    Raises ValueError when `url` is no http or https URL.
    """

    #: The server's name in a job's record.
    name = "comfyui"

    def __init__(self, url: str | None, timeout_s: float = 300.0, *, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._timeout_s = timeout_s
        self._server = Server(url, self._patience) if url else None
        self._farewells: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Let cancellations that are under way end, then close the connections."""
        if self._farewells:
            await asyncio.wait(self._farewells, timeout=self._patience.farewell_s)
        if self._server:
            await self._server.aclose()

    async def run(
        self,
        graph: Graph,
        watcher: Watcher,
        *,
        uploads: Mapping[str, FileContent] = MappingProxyType({}),
        skipped_outputs_allowed: bool = False,
    ) -> tuple[OutputFile, ...]:
        """Run a graph for an attempt and return every file it leaves behind.

        `uploads` are files that the graph reads, by name: each (its bytes, or the path of a file) is put into the
        server's input folder first, and every input of a node whose value is exactly that name is made to name it
        there, as `LoadImage` wants it. So choose names that no text of the caller's can equal, such as the id of an
        upload with its extension (`upload_….png`): the extension is kept. With nothing in it, nothing is replaced.

        A server may take a graph and leave out some of its outputs: that is a failure unless
        `skipped_outputs_allowed`.

        What an earlier attempt submitted is resumed when it still lives or is done. Every `filename_prefix` in the
        graph is replaced. Being canceled ends the prompt too when the attempt is `canceled` or `timed_out`; else it
        goes on, for whoever resumes the job. Raises Failure (of the prompt) or Unavailable (the server is away).
        """
        run = Run(
            self._require_server(),
            self.name,
            graph,
            watcher,
            uploads=uploads,
            skipped_outputs_allowed=skipped_outputs_allowed,
            timeout_s=self._timeout_s,
            patience=self._patience,
        )
        try:
            return await run.outputs()
        except asyncio.CancelledError:
            await self._say_farewell(run)
            raise

    async def end(self, submission: Submission) -> None:
        """End what was submitted for a job that nobody will resume; nothing happens when it has ended."""
        await self._require_server().cancel(submission.ref)

    async def catalogue(self) -> dict[str, list[str]]:
        """What the server offers: `models`, `samplers`, `schedulers`, `loras` and `node_classes`."""
        return read_catalogue(await self._require_server().object_info())

    async def node_classes(self) -> dict[str, NodeClass]:
        """What its node classes take and give, by name."""
        return await asyncio.to_thread(read_classes, await self._require_server().object_info())

    async def models(self) -> list[str]:
        """The checkpoints it lists, its first choice first."""
        info = await self._require_server().object_info("CheckpointLoaderSimple")
        return choices(info, "CheckpointLoaderSimple", "ckpt_name")

    async def stats(self) -> dict[str, Any]:
        """What the server says of itself and its devices."""
        return await self._require_server().system_stats()

    async def healthy(self) -> bool:
        """Whether the server answers, and answers as a ComfyUI."""
        try:
            return "system" in await self._require_server().system_stats()
        except Unavailable:
            return False

    def _require_server(self) -> Server:
        if self._server is None:
            raise Unavailable("comfyui", "COMFYUI_URL is not set")
        return self._server

    async def _say_farewell(self, run: Run) -> None:
        """Stop a run in a task of its own, so that being canceled once more does not cut it short."""
        farewell = asyncio.create_task(run.stopped())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)
        with suppress(TimeoutError, ArqadeError):
            async with asyncio.timeout(self._patience.farewell_s):
                await asyncio.shield(farewell)
