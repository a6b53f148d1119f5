"""One graph's way through one ComfyUI: resume or submit, follow, fetch; and stop it there when it has to end.

At no time are two prompts of one job alive: what an earlier attempt submitted is looked up first, and only what is
gone is submitted again, under the next number.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from libs.backends.comfyui.follow import Follower, IdleServerError, SilentError
from libs.backends.comfyui.listener import Listener
from libs.backends.comfyui.outputs import (
    OUTPUT_BYTES_MAX,
    OUTPUT_MEMORY_BYTES_MAX,
    Outcome,
    OutputFile,
    list_saved,
    require_picture,
    values_of,
)
from libs.backends.comfyui.patience import Patience
from libs.backends.comfyui.record import SERVER_STUCK, Record
from libs.backends.comfyui.rewriting import extension_of, past_cache, saves, senders, with_inputs, with_prefix
from libs.backends.comfyui.server import Graph, Server
from libs.backends.submission import Submission, Watcher
from libs.backends.transport import FileContent
from libs.errors import ArqadeError, Failure, Unavailable
from libs.spool import Content

__all__ = ["TOO_SLOW", "Run", "Wishes", "prompt_id_of"]

#: The code of a prompt of which nothing was heard for too long.
TOO_SLOW: Final = "backend_timeout"

log = logging.getLogger(__name__)

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "arqade")
_SUBMISSIONS_MAX = 3


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a graph is to be run: with outputs that the server may leave out, and with what nodes only show."""

    skipped_outputs_allowed: bool = False
    previews: bool = False


class GoneError(Exception):
    """The server no longer knows the prompt: submit it again."""


class LostFileError(Exception):
    """The prompt has ended well, and what one of its nodes made is not there any more."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


def prompt_id_of(job_id: str, number: int) -> str:
    """The prompt id of a job's n-th submission: a UUID in canonical lower case, the same wherever it is made."""
    return str(uuid.uuid5(_NAMESPACE, f"{job_id}/{number}"))


def _digest_of(content: FileContent) -> str:
    """What a file is called by its bytes: one that comes again is there already."""
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _saving(graph: Graph) -> frozenset[str]:
    return frozenset(node for node, body in graph.items() if saves(body))


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
        wishes: Wishes,
        timeout_s: float,
        patience: Patience,
    ) -> None:
        self._server = server
        self._backend = backend
        self._graph = graph
        self._uploads = uploads
        self._wishes = wishes
        self._senders = senders(graph)
        self._watcher = watcher
        self._timeout_s = timeout_s
        self._patience = patience
        self._follower = Follower(server, graph, watcher, patience, timeout_s)
        self._prompt_id: str | None = None
        self._posting: asyncio.Task[str] | None = None
        self._confirmed = True

    async def outcome(self) -> Outcome:
        """What the graph makes; raises Failure or Unavailable.

        A prompt that is known nowhere is submitted again, three times at most. A file that is gone although its run
        ended well is asked for once more, past ComfyUI's cache, which would only tell of it again.
        """
        lost: set[str] = set()
        earlier = self._watcher.submission
        if earlier and earlier.backend == self._backend:
            try:
                return await self._resume(earlier.ref)
            except LostFileError as error:
                lost.add(error.node)
            except GoneError:
                pass
        first = earlier.number + 1 if earlier else 1
        for number in range(first, first + _SUBMISSIONS_MAX):
            try:
                return await self._submit(number, lost)
            except LostFileError as error:
                if error.node in lost:
                    raise Failure(
                        "output_lost", f"the file that node {error.node} made is gone at the backend"
                    ) from None
                lost.add(error.node)
            except GoneError:
                pass
        raise Failure("backend_lost", "the backend lost the workflow again and again")

    async def _resume(self, prompt_id: str) -> Outcome:
        """Take what an earlier attempt began; raises GoneError where nothing good will come of it."""
        self._prompt_id = prompt_id
        record = await self._server.look_up(prompt_id)
        async with self._listener(prompt_id) as listener:
            if record.alive:
                record = await self._follow(prompt_id, listener)
            if record.state != "completed":  # stopped by whoever had it before us, perhaps
                raise GoneError
            try:
                outcome = await self._collect(record, listener)
            except Failure as failure:  # the earlier attempt may have failed on these very files
                raise GoneError from failure
            if not outcome.files and _saving(self._graph):  # or for want of any
                raise GoneError
            return outcome

    async def _submit(self, number: int, lost: Collection[str]) -> Outcome:
        prompt_id = prompt_id_of(self._watcher.job_id, number)
        graph = with_prefix(await self._with_uploads(), f"arqade/{prompt_id}")
        async with self._listener(prompt_id) as listener:
            await listener.connected()
            handed = past_cache(graph, lost, prompt_id)
            listener.prompt_id = await self._hand_over(handed, Submission(self._backend, prompt_id, number))
            record = await self._follow(listener.prompt_id, listener)
            if record.state == "interrupted":
                raise Failure(
                    "interrupted_at_backend",
                    "somebody interrupted the workflow at the backend",
                    retryable=self._patience.interrupted_again,
                )
            return await self._collect(record, listener)

    async def _with_uploads(self) -> Graph:
        """Put the uploads where this prompt finds them, named by their bytes: what is there is not stored again."""
        names: dict[str, str] = {}
        for name, content in self._uploads.items():
            digest = await asyncio.to_thread(_digest_of, content)
            names[name] = await self._server.upload(f"{digest}{extension_of(name)}", content, subfolder="arqade")
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
            skipped_outputs_allowed=self._wishes.skipped_outputs_allowed,
        )
        self._posting = asyncio.create_task(call)
        try:
            return await asyncio.shield(self._posting)
        except Unavailable:  # no answer, or one that makes no sense: it may have been taken all the same
            if (await self._server.look_up(prompt_id)).state == "unknown":
                raise
            return prompt_id

    async def _follow(self, prompt_id: str, listener: Listener) -> Record:
        """Wait for an end; raises GoneError when the prompt vanishes, Failure when it fails or does not end."""
        try:
            record = await self._follower.end_of(prompt_id, listener)
        except (IdleServerError, SilentError) as error:
            raise await self._given_up(prompt_id, error) from None
        if record.state == "unknown":
            raise GoneError
        if record.out_of_memory:
            with suppress(Unavailable):
                await self._server.free()
        if record.state == "failed":
            log.warning("%s: prompt %s failed: %s", self._backend, prompt_id, record.whole_error)
            raise record.failure()
        return record

    async def _given_up(self, prompt_id: str, error: Exception) -> Failure:
        """End a prompt that does not end by itself. Where that does not help, it is the server that is stuck."""
        await self._cancel()
        if isinstance(error, IdleServerError):
            return Failure(SERVER_STUCK, "the backend takes work and does none of it", retryable=True)
        if await self._ends(prompt_id):
            detail = f"nothing was heard of the workflow for {self._timeout_s:g} s"
            return Failure(TOO_SLOW, detail, fault="ours")  # whose fault a slow graph is, its kind knows
        return Failure(SERVER_STUCK, "the backend does not end what it runs", retryable=True)

    async def _ends(self, prompt_id: str) -> bool:
        """Whether a prompt that was canceled has ended soon; a server that cannot be asked is another's finding."""
        clock = asyncio.get_running_loop()
        until = clock.time() + self._patience.ending_s
        while clock.time() < until:
            try:
                if not (await self._server.look_up(prompt_id)).alive:
                    return True
            except Unavailable:
                return True
            await asyncio.sleep(min(1.0, self._patience.poll_s))
        return False

    async def _collect(self, record: Record, listener: Listener) -> Outcome:
        """Fetch every file; raises LostFileError where one is gone."""
        files: list[OutputFile] = await self._sent(listener)
        left, in_memory = OUTPUT_BYTES_MAX, OUTPUT_MEMORY_BYTES_MAX
        values = values_of(record.outputs)
        for saved in list_saved(record.outputs, previews=self._wishes.previews):
            data: Content | None
            data = saved.text.encode() if saved.text is not None else await self._server.fetch(saved, left, in_memory)
            if data is None and saved.is_guess:
                values.setdefault(saved.node, {}).setdefault(saved.media, []).append(saved.path)
                continue
            if data is None:
                raise LostFileError(saved.node)
            require_picture(saved.name, data)
            left -= len(data)
            in_memory -= len(data) if isinstance(data, bytes) else 0
            files.append(OutputFile(saved.node, saved.media, saved.name, data, saved.subfolder, saved.folder))
        if not files and (answered := record.cached & _saving(self._graph)):  # a cache that tells of no files
            raise LostFileError(min(answered))
        warnings = () if files else ("the workflow ended well and left no files",)
        return Outcome(tuple(files), values, warnings)

    async def _sent(self, listener: Listener) -> list[OutputFile]:
        """The pictures that came over the socket. Whoever listened too late, or not all the time, asks again."""
        if not self._senders:
            return []
        await listener.end_heard(self._patience.connect_s)
        if missing := self._senders - {node for node, _ in listener.sent}:
            raise LostFileError(min(missing))
        return [
            OutputFile(node, "images", f"{node}-{index}.png", picture, folder="socket")
            for index, (node, picture) in enumerate(listener.sent)
        ]

    def _listener(self, prompt_id: str) -> Listener:
        """One client per prompt, named after it: whoever resumes the prompt hears its events too."""
        return Listener(self._server.url, prompt_id, prompt_id, self._patience, self._senders)

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
