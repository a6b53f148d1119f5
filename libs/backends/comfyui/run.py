"""One graph's way through one ComfyUI: resume or submit, follow, fetch; and stop it there when it has to end.

At no time are two prompts of one job alive: what an earlier attempt submitted is looked up first, and only what is
gone is submitted again, under the next number.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from libs.backends.comfyui.follow import Follower
from libs.backends.comfyui.listener import Listener
from libs.backends.comfyui.outputs import (
    OUTPUT_BYTES_MAX,
    OUTPUT_MEMORY_BYTES_MAX,
    OutputFile,
    list_saved,
    require_picture,
)
from libs.backends.comfyui.patience import Patience
from libs.backends.comfyui.record import Record
from libs.backends.comfyui.server import Graph, Server
from libs.backends.submission import Submission, Watcher
from libs.backends.transport import FileContent
from libs.errors import ArqadeError, Failure, Unavailable
from libs.spool import Content

__all__ = ["TOO_SLOW", "Run", "prompt_id_of", "with_inputs", "with_prefix"]

#: The code of a prompt that ran for too long.
TOO_SLOW: Final = "backend_timeout"

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "arqade")
_SUBMISSIONS_MAX = 3


class GoneError(Exception):
    """The server no longer knows the prompt, or no longer has its files: submit it again."""


def prompt_id_of(job_id: str, number: int) -> str:
    """The prompt id of a job's n-th submission: a UUID in canonical lower case, the same wherever it is made."""
    return str(uuid.uuid5(_NAMESPACE, f"{job_id}/{number}"))


def with_prefix(graph: Graph, prefix: str) -> Graph:
    """The graph, saving under a name of its own: an identical one is answered from a cache, without new files."""
    return {node: _prefixed(body, prefix) for node, body in graph.items()}


def with_inputs(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph, with every input whose value is one of these names, and no more than it, replaced by what it names."""
    if not names:
        return graph
    return {node: {**body, "inputs": _renamed(body.get("inputs", {}), names)} for node, body in graph.items()}


def _renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    return {name: names.get(value, value) if isinstance(value, str) else value for name, value in inputs.items()}


def _saves(body: Mapping[str, Any]) -> bool:
    return "filename_prefix" in body.get("inputs", {})


def _prefixed(body: Mapping[str, Any], prefix: str) -> Mapping[str, Any]:
    return {**body, "inputs": {**body["inputs"], "filename_prefix": prefix}} if _saves(body) else body


def _extension(name: str) -> str:
    """The part of a name by which ComfyUI tells pictures from other files, where it is plain."""
    _, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and extension.isascii() and extension.isalnum() else ""


class Run:
    """A graph that is run for a watcher. `backend` is the server's name in the job's record."""

    def __init__(
        self,
        server: Server,
        backend: str,
        graph: Graph,
        watcher: Watcher,
        *,
        uploads: Mapping[str, FileContent],
        skipped_outputs_allowed: bool = False,
        timeout_s: float,
        patience: Patience,
    ) -> None:
        self._server = server
        self._backend = backend
        self._graph = graph
        self._uploads = uploads
        self._skipped_outputs_allowed = skipped_outputs_allowed
        self._watcher = watcher
        self._timeout_s = timeout_s
        self._patience = patience
        self._follower = Follower(server, graph, watcher, patience)
        self._prompt_id: str | None = None
        self._posting: asyncio.Task[str] | None = None
        self._confirmed = True

    async def outputs(self) -> tuple[OutputFile, ...]:
        """The files the graph makes; raises Failure or Unavailable."""
        earlier = self._watcher.submission
        if earlier and earlier.backend == self._backend:
            with suppress(GoneError):
                return await self._resume(earlier.ref)
        first = earlier.number + 1 if earlier else 1
        for number in range(first, first + _SUBMISSIONS_MAX):
            with suppress(GoneError):
                return await self._submit(number)
        raise Failure("backend_lost", "the backend lost the workflow again and again", retryable=True)

    async def _resume(self, prompt_id: str) -> tuple[OutputFile, ...]:
        """Take what an earlier attempt began; raises GoneError where nothing good will come of it."""
        self._prompt_id = prompt_id
        record = await self._server.look_up(prompt_id)
        if record.alive:
            async with self._listener(prompt_id) as listener:
                record = await self._follow(prompt_id, listener)
            return await self._collect(record)
        if record.state != "completed":
            raise GoneError
        try:
            return await self._collect(record)
        except Failure as failure:  # the earlier attempt may have failed on these very files
            raise GoneError from failure

    async def _submit(self, number: int) -> tuple[OutputFile, ...]:
        prompt_id = prompt_id_of(self._watcher.job_id, number)
        graph = with_prefix(await self._with_uploads(prompt_id), f"arqade/{prompt_id}")
        async with self._listener(prompt_id) as listener:
            await listener.connected()
            listener.prompt_id = await self._hand_over(graph, Submission(self._backend, prompt_id, number))
            record = await self._follow(listener.prompt_id, listener)
        return await self._collect(record)

    async def _with_uploads(self, prompt_id: str) -> Graph:
        """Put the uploads where this prompt finds them, under names of ours: ComfyUI renames what it has already."""
        names: dict[str, str] = {}
        for index, (name, content) in enumerate(self._uploads.items()):
            taken = f"{prompt_id}-{index}{_extension(name)}"
            names[name] = await self._server.upload(taken, content, subfolder="arqade")
        return with_inputs(self._graph, names)

    async def _hand_over(self, graph: Graph, submission: Submission) -> str:
        """Submit, and return the id the prompt runs under.

        The submission is recorded before the call and once more after it: a worker that was frozen in between
        learns there that its lease is gone, and takes its prompt back.
        """
        await self._watcher.submitted(submission)
        self._prompt_id, self._confirmed = submission.ref, False
        self._prompt_id = await self._post(graph, submission.ref)
        await self._watcher.submitted(replace(submission, ref=self._prompt_id))
        self._confirmed = True
        return self._prompt_id

    async def _post(self, graph: Graph, prompt_id: str) -> str:
        """Call, in a task that outlives our being stopped: a call is not taken back by hanging up."""
        call = self._server.submit(
            graph,
            prompt_id=prompt_id,
            client_id=prompt_id,
            skipped_outputs_allowed=self._skipped_outputs_allowed,
        )
        self._posting = asyncio.create_task(call)
        try:
            return await asyncio.shield(self._posting)
        except Unavailable:  # no answer, or one that makes no sense: it may have been taken all the same
            if (await self._server.look_up(prompt_id)).state == "unknown":
                raise
            return prompt_id

    async def _follow(self, prompt_id: str, listener: Listener) -> Record:
        """Wait for a good end; raises GoneError when the prompt vanishes, Failure when it fails or takes too long."""
        try:
            async with asyncio.timeout(self._timeout_s):
                record = await self._follower.end_of(prompt_id, listener)
        except TimeoutError:
            raise await self._too_late(prompt_id) from None
        if record.state in ("unknown", "interrupted"):  # interrupted, and not by us: by hand, or by a restart
            raise GoneError
        if record.out_of_memory:
            with suppress(Unavailable):
                await self._server.free()
        if record.state == "failed":
            raise record.failure()
        return record

    async def _too_late(self, prompt_id: str) -> Failure:
        """Why it has not ended in time: it ran for too long, or it waited behind others, which is never its own fault.

        Whose fault a slow graph is, its kind knows.
        """
        waits = False
        with suppress(Unavailable):
            waits = (await self._server.look_up(prompt_id)).state == "pending"
        await self._cancel()
        if waits:
            detail = f"the backend did not begin within {self._timeout_s:g} s"
            return Failure("backend_busy", detail, retryable=True, fault="ours")
        return Failure(TOO_SLOW, f"the backend took longer than {self._timeout_s:g} s", retryable=True, fault="ours")

    async def _collect(self, record: Record) -> tuple[OutputFile, ...]:
        """Fetch every file; raises GoneError where one is gone, or where none came of a graph that saves."""
        files: list[OutputFile] = []
        left, in_memory = OUTPUT_BYTES_MAX, OUTPUT_MEMORY_BYTES_MAX
        for saved in list_saved(record.outputs):
            data: Content | None
            data = saved.text.encode() if saved.text is not None else await self._server.fetch(saved, left, in_memory)
            if data is None:
                raise GoneError
            require_picture(saved.name, data)
            left -= len(data)
            in_memory -= len(data) if isinstance(data, bytes) else 0
            files.append(OutputFile(saved.node, saved.media, saved.name, data))
        if not files and any(map(_saves, self._graph.values())):
            raise GoneError
        return tuple(files)

    def _listener(self, prompt_id: str) -> Listener:
        """One client per prompt, named after it: whoever resumes the prompt hears its events too."""
        return Listener(self._server.url, prompt_id, prompt_id, self._patience)

    async def stopped(self) -> None:
        """The attempt has been stopped: let a call that is under way end, then the prompt, where that was asked.

        A released job's prompt is resumed by another worker, a lost one's too, unless we were not in time.
        """
        if self._posting:
            with suppress(ArqadeError):
                await self._posting
        reason = self._watcher.stop_reason
        if reason in ("canceled", "timed_out") or (reason == "lost" and not self._confirmed):
            await self._cancel()

    async def _cancel(self) -> None:
        """End the prompt at the server, if it is there; an error is let be, since nobody could act on it."""
        if self._prompt_id:
            with suppress(ArqadeError):
                await self._server.cancel(self._prompt_id)
