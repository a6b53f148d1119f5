"""uvicorn, started by the program and stopped with patience."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from apps.api.server.crowd import Crowd
from apps.api.server.protocol import HttpProtocol
from apps.api.server.socket_protocol import SocketProtocol
from apps.api.server.stuck import Stuck
from apps.api.state import ApiState
from libs import limits

__all__ = ["MetricsServer", "Server"]

_LOOK_AGAIN_S = 0.05
_KEEP_ALIVE_S = 65
#: A socket that does not answer a ping in time is cut; the two are together what a reader may take nothing for.
_PING_EVERY_S = _PONG_WITHIN_S = limits.SLOW_READER_S / 2
_LAST_WORDS_S = 2

_log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Told to stop, it goes on answering until nothing is under way any more, or the grace is over.

    Meanwhile `/health` says `draining`, and every answer closes its connection, so that whatever balances the load
    turns elsewhere without one request failing.
    """

    def __init__(self, app: ASGIApp, api: ApiState) -> None:
        settings = api.settings
        crowd = Crowd(settings.connections_per_address, settings.trusted_proxies)
        super().__init__(_config(app, api, settings.port, crowd))
        self._api = api
        self._stopping: asyncio.Task[None] | None = None

    async def run_until_told(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code."""
        watching = asyncio.create_task(Stuck(self.server_state.connections).watch(), name="stuck")
        try:
            await self.serve()
        finally:
            watching.cancel()
        return 0 if self.started else 1

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's own, this does not raise the signal again at the end: being told to stop is no failure."""
        loop = asyncio.get_running_loop()
        for told in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(told, self._stop)
        try:
            yield
        finally:
            for told in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(told)

    def _stop(self) -> None:
        """Drain; told twice, stop at once."""
        if self._stopping is not None:
            self.should_exit = self.force_exit = True
            return
        self._api.draining.set()
        self._stopping = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        _log.info("draining: %d requests under way", self._api.in_flight)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._api.settings.drain_grace_s):
                while self._api.in_flight:  # noqa: ASYNC110  # looking now and then costs requests nothing
                    await asyncio.sleep(_LOOK_AGAIN_S)
        self.should_exit = True


class MetricsServer(uvicorn.Server):
    """The metrics on a port of their own, for as long as the process serves."""

    def __init__(self, app: ASGIApp, api: ApiState, port: int) -> None:
        super().__init__(_config(app, api, port))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the main server's."""
        yield


def _config(app: ASGIApp, api: ApiState, port: int, crowd: Crowd | None = None) -> uvicorn.Config:
    """Uvicorn makes the protocols itself: what they count with is told by their classes."""
    counted = {"crowd": crowd, "budget": api.budget, "metrics": api.metrics}
    return uvicorn.Config(
        app,
        host=api.settings.host,
        port=port,
        http=type("CountedHttpProtocol", (HttpProtocol,), counted),
        ws=type("CountedSocketProtocol", (SocketProtocol,), counted),
        ws_max_size=limits.SOCKET_MESSAGE_BYTES_MAX,
        ws_ping_interval=_PING_EVERY_S,
        ws_ping_timeout=_PONG_WITHIN_S,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # done by the application, for the proxies that it is told to trust
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
