"""The API process: the application, and the server around it."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from apps.api.middleware.authenticate import Authenticate
from apps.api.middleware.body_limit import BodyLimit
from apps.api.middleware.observe import Observe
from apps.api.middleware.rate_limit import RateLimit
from apps.api.problems import Problems
from apps.api.routes import ROUTES
from apps.api.routing import Table
from apps.api.server import Server
from apps.api.state import ApiState
from apps.resources import Resources, open_resources, redis_refusals
from apps.settings import Settings
from libs.errors import Refusal
from libs.logs import set_up

__all__ = ["build", "serve"]

_REFUSED_TO_START = 2


def build(resources: Resources) -> ASGIApp:
    """The application over open resources."""
    return _wired(ApiState(resources))


def serve(settings: Settings) -> int:
    """Serve until told to stop; the exit code. Refuses to start on an unsafe configuration, in lines that say why."""
    if refusals := settings.refusals():
        return _refuse(refusals)
    set_up(settings.log_level, settings.log_format)
    return uvloop.run(_serve(settings))


def _refuse(lines: list[str]) -> int:
    sys.stderr.writelines(f"arqade api: {line}\n" for line in lines)
    return _REFUSED_TO_START


async def _serve(settings: Settings) -> int:
    resources = await open_resources(settings)
    try:
        if refusals := await redis_refusals(resources.store):
            return _refuse(refusals)
        resources.background.append(asyncio.create_task(resources.directory.listen(), name="directory"))
        api = ApiState(resources)
        return await Server(_wired(api), api).run_until_told()
    finally:
        await resources.close()


def _wired(api: ApiState) -> ASGIApp:
    """From the inside out: each layer sees the request before what stands above it here."""
    settings, resources = api.settings, api.resources
    app: ASGIApp = Table(ROUTES, Router(redirect_slashes=False, default=_unknown))
    app = Authenticate(app, resources.directory, pepper=api.pepper, enabled=settings.auth_enabled)
    app = BodyLimit(app, bytes_max=settings.body_bytes_max)
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
    return Observe(app, api, version=settings.api_version)


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    raise Refusal("not_found", "There is nothing at this address")
