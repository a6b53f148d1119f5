"""One client's ear at ComfyUI: a WebSocket that is opened again whenever it closes or falls silent.

Only the latest of each kind of event is kept, and nothing waits for its reader: ComfyUI sends to all its clients in
turn, so a slow one would hold up everybody's. (`asyncio.timeout` throughout: before Python 3.12 `wait_for` may swallow
a cancellation.)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from libs.backends.comfyui.events import FEATURE_FLAGS, Ended, Event, Note, Preview, Progress, Sign, read_message
from libs.backends.comfyui.patience import Patience

__all__ = ["Heard", "Listener"]

_MESSAGE_BYTES_MAX = 64 * 1024 * 1024
#: Pictures that nodes send instead of saving them, all together.
_SENT_BYTES_MAX = 256 * 1024 * 1024
_CLOSE_S = 0.5


@dataclass(slots=True)
class Heard:
    """What has been heard since the last look: `node` has begun; `look` asks for another one at the prompt's record."""

    progress: Progress | None = None
    preview: Preview | None = None
    note: Note | None = None
    node: str | None = None
    look: bool = False


class Listener:
    """Listens from `async with` on; `prompt_id` tells our events from others on the same socket."""

    def __init__(
        self, url: str, client_id: str, prompt_id: str, patience: Patience, senders: Collection[str] = ()
    ) -> None:
        """`url` is ComfyUI's own (http or https); `senders` are nodes whose pictures come over the socket alone."""
        scheme, rest = url.rstrip("/").split("://", 1)
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws?clientId={quote(client_id)}"
        self.prompt_id = prompt_id
        self._patience = patience
        self._heard = Heard()
        self._news = asyncio.Event()
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._senders = frozenset(senders)
        self._node: str | None = None
        self._ended = asyncio.Event()
        #: What the senders have sent, in order: the node and its picture.
        self.sent: list[tuple[str, bytes]] = []
        #: When the prompt last showed that it lives, by the loop's clock.
        self.sign_at = asyncio.get_running_loop().time()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})  # not `await self._task`: its cancellation must not be taken for ours
        if not self._task.cancelled():
            self._task.result()

    async def connected(self) -> None:
        """Wait for the first connection, but not for long: without a socket there is still the polling."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.connect_s):
                await self._connected.wait()

    async def end_heard(self, within_s: float) -> None:
        """Wait until the end was told, but not for long: what was sent before it has been heard then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()

    async def hear(self, silence_s: float) -> Heard | None:
        """What is new; None after `silence_s` without anything."""
        try:
            async with asyncio.timeout(silence_s):
                await self._news.wait()
        except TimeoutError:
            return None
        heard, self._heard = self._heard, Heard()
        self._news.clear()
        return heard

    async def _listen(self) -> None:
        pause_s = self._patience.reconnect_s
        while True:
            try:
                async with connect(
                    self._url,
                    open_timeout=self._patience.connect_s,
                    close_timeout=_CLOSE_S,
                    max_size=_MESSAGE_BYTES_MAX,
                    proxy=None,
                    origin=None,
                    user_agent_header="arqade",
                ) as socket:
                    await socket.send(FEATURE_FLAGS)
                    pause_s = self._patience.reconnect_s
                    await self._receive(socket)
            except (OSError, TimeoutError, WebSocketException):
                self._call_for_a_look()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, self._patience.poll_s)

    async def _receive(self, socket: ClientConnection) -> None:
        """Take messages until the socket closes, or says nothing for so long that it may have been forgotten."""
        self._connected.set()
        self._call_for_a_look()
        while True:
            async with asyncio.timeout(self._patience.silence_s):  # 3.11's wait_for may swallow a cancellation
                message = await socket.recv()
            event = read_message(message)
            if event and event.prompt_id in (None, self.prompt_id):
                self._note(event)

    def _note(self, event: Event) -> None:
        self.sign_at = asyncio.get_running_loop().time()
        match event:
            case Progress():
                self._heard.progress = event
            case Preview() if self._sender_of(event) in self._senders:
                self._keep(event)
            case Preview():
                self._heard.preview = event
            case Note():
                self._heard.note = event
            case Ended():
                self._heard.look = True
                self._ended.set()
            case Sign():
                self._node = event.node or self._node
                self._heard.node = event.node
        self._news.set()

    def _sender_of(self, preview: Preview) -> str:
        """The node that a picture comes from: an old server does not say, but has said which one runs."""
        return preview.node or self._node or ""

    def _keep(self, preview: Preview) -> None:
        if sum(len(picture) for _, picture in self.sent) + len(preview.picture) <= _SENT_BYTES_MAX:
            self.sent.append((self._sender_of(preview), preview.picture))

    def _call_for_a_look(self) -> None:
        """What was said while we were not listening is lost: only a look at the record can tell."""
        self._heard.look = True
        self._news.set()
