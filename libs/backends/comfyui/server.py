"""ComfyUI's HTTP routes, one method each; both generations of its API answer alike.

Sources: a running 0.8.0, and `server.py` and `comfy_execution/jobs.py` of newer releases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from libs import limits
from libs.backends.comfyui.object_info import Offer, UnreadableOfferError, members_of, read_offer
from libs.backends.comfyui.outputs import Saved
from libs.backends.comfyui.patience import Patience
from libs.backends.comfyui.record import UNKNOWN, Record, read_history, read_job, read_queue
from libs.backends.comfyui.refusals import workflow_invalid
from libs.backends.transport import FileContent, OversizeError, Reply, Transport
from libs.errors import Failure, Unavailable
from libs.spool import Content, Spooler, chunks_of

__all__ = ["Graph", "Server"]

#: A workflow in ComfyUI's API format: node id → {"class_type", "inputs"}.
Graph = Mapping[str, Mapping[str, Any]]

T = TypeVar("T")

_BAD_REQUEST, _NOT_FOUND, _SERVER_ERROR = 400, 404, 500
_CLIENT_ERRORS = range(400, 500)
_CANCEL_TRIES = 5
_OFFER_MEMORY_BYTES_MAX = 4 * 1024 * 1024


class Server:
    """One ComfyUI. Every method raises Unavailable when it is away or makes no sense."""

    def __init__(self, url: str, patience: Patience) -> None:
        self.url = url
        self._patience = patience
        self._http = Transport("comfyui", url, call_s=patience.call_s, connect_s=patience.connect_s)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def submit(
        self, graph: Graph, *, prompt_id: str, client_id: str, skipped_outputs_allowed: bool = False
    ) -> str:
        """Queue a graph and return the id it runs under: ours, or with a server that takes none, its own.

        The same id twice runs twice: look it up first. Raises Failure when the graph is not accepted as a whole.
        """
        reply = await self._http.post("/prompt", {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id})
        if reply.status == _BAD_REQUEST:
            raise workflow_invalid(reply.load_object())
        if reply.status == _SERVER_ERROR:  # it lives, and chokes on this very graph
            raise Failure("backend_error", "the backend could not read the workflow", retryable=True)
        told = reply.require_ok().load_object()
        if isinstance(told.get("prompt_id"), str):
            prompt_id = told["prompt_id"]
        if told.get("node_errors") and not skipped_outputs_allowed:  # accepted, with some outputs silently left out
            await self.cancel(prompt_id)
            raise workflow_invalid(told)
        return prompt_id

    async def look_up(self, prompt_id: str) -> Record:
        """What the server knows of a prompt."""
        reply = await self._ask(f"/api/jobs/{prompt_id}")
        if reply.status != _NOT_FOUND:
            return read_job(reply.require_ok().load_object())
        if _knows_jobs(reply):
            return UNKNOWN
        # In this order: a prompt moves from the queue to the history, never back, so it cannot slip through.
        queue = (await self._ask("/queue")).require_ok().load_object()
        queued = read_queue(queue, prompt_id)
        if queued.alive:
            return queued
        return read_history((await self._ask(f"/history/{prompt_id}")).require_ok().load_object(), prompt_id)

    async def _ask(self, path: str) -> Reply:
        """Ask for a record, which holds all that nodes tell: on disk while it comes, since it may be large.

        Raises Failure past the ceiling: it would be as large the next time.
        """
        into = Spooler(_OFFER_MEMORY_BYTES_MAX)
        try:
            reply = await self._http.save(path, into, params={}, bytes_max=limits.PROMPT_RECORD_BYTES_MAX)
        except OversizeError:
            most = limits.PROMPT_RECORD_BYTES_MAX
            raise Failure("output_too_large", f"the workflow's nodes tell more than {most} bytes") from None
        return replace(reply, body=b"".join(chunks_of(into.content())))

    async def is_idle(self) -> bool:
        """Whether nothing runs there, and something waits."""
        queue = (await self._http.get("/queue")).require_ok().load_object()
        return not queue.get("queue_running") and bool(queue.get("queue_pending"))

    async def cancel(self, prompt_id: str) -> None:
        """End a prompt wherever it is; one that has ended, or is not known, is left alone."""
        reply = await self._http.post(f"/api/jobs/{prompt_id}/cancel", {})
        if reply.ok and "cancelled" in (reply.find_object() or {}):
            return
        for _ in range(_CANCEL_TRIES):  # it may begin to run between the look and the word
            record = await self.look_up(prompt_id)
            if record.state == "pending":
                (await self._http.post("/queue", {"delete": [prompt_id]})).require_ok()
            elif record.state == "running":
                # Never without an id: that would end whatever runs, anyone's.
                (await self._http.post("/interrupt", {"prompt_id": prompt_id})).require_ok()
                return
            else:
                return

    async def fetch(self, saved: Saved, bytes_max: int, memory_bytes_max: int) -> Content | None:
        """An output, on disk past so much memory; None when the file is gone. Raises Failure past `bytes_max`."""
        where = {"filename": saved.name, "subfolder": saved.subfolder, "type": saved.folder}
        into = Spooler(memory_bytes_max)
        try:
            reply = await self._http.save(
                "/view", into, params=where, total_s=self._patience.fetch_s, bytes_max=bytes_max
            )
        except OversizeError:
            raise Failure("output_too_large", "the outputs of the workflow are too large to keep") from None
        if reply.status == _NOT_FOUND:
            return None
        reply.require_ok()
        return into.content()

    async def upload(self, name: str, content: FileContent, *, subfolder: str) -> str:
        """Put a file into the server's input folder; what a graph calls it.

        One that is there already, of the same name and bytes, is not stored again; one of other bytes stays, and ours
        gets another name. Raises Failure when the server does not take it.
        """
        fields = {"subfolder": subfolder, "type": "input"}
        reply = await self._http.post_file("/upload/image", name, content, fields, total_s=self._patience.fetch_s)
        if reply.status in _CLIENT_ERRORS:
            raise Failure("upload_refused", "the backend did not take the uploaded file")
        told = reply.require_ok().load_object()
        taken = told.get("name"), told.get("subfolder", subfolder)
        if not all(isinstance(word, str) and word for word in taken):
            raise Unavailable("comfyui", "comfyui does not say where it put an upload")
        return f"{taken[1]}/{taken[0]}"

    async def free(self) -> None:
        """Have it unload its models and give back what memory it can."""
        (await self._http.post("/free", {"unload_models": True, "free_memory": True})).require_ok()

    async def object_info(self, node_class: str = "") -> dict[str, Any]:
        """The declaration of one node class, or of all."""
        path = f"/object_info/{node_class}" if node_class else "/object_info"
        return (await self._http.get(path)).require_ok().load_object()

    async def offer(self) -> Offer:
        """Every node class, however many: the answer lies on disk and is read class by class.

        Raises UnreadableOfferError where nothing of it can be read, and waiting will not help.
        """
        return await self._told(read_offer)

    async def declarations(self, names: Collection[str]) -> dict[str, Any]:
        """What `/object_info` says of some classes, in its own words; raises as `offer` does."""
        return await self._told(lambda chunks: {name: one for name, one in members_of(chunks) if name in names})

    async def _told(self, read: Callable[[Iterable[bytes]], T]) -> T:
        into = Spooler(_OFFER_MEMORY_BYTES_MAX)
        try:
            reply = await self._http.save(
                "/object_info", into, params={}, total_s=self._patience.fetch_s, bytes_max=limits.OBJECT_INFO_BYTES_MAX
            )
        except OversizeError as error:
            raise UnreadableOfferError("comfyui", f"its /object_info: {error.detail}") from None
        reply.require_ok()
        try:
            return await asyncio.to_thread(read, chunks_of(into.content()))
        except ValueError as error:
            raise UnreadableOfferError("comfyui", f"its /object_info is not understood: {error}") from None

    async def system_stats(self) -> dict[str, Any]:
        """Version, memory and devices."""
        return (await self._http.get("/system_stats")).require_ok().load_object()


def _knows_jobs(not_found: Reply) -> bool:
    """Whether a 404 is about the job; servers without that route answer in plain text."""
    return "error" in (not_found.find_object() or {})
