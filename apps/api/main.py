"""The API process: the application, and the server around it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import uvloop
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from apps.api.middleware.authenticate import Authenticate
from apps.api.middleware.body_limit import BodyLimit
from apps.api.middleware.forwarded import Forwarded
from apps.api.middleware.hosts import Hosts
from apps.api.middleware.observe import Observe
from apps.api.middleware.rate_limit import RateLimit
from apps.api.problems import Problems
from apps.api.routes import ROUTES
from apps.api.routes.app_status import APP_STATUS
from apps.api.routes.health import METRICS_ROUTES
from apps.api.routing import PUBLIC, Route, Table
from apps.api.server.heap import freeze_heap
from apps.api.server.server import MetricsServer, Server
from apps.api.state import ApiState
from apps.api.streams.sockets import Sockets
from apps.notices import notices_here
from apps.resources import Resources, objects_refusals, open_resources, redis_refusals
from apps.settings import Settings
from libs.errors import Refusal
from libs.logs import set_up

__all__ = ["build", "serve"]

_REFUSED_TO_START = 2

_log = logging.getLogger(__name__)


def build(resources: Resources, api: ApiState | None = None) -> ASGIApp:
    """The application over open resources, and over the state that it is to share with a server."""
    return _wired(api or ApiState(resources))


def serve(settings: Settings) -> int:
    """Serve until told to stop; the exit code. Refuses to start on an unsafe configuration, in lines that say why."""
    if refusals := settings.refusals():
        return _refuse(refusals)
    set_up(settings.log_level, settings.log_format)
    for line in notices_here(settings):
        _log.warning(line)
    settings.forget_secrets()
    return uvloop.run(_serve(settings))


def _refuse(lines: list[str]) -> int:
    sys.stderr.writelines(f"arqade api: {line}\n" for line in lines)
    return _REFUSED_TO_START


async def _serve(settings: Settings) -> int:
    resources = await open_resources(settings)
    try:
        if refusals := [*await redis_refusals(resources), *await objects_refusals(resources)]:
            return _refuse(refusals)
        resources.background.append(asyncio.create_task(resources.directory.listen(), name="directory"))
        api = ApiState(resources)
        resources.background.append(asyncio.create_task(api.streams.keep(), name="streams"))
        resources.background.append(asyncio.create_task(api.checks.keep(), name="checks"))
        async with _metrics_on_their_port(api):
            server = Server(_wired(api), api)
            freeze_heap()
            code = await server.run_until_told()
        await api.last_used.write()
        return code
    finally:
        await resources.close()


@asynccontextmanager
async def _metrics_on_their_port(api: ApiState) -> AsyncIterator[None]:
    port = api.settings.prometheus_port
    if port is None:
        yield
        return
    app = Problems(Table(METRICS_ROUTES, _nowhere), api.metrics)
    server = MetricsServer(Observe(app, api, version=api.settings.api_version), api, port)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _wired(api: ApiState) -> ASGIApp:
    """From the inside out: each layer sees the request before what stands above it here."""
    settings, resources = api.settings, api.resources
    app: ASGIApp = Table(_routes(settings), _otherwise(Sockets(api)))
    app = Authenticate(app, api.door, resources.directory, resources.cells.shared, enabled=settings.auth_enabled)
    if settings.allowed_hosts:
        app = Hosts(app, settings.allowed_hosts)
    app = BodyLimit(app, api.budget, api.files, bytes_max=settings.body_bytes_max)
    app = Problems(app, resources.metrics)
    app = RateLimit(app, api)
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key", "prefer", "x-api-key", "x-request-id"],
            expose_headers=["*"],
        )
    if settings.trusted_proxies:
        # Starlette and uvicorn type one and the same interface differently.
        app = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app), list(settings.trusted_proxies)))
    app = Forwarded(app, api)
    return Observe(app, api, version=settings.api_version)


def _routes(settings: Settings) -> list[Route]:
    """The table of routes, with what a setting opens to everyone."""
    opened = {APP_STATUS} if settings.app_status_public else set()
    return [replace(one, scope=PUBLIC, bucket=None) if one.path in opened else one for one in ROUTES]


def _otherwise(sockets: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (sockets if scope["type"] == "websocket" else _nowhere)(scope, receive, send)

    return answer


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    raise Refusal("not_found", "There is nothing at this address")
