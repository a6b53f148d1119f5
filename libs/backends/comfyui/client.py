"""ComfyUI as the handlers see it: run this graph, what do you offer, are you well."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, Protocol

from libs.backends.comfyui.catalogue import choices
from libs.backends.comfyui.object_info import Offer
from libs.backends.comfyui.outputs import Outcome
from libs.backends.comfyui.patience import Patience
from libs.backends.comfyui.record import DEVICE_FAULT, SERVER_STUCK
from libs.backends.comfyui.run import Run, Wishes
from libs.backends.comfyui.server import Graph, Server
from libs.backends.submission import Submission, Watcher
from libs.backends.transport import FileContent
from libs.errors import ArqadeError, Failure, Unavailable

__all__ = ["ComfyUI", "Health"]

_VERSION_LENGTH_MAX: Final = 40
_NO_WISHES: Final = Wishes()


class Health(Protocol):
    """Who is told how a server does; `libs.backends.fleet.health.Health` tells what each word means."""

    async def heard(self, *, good: bool) -> None:
        """A run's calls went well, or the server was away for them."""

    async def sideline(self, why: str) -> None:
        """Its device reported a fault."""


class ComfyUI:
    """One ComfyUI server.

    `url` is where it listens; without one every call raises Unavailable, and the jobs wait for an operator.
    `timeout_s` is how long a running prompt may show no sign of life; what waits in ComfyUI's own queue, or makes
    progress, is not timed out here. `name` is what a job's record calls the server. Raises ValueError when `url` is no
    http or https URL.
    """

    def __init__(
        self,
        url: str | None,
        timeout_s: float = 300.0,
        *,
        name: str = "comfyui",
        patience: Patience | None = None,
        health: Health | None = None,
    ) -> None:
        self.name = name
        self._health = health
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
        wishes: Wishes = _NO_WISHES,
    ) -> Outcome:
        """Run a graph for an attempt and return all that it leaves behind.

        `uploads` are files that the graph reads, by name: each (its bytes, or the path of a file) is put into the
        server's input folder first, and every input of a node whose value is exactly that name is made to name it
        there, as `LoadImage` wants it. So choose names that no text of the caller's can equal, such as the id of an
        upload with its extension (`upload_….png`): the extension is kept. With nothing in it, nothing is replaced.

        A server may take a graph and leave out some of its outputs: that is a failure unless `wishes` say otherwise.

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
            wishes=wishes,
            timeout_s=self._timeout_s,
            patience=self._patience,
        )
        try:
            outcome = await run.outcome()
        except asyncio.CancelledError:
            await self._say_farewell(run)
            raise
        except ArqadeError as error:
            await self._tell_health(error)
            raise
        await self._tell_health(None)
        return outcome

    async def end(self, submission: Submission) -> None:
        """End what was submitted for a job that nobody will resume; nothing happens when it has ended.

        What was submitted to a server that is no longer in the fleet is nobody's to end.
        """
        if submission.backend == self.name:
            await self.end_prompt(submission.ref)

    async def end_prompt(self, prompt_id: str) -> None:
        """End a prompt; nothing happens when it has ended, or is not known."""
        await self._require_server().cancel(prompt_id)

    async def object_info(self) -> dict[str, Any]:
        """Every node class and what it takes, in ComfyUI's own words."""
        return await self._require_server().object_info()

    async def offer(self) -> Offer:
        """Its node classes as far as they can be read; raises UnreadableOfferError where none can."""
        return await self._require_server().offer()

    async def declarations(self, names: Collection[str]) -> dict[str, Any]:
        """What it says of some node classes, in ComfyUI's own words."""
        return await self._require_server().declarations(names)

    async def models(self) -> list[str]:
        """The checkpoints it lists, its first choice first."""
        info = await self._require_server().object_info("CheckpointLoaderSimple")
        return choices(info, "CheckpointLoaderSimple", "ckpt_name")

    async def stats(self) -> dict[str, Any]:
        """What the server says of itself and its devices."""
        return await self._require_server().system_stats()

    async def version(self) -> dict[str, str]:
        """What the server says of itself: `comfyui`, `python`, `pytorch`, where it does.

        Raises Unavailable when it does not answer, or not as a ComfyUI.
        """
        system = (await self._require_server().system_stats()).get("system")
        if not isinstance(system, dict):
            raise Unavailable("comfyui", "comfyui does not say what it is")
        told = {name: system.get(f"{name}_version") for name in ("comfyui", "python", "pytorch")}
        return {name: text[:_VERSION_LENGTH_MAX] for name, text in told.items() if isinstance(text, str)}

    async def _tell_health(self, error: ArqadeError | None) -> None:
        """What a run says of its server: that it is away, that its device is broken, or that it does its work."""
        if self._health is None:
            return
        if isinstance(error, Failure) and error.code in (DEVICE_FAULT, SERVER_STUCK):
            await self._health.sideline(error.code)
        elif not isinstance(error, Unavailable):
            await self._health.heard(good=True)
        elif error.part == "comfyui":
            await self._health.heard(good=False)

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
